"""Make a failing instance small: fewer devices, then alike ones, then rounder numbers, as long as it fails alike."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

Case = dict[str, Any]
Fails = Callable[[Case], bool]

# Tries, of which each may take as long as an instance's time limit.
TRIES = 400
# Significant digits to round to, the roughest first.
_DIGITS = (1, 2, 3, 5)


def shrink(case: Case, fails: Fails, tries: int = TRIES) -> Case:
    """Return the smallest case found that still fails, after at most so many tries.

    Parameters
    ----------
    case
        In the form of tests/cases; it fails.
    fails
        Whether a case fails as this one does; what it makes of impossible ones is no.
    tries
        Calls of `fails`.
    """
    left = tries
    while True:
        for smaller in _smaller(case):
            if left == 0:
                return case
            left -= 1
            if fails(smaller):
                case = smaller
                break
        else:
            return case


def _smaller(case: Case) -> Iterator[Case]:
    """Simpler cases, the simplest first."""
    count = len(case["devices"]["local_samples"])
    part = count // 2
    while part >= 1:
        for first in range(0, count, part):
            if count > part:
                yield _without(case, first, first + part)
        part //= 2
    for name, column in case["devices"].items():
        if name != "class_counts" and len(set(column)) > 1:
            yield _with_column(case, name, [column[0]] * count)
    if "class_counts" in case["devices"]:
        yield _with_column(case, "class_counts", None)
    yield from _rounder(case)


def _without(case: Case, first: int, stop: int) -> Case:
    smaller = copy.deepcopy(case)
    columns: list[tuple[Case, str]] = [(smaller["devices"], name) for name in smaller["devices"]]
    if isinstance(smaller["constraints"]["max_synthetic"], list):
        columns.append((smaller["constraints"], "max_synthetic"))
    for table, name in columns:
        table[name] = table[name][:first] + table[name][stop:]
    return smaller


def _with_column(case: Case, name: str, values: list[Any] | None) -> Case:
    smaller = copy.deepcopy(case)
    if values is None:
        del smaller["devices"][name]
    else:
        smaller["devices"][name] = values
    return smaller


def _rounder(case: Case) -> Iterator[Case]:
    """One table's entry, or one device's column, with fewer digits."""
    tables = (("devices",), ("task", "learning"), ("task",), ("constraints",))
    for digits in _DIGITS:
        for path in tables:
            table = case
            for key in path:
                table = table[key]
            for name, value in table.items():
                if isinstance(value, dict) or name == "class_counts":
                    continue
                rounded = _rounded(value, digits)
                if rounded != value:
                    smaller = copy.deepcopy(case)
                    inner = smaller
                    for key in path:
                        inner = inner[key]
                    inner[name] = rounded
                    yield smaller


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        return [_rounded(entry, digits) for entry in value]
    number = float(value)
    return float(f"{number:.{digits - 1}e}") if math.isfinite(number) and _long(number, digits) else value


def _long(number: float, digits: int) -> bool:
    """Whether it has more significant digits than this."""
    return float(f"{number:.{digits - 1}e}") != number
