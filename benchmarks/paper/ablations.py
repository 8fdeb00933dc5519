"""Fig. 5(e), its planning side: what each part of FIMI is worth, in energy and in entropy."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.scenarios import paper

from . import style
from .means import gap_text, mean_of
from .rows import Part
from .schemes import mean_entropy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DROPS = 200
CLASSES = 10
MIXES = (0.4, 0.6)
# "w/o DM" is not here: a GAN in place of the diffusion model changes neither energy nor classes of a plan.
PLANNERS: Mapping[str, baselines.Planner] = {
    "FIMI": fo.solve,
    "w/o BA": baselines.without_bandwidth_allocation,
    "w/o DA": baselines.without_augmentation,
    "w/o OA, uniform": functools.partial(baselines.without_optimal_augmentation, kind="uniform"),
    "w/o OA, proportional": functools.partial(baselines.without_optimal_augmentation, kind="proportional"),
}


class Row(NamedTuple):
    """One planner's plan for one drop.

    Attributes
    ----------
    planner, seed, mix
        Which planner, which drop, and the parameter of its classes' Dirichlet distribution.
    energy
        J per round.
    entropy
        Mean entropy (bits) of what a device trains on.
    global_error
        Delta after the rounds that the limits allow.
    gap
        Certified relative gap, in the planner's own problem.
    """

    planner: str
    seed: int
    mix: float
    energy: float
    entropy: float
    global_error: float
    gap: float


def measure(planner: str, seed: int, mix: float) -> Row:
    """Plan one drop without one part of FIMI."""
    plan = PLANNERS[planner](*paper(seed, concentration=mix, classes=CLASSES))
    if not isinstance(plan, fo.Plan):
        raise ValueError(f"planner must plan for devices, got {planner!r}")
    return Row(planner, seed, mix, plan.energy, mean_entropy(plan), plan.global_error, plan.gap)


def texts(rows: list[Row]) -> dict[str, str]:
    """Return the table; energies are compared drop by drop."""
    lines, changes = [], {}
    whole = _column(rows, "FIMI", MIXES[0], "energy")
    for planner in PLANNERS:
        energies = _column(rows, planner, MIXES[0], "energy")
        entropies = [mean_of(_column(rows, planner, mix, "entropy")).text(3) for mix in MIXES]
        changes[planner] = mean_of((100 * (np.array(energies) / np.array(whole) - 1)).tolist())
        error = np.mean(_column(rows, planner, MIXES[0], "global_error"))
        change = "-" if planner == "FIMI" else changes[planner].text(2)
        columns = [planner, mean_of(energies).text(2), change, *entropies, f"{error:.4f}"]
        lines.append(f"| {' | '.join(columns)} |")
    return {
        "ablation_table": "\n".join(lines),
        "band_worth": f"{changes['w/o BA'].value:.1f} %",
        "ablation_drops": str(len({row.seed for row in rows})),
        "ablation_gap": gap_text(max(row.gap for row in rows)),
        "most_entropy": f"{np.log2(CLASSES):.3f}",
    }


def draw(rows: list[Row], figure: "Figure") -> None:
    """Plot energies on the left, entropies on the right."""
    left, right = figure.subplots(1, 2, sharey=True)
    names, places = list(PLANNERS), np.arange(len(PLANNERS))
    energies = [mean_of(_column(rows, name, MIXES[0], "energy")) for name in names]
    left.barh(places, [mean.value for mean in energies], xerr=[mean.half for mean in energies], color=style.BLUE)
    left.set(xlabel="energy (J per round)", yticks=places, yticklabels=names)
    left.invert_yaxis()
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
    for offset, mix, colour in ((-0.2, MIXES[0], style.SKY), (0.2, MIXES[1], style.ORANGE)):
        entropies = [mean_of(_column(rows, name, mix, "entropy")) for name in names]
        values, halves = [mean.value for mean in entropies], [mean.half for mean in entropies]
        right.barh(places + offset, values, 0.36, xerr=halves, color=colour, label=f"Dir({mix:g})")
    right.axvline(np.log2(CLASSES), color=style.BLACK, linestyle="--", linewidth=1, label="most, all classes alike")
    right.set(xlabel="mean entropy of a device's data (bits)")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=3)


def _column(rows: list[Row], planner: str, mix: float, name: str) -> list[float]:
    return [float(getattr(row, name)) for row in rows if row.planner == planner and row.mix == mix]


PART = Part(
    name="ablations",
    kind=Row,
    measure=measure,
    settings=[
        {"planner": planner, "seed": seed, "mix": mix} for mix in MIXES for planner in PLANNERS for seed in range(DROPS)
    ],
    texts=texts,
    size=(9.0, 3.6),
    draw=draw,
)
