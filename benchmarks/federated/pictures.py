"""Pictures of the pages, as PNG files; with `samples`, the modules that need the extra `plot`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from paper import style
from paper.table_one import BITS_PER_GIGABYTE

from .campaign import Found
from .errors import MIXED_REAL
from .laws import predicted
from .quality import Worth
from .samples import draw_samples
from .schemes import RECIPES
from .settings import SETTINGS
from .style import CURVES, LEVELS, titles
from .tables import accuracies, chosen, paired

_HOUR, _THOUSAND = 3600.0, 1000.0
_DOTS_PER_INCH = 150
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.framealpha": 0.9,
}
# Matplotlib 3.10 gave the argument another name.
_SINCE_3_10 = mpl.__version_info__ >= (3, 10)
_HORIZONTAL: dict[str, Any] = {"orientation": "horizontal"} if _SINCE_3_10 else {"vert": False}
# Below, curves of the first rounds cross one another and tell nothing.
_LEAST_ACCURACY = 0.6


class Picture(NamedTuple):
    """Its size, inches, and what draws it."""

    size: tuple[float, float]
    draw: Callable[[Found, Figure], None]


def save(found: Found, folder: Path) -> None:
    """Draw all that these runs are enough for into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in PICTURES.items():
        if found.complete or name in ANYWHERE:
            with mpl.rc_context(_STYLE):
                figure = Figure(figsize=picture.size, layout="constrained")
                picture.draw(found, figure)
                # Without matplotlib's version in it the same rows give the same file.
                figure.savefig(folder / f"{name}.png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def draw_accuracy(found: Found, figure: Figure) -> None:
    """Fig. 4: accuracy against energy and against time; as each round takes the deadline, time is uplink as well."""
    panels = figure.subplots(2, 2, sharey="row")
    for row, (setting, shape) in zip(panels, SETTINGS.items(), strict=True):
        energy, time = row
        for scheme, look in CURVES.items():
            runs = chosen(found.runs, setting, scheme)
            means = accuracies(found.runs, setting, scheme).mean(axis=0)
            count = np.arange(1, means.size + 1)
            kind = {"color": look.colour, "linestyle": look.line, "linewidth": look.width}
            energy.plot(count * np.mean([run.energy for run in runs]), means, label=scheme, **kind)
            time.plot(count * np.mean([run.latency for run in runs]) / _HOUR, means, **kind)
        for scheme, look in LEVELS.items():
            level = accuracies(found.runs, setting, scheme)[:, -1].mean()
            for axes in row:
                axes.axhline(
                    level, color=look.colour, linestyle=look.line, linewidth=1.5, label=f"{scheme} (no device)"
                )
        energy.set(xscale="log", xlabel="energy of all devices since the start (J)", ylabel="accuracy on the test part")
        energy.set(ylim=(_LEAST_ACCURACY, 0.97), title=titles(setting))
        time.set(xlabel="time since the start (h)", xlim=(0, None))
        uplink = chosen(found.runs, setting, "FIMI")[0]
        factor = uplink.uplink_bits / BITS_PER_GIGABYTE / (uplink.latency / _HOUR)
        above = time.secondary_xaxis("top", functions=(lambda h, f=factor: h * f, lambda g, f=factor: g / f))
        above.set_xlabel("uplink of all devices (GB)")
        for axes in row:
            axes.axhline(shape.target, color=style.BLACK, linewidth=0.7, linestyle=(0, (1, 4)), zorder=0)
        place = {"xycoords": ("axes fraction", "data"), "xytext": (3, 1), "textcoords": "offset points"}
        energy.annotate("target", (0.0, shape.target), fontsize=8, **place)
        _plain(energy.xaxis)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)


def _plain(axis: Axis) -> None:
    """Write a logarithmic axis's numbers at 1, 2 and 5 of every power of ten, and without powers."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value < _THOUSAND else f"{value:,.0f}"))
    axis.set_minor_locator(NullLocator())


def draw_differences(found: Found, figure: Figure) -> None:
    """Draw FIMI's lead over every other scheme, paired by seeds, with intervals."""
    panels = figure.subplots(1, len(SETTINGS), sharey=True)
    names = [name for name in RECIPES if name != "FIMI"]
    places = np.arange(len(names))
    for axes, setting in zip(panels, SETTINGS, strict=True):
        leads = [paired(found.runs, setting, name) for name in names]
        values, halves = ([100 * getattr(lead, part) for lead in leads] for part in ("value", "half"))
        axes.errorbar(values, places, xerr=halves, fmt="o", color=style.BLUE, capsize=3, markersize=5)
        axes.axvline(0, color=style.BLACK, linewidth=1)
        axes.set(yticks=places, yticklabels=names, title=titles(setting))
        axes.set_xlabel("accuracy of FIMI less that of the scheme\n(percentage points; right: FIMI is ahead)")
    panels[0].invert_yaxis()


def draw_similarity(found: Found, figure: Figure) -> None:
    """Fig. 5(h): box plots of eq. (52) over devices and seeds."""
    panels = figure.subplots(1, len(SETTINGS), sharey=True)
    names = ["TFL", "SEMI", "HDC", "GAN", "own data again", "w/o OA, uniform", "FIMI"]
    for axes, setting in zip(panels, SETTINGS, strict=True):
        values = [np.concatenate([run.similarity for run in chosen(found.runs, setting, name)]) for name in names]
        boxes = axes.boxplot(
            values, patch_artist=True, widths=0.6, flierprops={"marker": ".", "markersize": 3}, **_HORIZONTAL
        )
        for name, box, line in zip(names, boxes["boxes"], boxes["medians"], strict=True):
            box.set(facecolor=style.SKY if name == "FIMI" else "#EEEEEE", edgecolor=style.BLACK)
            line.set(color=style.VERMILLION, linewidth=2)
        axes.set(yticks=range(1, len(names) + 1), yticklabels=names, title=titles(setting))
        axes.set_xlabel("similarity to a uniform device's gradient, eq. (52)")
    panels[0].invert_yaxis()


def draw_laws(found: Found, figure: Figure) -> None:
    """Errors on real and on mixed samples, with the curve of real ones and the fitted laws."""
    panels = figure.subplots(1, 1 + len(found.mixed), sharey=True)
    _draw_curve(found, panels[0])
    marks = zip(MIXED_REAL, (style.BLUE, style.VERMILLION, style.GREEN), ("o", "s", "^"), strict=True)
    for real, colour, mark in marks:
        for axes, (kind, data) in zip(panels[1:], found.mixed.items(), strict=True):
            law, here = found.laws[kind]["saturating"], data.real == real
            here &= data.synthetic > 0
            errors = data.errors[:, here]
            axes.errorbar(
                data.synthetic[here],
                errors.mean(axis=0),
                yerr=2 * _deviation(errors),
                fmt=mark,
                color=colour,
                markersize=5,
                label=f"{real} real samples",
            )
            grid = np.geomspace(4, 400, 100)
            axes.plot(grid, predicted(law.curve, law.worth, np.full(100, real), grid), color=colour, linewidth=1.6)
            axes.plot(
                grid,
                predicted(law.curve, Worth(1.0), np.full(100, real), grid),
                color=colour,
                linewidth=1,
                linestyle=":",
            )
            axes.set(xscale="log", xlabel="synthetic samples", title=kind)
            _plain(axes.xaxis)
    for axes in panels:
        axes.legend(loc="upper right")
    panels[0].set(ylabel="error on the test part", ylim=(0, None))


def _draw_curve(found: Found, axes: Axes) -> None:
    curve = found.curve
    sizes = np.unique(curve.samples)
    axes.errorbar(
        sizes,
        found.real.mean(axis=0),
        yerr=2 * _deviation(found.real),
        fmt="o",
        color=style.BLACK,
        markersize=5,
        label="mean of all seeds",
    )
    grid = np.geomspace(sizes[0] * 0.8, sizes[-1] * 1.2, 200)
    axes.plot(grid, curve.alpha * grid**-curve.beta - curve.gamma, color=style.BLACK, label="fit of eq. (1)")
    axes.set(xscale="log", xlabel="real samples", title="real samples alone")
    _plain(axes.xaxis)


def _deviation(errors: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
    """Standard error of the mean over seeds."""
    return np.asarray(errors.std(axis=0, ddof=1) / np.sqrt(len(errors)))


def draw_quality(found: Found, figure: Figure) -> None:
    """What the plan would be, against q, and where the measured laws are."""
    left, right = figure.subplots(1, 2)
    plans = found.plans
    line = [plan for plan in plans if plan.kind == ""]
    for axes, name in ((left, "energy"), (right, "synthetic")):
        axes.plot(
            [plan.worth.q for plan in line],
            [getattr(plan, name) for plan in line],
            color=style.BLUE,
            label="each counts as q",
        )
        for plan, colour, mark in zip(
            [plan for plan in plans if plan.kind and np.isfinite(plan.energy)],
            (style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE),
            "sD^v",
            strict=False,
        ):
            axes.plot(plan.worth.q, getattr(plan, name), mark, color=colour, markersize=9, label=plan.label)
        axes.axvline(1, color=style.GREY, linewidth=0.8, linestyle="--")
        axes.set(xlabel="what a synthetic sample counts, in real ones: q", yscale="log", xscale="log")
        _plain(axes.xaxis)
        _plain(axes.yaxis)
    left.set(ylabel="energy of the plan (J per round)")
    right.set(ylabel="synthetic samples of all devices")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)


PICTURES = {
    "accuracy": Picture((10.0, 8.0), draw_accuracy),
    "differences": Picture((9.5, 4.8), draw_differences),
    "similarity": Picture((9.5, 3.8), draw_similarity),
    "laws": Picture((10.5, 4.0), draw_laws),
    "quality": Picture((9.0, 4.2), draw_quality),
    "samples": Picture((7.0, 1.6), draw_samples),
}
# Of the runs with torch, which are of a few schemes.
ANYWHERE = ("laws", "samples")
