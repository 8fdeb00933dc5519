"""Time against devices, every method, on logarithmic axes; needs the extra `plot`."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .contenders import CLARABEL, EVALUATION, IPOPT, LOOP, MANY, PRINTED, PYCMA, SEARCHED, SLSQP, WARM
from .rows import BASE, Results, Row

_DOTS_PER_INCH = 150
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
}
# Colours of Okabe and Ito (2008), told apart with any kind of colour blindness; marks tell them apart without colour.
_LOOKS: dict[str, tuple[str, str, str]] = {
    BASE: ("#0072B2", "o", "-"),
    WARM: ("#56B4E9", "v", "--"),
    MANY: ("#0072B2", "*", ""),
    EVALUATION: ("#666666", "_", ":"),
    IPOPT: ("#D55E00", "s", "-"),
    CLARABEL: ("#009E73", "D", "-."),
    SLSQP: ("#E69F00", "^", ""),
    SEARCHED: ("#CC79A7", "P", ""),
    PRINTED: ("#CC79A7", "X", ""),
    PYCMA: ("#000000", "x", ""),
}
_LABELS = {
    BASE: "solve, certified",
    MANY: "solve_many, per fleet of 20",
    EVALUATION: "one evaluation of the model (the limit)",
    IPOPT: "IPOPT, without set-up",
    CLARABEL: "Clarabel, without set-up",
    PRINTED: "cross-entropy as printed (extrapolated)",
}


def draw(results: Results, path: Path) -> None:
    """Draw every method's timed rows."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.0, 5.0), layout="constrained")
        axes = figure.subplots()
        for method in (name for name in _LOOKS if name != LOOP):
            _line(axes, method, [row for row in results.rows if row.method == method and row.median is not None])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("devices")
        axes.set_ylabel("seconds, median; bars from 10 to 90 % of the runs")
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without matplotlib's version in it the same rows give the same file.
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _line(axes: Axes, method: str, rows: list[Row]) -> None:
    if not rows:
        return
    colour, mark, line = _LOOKS[method]
    points = sorted((row.devices, row.median or 0.0, row.low or 0.0, row.high or 0.0) for row in rows)
    devices, median, low, high = (list(column) for column in zip(*points, strict=True))
    bars = [[m - a for m, a in zip(median, low, strict=True)], [b - m for m, b in zip(median, high, strict=True)]]
    axes.errorbar(
        devices,
        median,
        yerr=bars,
        color=colour,
        marker=mark,
        markersize=7,
        linestyle=line,
        capsize=2,
        label=_LABELS.get(method, method),
    )
