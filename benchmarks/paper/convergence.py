"""Fig. 5(a): how the cross-entropy search converges for several error limits, with the certified optimum drawn in."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import paper

from . import style
from .rows import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the range [0.15, 0.25] that the paper recommends; above 0.215 the default curve needs no synthetic data.
ERRORS = (0.16, 0.18, 0.20, 0.22)
# The paper gives no D_max: so much that it does not bind.
MAX_SYNTHETIC = 5000.0
# What is below, rounding, is drawn here.
FLOOR = 1e-13


class Row(NamedTuple):
    """The search's history for one error limit, an entry an iteration; J."""

    max_global_error: float
    optimum: float
    best: list[float]
    elite_mean: list[float]
    feasible: list[float]


def measure(max_global_error: float, samples: int, elite: int, iterations: int) -> Row:
    """Search one drop's time split; seed 0 of drops and of searches."""
    scenario = paper(0, max_global_error=max_global_error, max_synthetic=MAX_SYNTHETIC)
    search = fo.CrossEntropy(samples=samples, elite=elite, iterations=iterations)
    plan = fo.solve(*scenario, method="cross-entropy", search=search, rng=0)
    best, elite_mean, feasible = (
        [float(getattr(step, name)) for step in plan.history] for name in ("best", "elite_mean", "feasible")
    )
    return Row(max_global_error, plan.lower_bound, best, elite_mean, feasible)


def texts(rows: list[Row]) -> dict[str, str]:
    """Return what the page quotes."""
    rises = sum(max(row.elite_mean) > row.elite_mean[0] for row in rows)
    reached = [1 + next(k for k, value in enumerate(_gaps(row)) if value <= 1e-5) for row in rows]
    return {
        "smoothing": f"{fo.CrossEntropy().smoothing:g}",
        "rises": str(rises),
        "searches": str(len(rows)),
        "first_feasible": f"{100 * min(row.feasible[0] for row in rows):.0f} %",
        "fine_from": str(min(reached)),
        "fine_to": str(max(reached)),
        "error_energies": ", ".join(f"{row.optimum:.1f} J at {row.max_global_error:.2f}" for row in rows),
    }


def draw(rows: list[Row], figure: "Figure") -> None:
    """Plot energies on the left, gaps on the right."""
    left, right = figure.subplots(1, 2)
    for row, colour, line in zip(rows, style.COLOURS, style.LINES, strict=False):
        steps = np.arange(1, len(row.best) + 1)
        left.plot(steps, row.best, color=colour, linewidth=1.8)
        left.plot(steps, row.elite_mean, color=colour, linewidth=1.2, linestyle=(0, (1, 1.5)))
        left.axhline(row.optimum, color=style.BLACK, linewidth=0.8, linestyle=(0, (5, 3)))
        left.annotate(
            f"$\\Delta^{{\\max}}$ = {row.max_global_error:.2f}",
            (40, row.optimum),
            xytext=(0, 4),
            textcoords="offset points",
            ha="right",
            color=colour,
        )
        gaps = np.maximum(_gaps(row), FLOOR)
        right.plot(steps, gaps, color=colour, linestyle=line, linewidth=1.8, label=f"{row.max_global_error:.2f}")
    left.set(yscale="log", xlim=(0.5, 40.5), xlabel="iteration j", ylabel="energy (J per round)")
    ticks = [20, 50, 100, 200, 500]
    left.set_yticks(ticks, [str(value) for value in ticks])
    left.set_yticks([], minor=True)
    left.plot([], [], color=style.GREY, linewidth=1.8, label="best split so far")
    left.plot([], [], color=style.GREY, linewidth=1.2, linestyle=(0, (1, 1.5)), label="mean of the elite")
    left.plot([], [], color=style.BLACK, linewidth=0.8, linestyle=(0, (5, 3)), label="certified optimum")
    left.legend(loc="upper right")
    right.set(yscale="log", xlabel="iteration j", ylabel="certified gap of the best split (relative)")
    right.legend(title="$\\Delta^{\\max}$")


def _gaps(row: Row) -> list[float]:
    """Certified relative gap of the best split after each iteration; inf while there was none."""
    return [(best - row.optimum) / best if np.isfinite(best) else np.inf for best in row.best]


PART = Part(
    name="convergence",
    kind=Row,
    measure=measure,
    settings=[{"max_global_error": error, "samples": 1000, "elite": 50, "iterations": 100} for error in ERRORS],
    texts=texts,
    size=(9.5, 4.2),
    draw=draw,
)
