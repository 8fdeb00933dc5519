"""The table: energy, latency and uplink of one round for every scheme of V-B, beside what Table I implies."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.baselines import SCHEMES
from fimi_opt.scenarios import paper

from . import style, table_one
from .means import gap_text, mean_of
from .rows import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DROPS = 200
MIXES = (0.4, 0.6)
# Table I has the same J per round for these; CLSD is not in it.
ALIKE = {"TFL": ("TFL", "SST"), "SEMI": ("SEMI",), "FIMI": ("FIMI", "HDC", "GAN")}


class Row(NamedTuple):
    """One scheme's plan for one drop, one round.

    Attributes
    ----------
    scheme, seed, mix
        Which scheme, which drop, and the parameter of its classes' Dirichlet distribution.
    energy, upload_energy
        J of the fleet, and the uploads' part of it.
    at_local_data
        J where only local samples are trained on, at the plan's frequencies, bandwidths and powers.
    latency, uplink_bits
        s, and bits of the fleet.
    synthetic
        Samples that the devices add in all.
    entropy
        Mean entropy (bits) of what a device trains on; None where no device trains.
    gap
        Certified relative gap.
    """

    scheme: str
    seed: int
    mix: float
    energy: float
    upload_energy: float
    at_local_data: float
    latency: float
    uplink_bits: float
    synthetic: float
    entropy: float | None
    gap: float


def measure(scheme: str, seed: int, mix: float) -> Row:
    """Plan one drop by one scheme."""
    plan = SCHEMES[scheme](*paper(seed, concentration=mix))
    upload = at_local = 0.0
    entropy = None
    if isinstance(plan, fo.Plan):
        upload = float(np.sum(plan.upload_energy))
        at_local = float(np.sum(plan.compute_energy * plan.devices.local_samples / plan.samples)) + upload
        entropy = mean_entropy(plan)
    total = float(np.sum(plan.synthetic_samples))
    return Row(
        scheme, seed, mix, plan.energy, upload, at_local, plan.latency, plan.uplink_bits, total, entropy, plan.gap
    )


def mean_entropy(plan: fo.Plan) -> float:
    """Mean over devices of the entropy (bits) of local and added samples together, FIMI (45)."""
    counts, added = plan.devices.class_counts, plan.synthetic_by_class
    if counts is None or added is None:
        raise ValueError("plan must be of devices with class_counts")
    return float(np.mean(fo.entropy(counts + added)))


def texts(rows: list[Row]) -> dict[str, str]:
    """Return the tables and the figures that the page quotes."""
    tfl, fimi = np.array(_energies(rows, "TFL")), np.array(_energies(rows, "FIMI"))
    part = [100 * row.at_local_data / row.energy for row in rows if row.scheme == "FIMI"]
    implied = {name: table_one.energy(table_one.cells_of(*ALIKE[name])).middle for name in ALIKE}
    bits = table_one.update_bits().middle
    lines = [_table_line(name, [row for row in rows if row.scheme == name]) for name in SCHEMES]
    return _to_accuracy({"TFL": float(np.mean(tfl)), "SST": float(np.mean(tfl)), "FIMI": float(np.mean(fimi))}) | {
        "scheme_table": "\n".join(lines),
        "drops": str(len(tfl)),
        "largest_gap": gap_text(max(row.gap for row in rows)),
        "ratio_low": f"{np.min(fimi / tfl):.2f}",
        "ratio_high": f"{np.max(fimi / tfl):.2f}",
        "implied_ratio": f"{implied['FIMI'] / implied['TFL']:.2f}",
        "implied_fimi": f"{implied['FIMI']:.3f}",
        "implied_semi": f"{implied['SEMI']:.3f}",
        "implied_tfl": f"{implied['TFL']:.3f}",
        "tfl_most": f"{np.max(tfl):.1f}",
        "fimi_deviation": f"{np.std(fimi, ddof=1):.1f}",
        "fimi_excess": f"{100 * (implied['FIMI'] / np.mean(fimi) - 1):.1f} %",
        "tfl_excess": f"{100 * (implied['TFL'] / np.mean(tfl) - 1):.0f} %",
        "semi_part": f"{np.mean(part):.1f} %",
        "semi_part_low": f"{min(part):.1f} %",
        "semi_part_high": f"{max(part):.1f} %",
        "implied_semi_part": f"{100 * implied['SEMI'] / implied['FIMI']:.1f} %",
        "implied_bits": f"{bits / 1e6:.2f}",
        "implied_binary": f"{bits / 2**20:.2f}",
        "printed_tfl": f"{table_one.energy_as_printed(table_one.cells_of('TFL')[:1]):.2f}",
    }


def _to_accuracy(energies: dict[str, float]) -> dict[str, str]:
    """Return Table I's energies up to its target accuracies, as printed and with these energies (J) per round."""
    lines, cheaper = [], np.zeros(2, np.int64)
    for task in dict.fromkeys(cell.task for cell in table_one.CELLS):
        cells = {cell.method: cell for cell in table_one.CELLS if cell.task == task and cell.method in energies}
        rounds = {name: table_one.rounds(cell) for name, cell in cells.items()}
        spent = {name: np.array([cell.energy, rounds[name] * energies[name]]) for name, cell in cells.items()}
        for name, own in spent.items():
            changes = [f"{change:+.0f} %" if name != "FIMI" else "-" for change in 100 * (spent["FIMI"] / own - 1)]
            columns = [task, name, str(rounds[name]), *(f"{joules:.0f}" for joules in own), *changes]
            lines.append(f"| {' | '.join(columns)} |")
        cheaper += spent["SST"] < spent["FIMI"]
    return {
        "accuracy_table": "\n".join(lines),
        "sst_cheaper_printed": str(cheaper[0]),
        "sst_cheaper": str(cheaper[1]),
    }


def draw(rows: list[Row], figure: "Figure") -> None:
    """Plot every drop's energy with and without synthetic data, and where Table I would be."""
    axes = figure.subplots()
    tfl, fimi = _energies(rows, "TFL"), _energies(rows, "FIMI")
    axes.scatter(
        tfl, fimi, s=16, color=style.BLUE, alpha=0.6, linewidths=0, label="one drop, both at their certified optimum"
    )
    axes.plot(np.mean(tfl), np.mean(fimi), "s", color=style.BLACK, markersize=8, label="mean of all drops")
    implied = [table_one.energy(table_one.cells_of(*ALIKE[name])).middle for name in ("TFL", "FIMI")]
    axes.plot(*implied, "*", color=style.VERMILLION, markersize=16, label="Table I of the paper")
    axes.set_xlabel("TFL, SST: no synthetic data on devices (J per round)")
    axes.set_ylabel("FIMI, HDC, GAN: with synthetic data (J per round)")
    axes.legend(loc="lower right")


def _energies(rows: list[Row], scheme: str) -> list[float]:
    """Energy of each drop; the class mix plays no part in it."""
    return [row.energy for row in rows if row.scheme == scheme and row.mix == MIXES[0]]


def _table_line(name: str, rows: list[Row]) -> str:
    first = [row for row in rows if row.mix == MIXES[0]]
    cells = table_one.cells_of(name)
    energy = f"{table_one.energy(cells).middle:.2f}" if cells else "-"
    uplink = f"{table_one.uplink(cells).middle:.4f}" if cells else "-"
    entropies = []
    for mix in MIXES:
        values = [row.entropy for row in rows if row.mix == mix and row.entropy is not None]
        entropies.append(mean_of(values).text(3) if values else "-")
    columns = [
        name,
        mean_of([row.energy for row in first]).text(2),
        energy,
        f"{np.mean([row.latency for row in first]):.2f}",
        f"{np.mean([row.uplink_bits for row in first]) / table_one.BITS_PER_GIGABYTE:.4f}",
        uplink,
        mean_of([row.synthetic for row in first]).text(0),
        *entropies,
    ]
    return f"| {' | '.join(columns)} |"


PART = Part(
    name="schemes",
    kind=Row,
    measure=measure,
    settings=[
        {"scheme": scheme, "seed": seed, "mix": mix} for mix in MIXES for scheme in SCHEMES for seed in range(DROPS)
    ],
    texts=texts,
    size=(6.5, 4.5),
    draw=draw,
)
