"""The cells of a plan's tables: names on one line, numbers in one form, the columns of a device."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fimi_opt.plan.answer import Plan

Floats = NDArray[np.float64]

NAME_WIDTH, NUMBER_WIDTH = 24, 9
_MOST_DECIMALS = 6


class Column(NamedTuple):
    """A column of numbers: what, in which unit, and what one of that unit is in SI."""

    title: str
    unit: str
    scale: float
    values: Floats


def device_columns(plan: Plan) -> tuple[Column, ...]:
    """Return what a table shows of each device, each column (I,)."""
    return (
        Column("synthetic", "samples", 1.0, plan.synthetic_samples),
        Column("CPU", "GHz", 1e9, plan.frequency),
        Column("band", "kHz", 1e3, plan.bandwidth),
        Column("power", "mW", 1e-3, plan.power),
        Column("compute", "s", 1.0, plan.compute_time),
        Column("upload", "s", 1.0, plan.upload_time),
        Column("compute", "J", 1.0, plan.compute_energy),
        Column("upload", "J", 1.0, plan.upload_energy),
    )


def shown_rows(count: int, most: int, first: int, last: int) -> Sequence[int]:
    """Rows of a table that shows all of `most` rows, and of more than these only the first and the last ones."""
    return range(count) if count <= most else [*range(first), *range(count - last, count)]


def numbers(values: Floats) -> list[str]:
    """Numbers in one form: three digits of the smallest that is not 0, unless that takes too much room."""
    sizes = np.abs(values[values != 0])
    if sizes.size == 0:
        return ["0"] * values.size
    decimals = max(2 - math.floor(math.log10(sizes.min())), 0)
    if decimals <= _MOST_DECIMALS:
        texts = [f"{value:.{decimals}f}" for value in values]
        if max(map(len, texts)) <= NUMBER_WIDTH:
            return texts
    return [f"{value:.2e}" for value in values]


def short_name(name: object, width: int = NAME_WIDTH) -> str:
    """Return an id on one line of at most `width` columns of a terminal."""
    text = str(name) if str(name).isprintable() else repr(name)
    # Marks that stand on the letter before them take no column: more characters than columns may fit.
    if len(text) <= 4 * width and columns_of(text) <= width:
        return text
    kept = text[: width - 3]
    while columns_of(kept) > width - 3:
        kept = kept[:-1]
    return kept + "..."


def columns_of(text: str) -> int:
    """Columns that a terminal gives to a text: two to each wide character, as of Chinese."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
