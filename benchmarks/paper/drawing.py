"""Pictures as PNG files; the one module that needs the extra `plot`."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .rows import Part

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


def save(part: Part[Any], rows: list[Any], folder: Path) -> None:
    """Draw a part's rows into the folder, as a PNG with the part's name; parts without a picture are passed over."""
    if part.size is None or part.draw is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=part.size, layout="constrained")
        part.draw(rows, figure)
        # Without matplotlib's version in it the same rows give the same file.
        figure.savefig(folder / f"{part.name}.png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
