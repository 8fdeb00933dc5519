"""Fig. 5(f), 5(g): energy against the error limit and against the deadline, with the slopes that the prices tell."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import Scenario, paper

from . import style
from .means import Mean, mean_of, power_text
from .rows import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DROPS = 50
# The paper recommends [0.15, 0.25].
ERRORS = (0.15, 0.16, 0.17, 0.18, 0.19, 0.20, 0.21, 0.22, 0.23, 0.24, 0.25)
DEADLINES = (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0)
# The paper gives no D_max: so much that it does not bind.
MAX_SYNTHETIC = 5000.0
# Relative step of the central differences: their own error is about its square times the curvature.
STEP = 1e-4


class Row(NamedTuple):
    """One drop at one value of a limit.

    Attributes
    ----------
    limit
        "max_global_error" or "max_latency".
    value
        Of the limit; s for the deadline.
    seed
        Which drop.
    energy
        J per round.
    synthetic
        Samples in all.
    price_slope
        dE / d(limit) by the plan's prices.
    difference_slope
        The same by central differences of two more optima.
    """

    limit: str
    value: float
    seed: int
    energy: float
    synthetic: float
    price_slope: float
    difference_slope: float


def measure(limit: str, value: float, seed: int) -> Row:
    """Plan one drop at this value of the limit, and close below and above it."""
    plan = fo.solve(*_scenario(limit, value, seed))
    below, above = (fo.solve(*_scenario(limit, value * (1 + sign * STEP), seed)).energy for sign in (-1, 1))
    slope = -plan.prices.latency
    if limit == "max_global_error":
        # The learning limit is on the mean local error: 1 + zeta / N ln(Delta_max).
        slope = -plan.prices.error * plan.task.learning.zeta / (plan.constraints.rounds * value)
    synthetic = float(np.sum(plan.synthetic_samples))
    return Row(limit, value, seed, plan.energy, synthetic, slope, (above - below) / (2 * STEP * value))


def _scenario(limit: str, value: float, seed: int) -> Scenario:
    if limit == "max_global_error":
        return paper(seed, max_global_error=value, max_synthetic=MAX_SYNTHETIC)
    return paper(seed, max_latency=value)


def texts(rows: list[Row]) -> dict[str, str]:
    """Return the tables, and how far the slopes are apart."""
    apart = [abs(row.difference_slope - row.price_slope) / abs(row.price_slope) for row in rows if row.price_slope]
    flat = [abs(row.difference_slope) for row in rows if not row.price_slope]
    return {
        "limit_drops": str(len({row.seed for row in rows})),
        "error_table": _table(rows, "max_global_error", 2),
        "deadline_table": _table(rows, "max_latency", 0),
        "slopes": str(len(apart)),
        "slopes_apart": power_text(max(apart)),
        "flat_slopes": str(len(flat)),
        "flat_most": f"{max(flat):g}",
    }


def _table(rows: list[Row], limit: str, digits: int) -> str:
    lines = []
    for value, chosen in _grouped(rows, limit).items():
        energy = mean_of([row.energy for row in chosen])
        synthetic = np.mean([row.synthetic for row in chosen])
        slope = np.mean([row.price_slope for row in chosen])
        # J/s with two decimals; J per unit of an error are thousands.
        columns = [f"{value:.{digits}f}", energy.text(2), f"{synthetic:.0f}", f"{slope:.{2 - digits}f}"]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def draw(rows: list[Row], figure: "Figure") -> None:
    """Plot both, with tangents by the prices."""
    left, right = figure.subplots(1, 2)
    _curve(left, rows, "max_global_error", 0.003)
    _curve(right, rows, "max_latency", 3.0)
    left.set(xlabel=r"error limit $\Delta^{\max}$", ylabel="energy (J per round)")
    right.set(xlabel=r"deadline $T^{\max}$ of a round (s)")
    for axes, ticks in ((left, (20, 50, 100, 200, 500)), (right, (5, 10, 20, 50, 100, 200))):
        axes.set_yticks(ticks, [str(value) for value in ticks])
        axes.set_yticks([], minor=True)
    right.legend(loc="upper right")


def _curve(axes: "Axes", rows: list[Row], limit: str, reach: float) -> None:
    groups = _grouped(rows, limit)
    means: list[Mean] = [mean_of([row.energy for row in chosen]) for chosen in groups.values()]
    values, energies = np.array(list(groups)), np.array([mean.value for mean in means])
    axes.set_yscale("log")
    axes.plot(values, energies, color=style.SKY, linewidth=1.2, zorder=1)
    for value, energy, chosen in zip(values, energies, groups.values(), strict=True):
        slope = float(np.mean([row.price_slope for row in chosen]))
        ends = np.array([-reach, reach])
        label = "slope by the prices" if value == values[0] else None
        axes.plot(value + ends, energy + slope * ends, color=style.VERMILLION, linewidth=2.2, zorder=2, label=label)
    halves = [mean.half for mean in means]
    axes.errorbar(
        values,
        energies,
        yerr=halves,
        fmt="o",
        color=style.BLUE,
        markersize=4,
        capsize=3,
        zorder=3,
        label="certified optimum, mean and 95 % interval",
    )


def _grouped(rows: list[Row], limit: str) -> dict[float, list[Row]]:
    values = sorted({row.value for row in rows if row.limit == limit})
    return {value: [row for row in rows if (row.limit, row.value) == (limit, value)] for value in values}


PART = Part(
    name="limits",
    kind=Row,
    measure=measure,
    settings=[
        {"limit": limit, "value": value, "seed": seed}
        for limit, values in (("max_global_error", ERRORS), ("max_latency", DEADLINES))
        for value in values
        for seed in range(DROPS)
    ],
    texts=texts,
    size=(9.5, 4.2),
    draw=draw,
)
