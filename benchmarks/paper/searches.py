"""The cross-entropy search's certified gap against its evaluations, for several M and for fleets of several sizes."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt.scenarios import paper

from . import style
from .means import gap_text, power_text
from .rows import Part, Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

# (devices, M): the paper's fleet with several M, then larger fleets with 1 MHz of band a device as the paper has.
SAMPLES = ((20, 100), (20, 300), (20, 1000), (20, 3000))
SIZES = ((20, 1000), (50, 1000), (100, 1000), (200, 1000))
# The paper gives neither M, K, J nor the smoothing: K = M / 20 and J = 100 are ours.
ELITE_PART, ITERATIONS = 20, 100
# Drops, each with a search of its own seed; fewer of the larger fleets, for time.
SEEDS, SEEDS_LARGE = 20, 8
GOAL = 1e-5
# What is below, rounding, is drawn here.
FLOOR = 1e-13


class Row(NamedTuple):
    """One search: the certified gap of its best split after each iteration, inf while it had none."""

    devices: int
    samples: int
    seed: int
    gaps: list[float]


def measure(devices: int, samples: int, seed: int, iterations: int) -> Row:
    """Search the time split of one drop; drop and search have the same seed."""
    search = fo.CrossEntropy(samples=samples, elite=samples // ELITE_PART, iterations=iterations)
    scenario = paper(seed, devices=devices, bandwidth=1e6 * devices, classes=0)
    plan = fo.solve(*scenario, method="cross-entropy", search=search, rng=seed)
    bound = plan.lower_bound
    gaps = [(step.best - bound) / step.best if np.isfinite(step.best) else np.inf for step in plan.history]
    # A search whose spread is used up stands still.
    gaps += [gaps[-1]] * (iterations - len(gaps))
    return Row(devices, samples, seed, gaps)


def texts(rows: list[Row]) -> dict[str, str]:
    """Return the table and what the page quotes from it."""
    lines = []
    for devices, samples in dict.fromkeys(SAMPLES + SIZES):
        gaps = _gaps(rows, devices, samples)
        within = int(np.sum(gaps[:, -1] <= GOAL))
        columns = [
            str(devices),
            str(samples),
            str(len(gaps)),
            gap_text(float(np.median(gaps[:, -1]))),
            gap_text(float(np.max(gaps[:, -1]))),
            f"{within} of {len(gaps)}",
            _needed(gaps, samples),
        ]
        lines.append(f"| {' | '.join(columns)} |")
    default, fewest = _gaps(rows, *SIZES[0]), _gaps(rows, *SAMPLES[0])
    return {
        "search_table": "\n".join(lines),
        "goal": power_text(GOAL),
        "goal_met": str(int(np.sum(default[:, -1] <= GOAL))),
        "goal_of": str(len(default)),
        "evaluations": _needed(default, SIZES[0][1]),
        "fewest_gap": f"{100 * np.median(fewest[:, -1]):.0f} %",
        "worst_default": gap_text(float(np.max(default[:, -1]))),
        "below_bound": str(sum(min(row.gaps) < 0 for row in rows)),
        "searches_all": str(len(rows)),
    }


def draw(rows: list[Row], figure: "Figure") -> None:
    """Plot medians and ranges over seeds, several M on the left and several sizes on the right."""
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, pairs, name in ((left, SAMPLES, "M = {1}"), (right, SIZES, "{0} devices")):
        for pair, colour, line in zip(pairs, style.COLOURS, style.LINES, strict=False):
            _curve(axes, rows, pair, name.format(*pair), colour, line)
        axes.set(xscale="log", yscale="log", xlabel="evaluated splits")
        axes.axhline(GOAL, color=style.GREY, linewidth=0.8)
        axes.annotate(
            "$10^{-5}$",
            (1, GOAL),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            color=style.GREY,
        )
        axes.legend(loc="lower left")
    left.set(ylabel="certified gap of the best split (relative)", title="20 devices")
    right.set(title="M = 1000")


def _curve(axes: "Axes", rows: list[Row], pair: tuple[int, int], label: str, colour: str, line: style.Line) -> None:
    gaps = np.maximum(_gaps(rows, *pair), FLOOR)
    evaluated = pair[1] * np.arange(1, gaps.shape[1] + 1)
    axes.fill_between(evaluated, gaps.min(axis=0), gaps.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.plot(evaluated, np.median(gaps, axis=0), color=colour, linestyle=line, linewidth=1.8, label=label)


def _gaps(rows: list[Row], devices: int, samples: int) -> Floats:
    """Gaps of every seed after each iteration, (seeds, iterations)."""
    return np.array([row.gaps for row in rows if (row.devices, row.samples) == (devices, samples)])


def _needed(gaps: Floats, samples: int) -> str:
    """Median over seeds of the evaluations up to the end of the first iteration that meets the goal, if all meet it."""
    met = gaps <= GOAL
    if not met.any(axis=1).all():
        return "-"
    return f"{np.median(samples * (1 + np.argmax(met, axis=1))):,.0f}"


def _settings() -> list[Settings]:
    return [
        {"devices": devices, "samples": samples, "seed": seed, "iterations": ITERATIONS}
        for devices, samples in dict.fromkeys(SAMPLES + SIZES)
        for seed in range(SEEDS if devices == SAMPLES[0][0] else SEEDS_LARGE)
    ]


PART = Part(
    name="searches",
    kind=Row,
    measure=measure,
    settings=_settings(),
    texts=texts,
    size=(9.5, 4.2),
    draw=draw,
)
