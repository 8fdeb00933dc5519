"""The classes: how many samples of each the devices have, and how many when the synthetic ones are added."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import ClassTable, Floats, Plan
from fimi_opt.plan.document import class_names
from fimi_opt.plotting.drawing import (
    GREEN,
    HATCH,
    PURPLE,
    axes_for,
    from_zero,
    label_bars,
    legend_above,
    room_of,
)
from fimi_opt.plotting.stacks import MOST_BARS, Part, draw_bars

# Between them are nine devices in ten.
_LOW, _HIGH = 0.05, 0.95
# Points; what is narrower can't be seen.
_BAR_WIDTH = 2.2


def class_counts(plan: Plan, ax: Axes | None = None, classes: Sequence[str] | None = None) -> Axes:
    """Draw the samples of each class before and after filling (P8).

    Where each class of each device has room for a bar, on a figure of its own up to 200 of them, it shows what the
    device has, and the synthetic samples on top of it. Elsewhere two boxes for each class span nine devices in ten,
    with the median in them: what they have, and what they train on; of more than 40 classes a box is of several
    neighbours.

    Parameters
    ----------
    plan
        A plan for devices with `class_counts`.
    ax
        Axes to draw on; by default those of a new figure.
    classes
        Names of the classes, (C,); by default "0", "1", ...

    Returns
    -------
    matplotlib.axes.Axes
        The axes: samples.

    Raises
    ------
    ValueError
        If the devices have no `class_counts`, there are not as many names as classes, `plan` is no plan or `ax` are no
        axes; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[500.0, 300.0, 100.0]])
    >>> plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> class_counts(plan, classes=["cat", "dog", "owl"]).get_ylabel()
    'samples'
    """
    ax = axes_for(plan, ax)
    before, added = plan.devices.class_counts, plan.synthetic_by_class
    if before is None or added is None:
        raise InvalidInputError("plan has no classes to draw: its devices have no class_counts")
    names = class_names(plan, classes)
    if before.size * _BAR_WIDTH <= room_of(ax)[0]:
        _draw_each(ax, plan, before, added, names)
    else:
        _draw_spread(ax, before, added, names)
    legend_above(ax)
    return ax


def _draw_each(ax: Axes, plan: Plan, before: Floats, added: ClassTable, names: Sequence[str]) -> None:
    """Draw a bar for each class of each device: a device's side by side, or those of the only one with their names."""
    count, classes = before.shape
    alone = count == 1
    width = 0.8 if alone else 0.8 / classes
    shifts = (np.arange(classes) - (classes - 1) / 2) * width
    places = np.arange(classes, dtype=np.float64) if alone else (np.arange(count)[:, None] + shifts).ravel()
    parts = [Part("local", before.ravel(), GREEN), Part("synthetic", np.ravel(added).astype(np.float64), PURPLE, HATCH)]
    draw_bars(ax, places, parts, width)
    label_bars(ax, names if alone else plan.devices.ids)
    ax.set_xlabel("class" if alone else f"device: its {classes} classes side by side")
    ax.set_ylabel("samples")
    from_zero(ax, float((before + added).max()))


def _draw_spread(ax: Axes, before: Floats, added: ClassTable, names: Sequence[str]) -> None:
    """Draw what nine devices in ten have of each class, or of several neighbours among many."""
    count = len(names)
    boxes = min(count, MOST_BARS)
    edges = np.linspace(0, count, boxes + 1).astype(np.intp)
    quantiles = np.empty((2, 3, boxes))
    for b, (first, last) in enumerate(pairwise(edges)):  # not all at once, which would be one more copy of the table
        local = before[:, first:last]
        for k, samples in enumerate((local, local + added[:, first:last])):
            quantiles[k, :, b] = np.quantile(samples, (_LOW, 0.5, _HIGH))
    ink = ax.xaxis.label.get_color()
    looks = (("local", -0.2, GREEN, ""), ("with synthetic", 0.2, PURPLE, HATCH))
    for (low, middle, high), (label, shift, colour, hatch) in zip(quantiles, looks, strict=True):
        places = np.arange(boxes) + shift
        ax.bar(
            places,
            high - low,
            0.36,
            low,
            label=f"{label}, 5 to 95 %",
            color=colour,
            hatch=hatch,
            edgecolor=ax.get_facecolor(),
            linewidth=0.0,
        )
        ax.hlines(
            middle, places - 0.18, places + 0.18, colors=ink, linewidth=2.0, label="median" if shift > 0 else "_median"
        )
    label_bars(ax, names if boxes == count else [f"{names[a]} to {names[b - 1]}" for a, b in pairwise(edges)])
    ax.set_xlabel("class" if boxes == count else "classes")
    ax.set_ylabel("samples of a device")
    from_zero(ax, float(quantiles.max()))
