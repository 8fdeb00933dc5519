"""What all pictures share: figures without pyplot, colours for every eye, units with a prefix, legends above."""

import io
import math
from collections.abc import Iterable
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan
from fimi_opt.plan.cells import columns_of, short_name

# Okabe and Ito's colours, told apart by every kind of colour vision; hatches and dashes say the same without colour.
BLUE, ORANGE, GREEN, PURPLE, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"
HATCH = "////"

# 800 pixels at 100 dots per inch: the width of a README.
_SIZE = (8.0, 4.0)
# To the size of a font: the width of a digit, that of a letter in words, the distance of names side by side, that of
# lines, and what a legend's entry takes beside its words.
_WIDTH_TO_SIZE, _TEXT_TO_SIZE, _BETWEEN, _HEIGHT_TO_SIZE, _BESIDE_ENTRY = 0.62, 0.52, 0.7, 1.15, 3.2
# Upright names take so much of the height, or two times so many letters; of ids as long as books the end is not asked.
_PART_OF_HEIGHT, _LEAST_HALF, _LONGEST_ID = 0.4, 4, 200
# A few bars do not fill the width.
_LEAST_BARS = 4
_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


class Scale(NamedTuple):
    """What one of a unit with an SI prefix is in the unit itself."""

    one: float
    unit: str


class Picture(Figure):
    """A figure that notebooks show although pyplot, whose figures they know, was not asked for it."""

    def _repr_png_(self) -> bytes:
        """Return the picture as PNG."""
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


def check_plan(plan: Plan) -> None:
    """Refuse what is no plan.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(plan, Plan):
        raise InvalidInputError(f"plan must be a fimi_opt.Plan, got {type(plan).__name__}")


def axes_for(plan: Plan, ax: Axes | None) -> Axes:
    """Return the given axes, or those of a new figure.

    Raises
    ------
    ValueError
        If `plan` is no plan or `ax` are no axes; it names the argument.
    """
    check_plan(plan)
    if ax is None:
        return Picture(figsize=_SIZE, layout="constrained").subplots()
    if not isinstance(ax, Axes):
        raise InvalidInputError(f"ax must be a matplotlib.axes.Axes, got {type(ax).__name__}")
    return ax


def scale_for(unit: str, most: float) -> Scale:
    """Return the prefix with which the largest value has one to three digits before the point."""
    power = 3 * math.floor(math.log10(most) / 3) if most > 0 else 0
    power = min(max(power, min(_PREFIXES)), max(_PREFIXES))
    return Scale(10.0**power, _PREFIXES[power] + unit)


def legend_above(ax: Axes) -> None:
    """Put a legend between the axes and a title, where no data is: bars first, then lines, in as few rows as fit."""
    handles, labels = ax.get_legend_handles_labels()
    entries = sorted(zip(handles, labels, strict=True), key=lambda entry: isinstance(entry[0], Line2D | LineCollection))
    points = FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points()
    width = sum((_TEXT_TO_SIZE * columns_of(label) + _BESIDE_ENTRY) * points for label in labels)
    rows = math.ceil(width / room_of(ax)[0])
    ax.legend(
        *zip(*entries, strict=True),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=math.ceil(len(entries) / rows),
        frameon=False,
        borderaxespad=0.2,
        borderpad=0.2,
        columnspacing=1.4,
        handlelength=1.8,
    )


def limit_line(ax: Axes, height: float, label: str) -> None:
    """Draw a limit as a dashed line over the whole width."""
    ax.axhline(height, color=VERMILION, linestyle=(0, (5, 2)), linewidth=1.8, label=label, zorder=3)


def from_zero(ax: Axes, most: float) -> None:
    """Let the vertical axis begin at 0 and end above the largest value."""
    ax.set_ylim(0.0, max(ax.get_ylim()[1], 1.06 * most))


def room_of(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes, in points."""
    box, scale = ax.get_window_extent(), 72 / ax.figure.dpi
    return box.width * scale, box.height * scale


def label_below(ax: Axes, label: str, more: str) -> None:
    """Label the horizontal axis, on two lines where one has no room for more."""
    width = _TEXT_TO_SIZE * float(ax.xaxis.label.get_fontsize()) * len(label + more)
    ax.set_xlabel(label + ("\n" if width > room_of(ax)[0] else " ") + more if more else label)


def label_bars(ax: Axes, names: Iterable[object]) -> None:
    """Name the bars at 0, 1, ...: level where all names fit, upright where not, only every k-th where these do not.

    Of a long name the middle is left out: what tells it from others is at its ends.
    """
    points = float(ax.xaxis.get_major_ticks(1)[0].label1.get_fontsize())
    width, height = room_of(ax)
    half = max(round(_PART_OF_HEIGHT * height / (_WIDTH_TO_SIZE * points) / 2), _LEAST_HALF)
    texts = [short_name(name, _LONGEST_ID) for name in names]
    texts = [text if len(text) <= 2 * half else f"{text[: half - 1]}…{text[-half:]}" for text in texts]
    room = width / max(len(texts), _LEAST_BARS)
    level = all((_WIDTH_TO_SIZE * columns_of(text) + _BETWEEN) * points <= room for text in texts)
    shown = range(0, len(texts), 1 if level else math.ceil(_HEIGHT_TO_SIZE * points / room))
    # A dollar sign would begin a formula.
    ax.set_xticks(shown, [texts[i].replace("$", r"\$") for i in shown], rotation=0 if level else 90)
    beside = max(_LEAST_BARS - len(texts), 0) / 2
    ax.set_xlim(-0.6 - beside, len(texts) - 0.4 + beside)
