"""Stacked bars, one for each of a few devices; of many, sorted, with the means of neighbours."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fimi_opt.plan import Floats, Plan
from fimi_opt.plotting.drawing import label_bars, label_below

Indices = NDArray[np.intp]

# At most so many bars stand apart and have names: at 800 pixels each has 17, as high as a line of its upright name.
MOST_BARS = 40
# At most so many steps show a sorted fleet, of 3 pixels each: more could not be seen, however many devices there are.
MOST_STEPS = 200


class Part(NamedTuple):
    """What one colour of the bars shows: a value for each bar, (I,)."""

    label: str
    values: Floats
    colour: str
    hatch: str = ""


def draw_stack(ax: Axes, plan: Plan, parts: Sequence[Part], order: Floats, sorted_by: str) -> None:
    """Stack the parts: a bar for each of few devices in their order, or steps from the least to the most of `order`.

    The area of a part is the sum of its values in both cases, to the width of a bar.
    """
    count = len(plan.devices)
    if count <= MOST_BARS:
        draw_bars(ax, np.arange(count), parts, 0.8)
        label_bars(ax, plan.devices.ids)
        ax.set_xlabel("device")
    else:
        per_step = _draw_steps(ax, parts, np.argsort(order, kind="stable"))
        ax.set_xlim(0.0, 100.0)
        means = f"(each step: {per_step} of them)" if per_step else ""
        label_below(ax, f"% of {count:,} devices, sorted by {sorted_by}", means)


def draw_bars(ax: Axes, places: Floats | Indices, parts: Sequence[Part], width: float) -> None:
    """Stack the parts as bars at given places."""
    base = np.zeros(places.size)
    for part in parts:
        ax.bar(
            places,
            part.values,
            width,
            base,
            label=part.label,
            color=part.colour,
            hatch=part.hatch,
            edgecolor=ax.get_facecolor(),
            linewidth=0.0,
        )
        base = base + part.values


def _draw_steps(ax: Axes, parts: Sequence[Part], order: Indices) -> str:
    """Draw the steps and say how many devices stand behind one, nothing where it is one."""
    count = order.size
    steps = min(count, MOST_STEPS)
    edges = np.linspace(0, count, steps + 1).astype(np.intp)
    sizes = np.diff(edges)
    base = np.zeros(steps)
    for part in parts:
        top = base + np.add.reduceat(part.values[order], edges[:-1]) / sizes
        ax.stairs(
            top,
            edges * (100.0 / count),
            baseline=base,
            fill=True,
            label=part.label,
            facecolor=part.colour,
            hatch=part.hatch,
            edgecolor=ax.get_facecolor(),
            linewidth=0.0,
        )
        base = top
    fewest, most = math.floor(count / steps), math.ceil(count / steps)
    if most == 1:
        return ""
    return f"{most:,}" if fewest == most else f"{fewest:,} or {most:,}"
