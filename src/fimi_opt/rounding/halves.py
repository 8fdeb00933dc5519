"""The cheapest choices of one amount per device that keep a limit on the sum of errors: exactly, for few devices.

Every combination of one half of the devices is laid against those of the other half (meeting in the middle). With the
second half in the order of its errors, what a combination of the first can be joined with is a range of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Joined pairs that are looked at; where they are more, those above some cost are left out.
_MOST_PAIRS = 200_000
_SHRINKINGS, _SHRUNK = 100, 0.7


class Half(NamedTuple):
    """Combinations of some devices' amounts, errors ascending: errors, costs and numbers (K,), amounts each (n,).

    A combination's number counts through the devices' amounts, the last device's fastest.
    """

    errors: Floats
    costs: Floats
    numbers: Indices
    shape: tuple[int, ...]


class Joined(NamedTuple):
    """Choices of both halves: what they cost, (M,), ascending, and the combinations of the halves that they join."""

    costs: Floats
    first: Indices
    second: Indices


def half(errors: Sequence[Floats], costs: Sequence[Floats]) -> Half:
    """All combinations of what each amount of each device adds to the sum of errors and to the cost, (V,) each."""
    sums = added(errors)
    order = np.argsort(sums, kind="stable")
    return Half(sums[order], added(costs)[order], order, tuple(error.size for error in errors))


def added(rows: Sequence[Floats]) -> Floats:
    """Sum of one value of each row, for every combination in the order of its number."""
    sums = np.zeros(1)
    for row in rows:
        sums = np.add.outer(sums, row).ravel()
    return sums


def cheapest(first: Half, second: Half, limit: float) -> Joined:
    """For every combination of the first half its cheapest partner that keeps the limit on the sum of errors."""
    last = np.searchsorted(second.errors, limit - first.errors, side="right") - 1
    least = np.minimum.accumulate(second.costs)
    least_at = np.maximum.accumulate(np.where(second.costs <= least, np.arange(least.size), 0))
    kept = np.flatnonzero(last >= 0)
    return _joined(first, second, kept, least_at[last[kept]])


def below(first: Half, second: Half, limit: float, price: float, most: float) -> Joined:
    """All choices within the limit that cost less than `most`; of too many, all below something lower and some others.

    At any price of error, cost = score - price limit + price waste with score = cost + price error, of both halves, and
    waste = limit - error. So no pair counts that wastes more than (most - least) / price, where least is what the least
    scores cost without waste.
    """
    scores = first.costs + price * first.errors
    others = second.costs + price * second.errors
    slack = most - float(np.min(scores) + np.min(others) - price * limit)
    scores -= np.min(scores)
    room = limit - first.errors
    stops = np.searchsorted(second.errors, room, side="right")
    starts, counts = stops, np.zeros_like(stops)
    for _ in range(_SHRINKINGS if price > 0 else 0):
        starts = np.searchsorted(second.errors, room - np.maximum(slack - scores, 0.0) / price, side="left")
        if np.sum(stops - starts) <= _MOST_PAIRS:
            counts = stops - starts
            break
        slack *= _SHRUNK
    i = np.repeat(np.arange(counts.size), counts)
    j = np.arange(i.size) - np.repeat(np.cumsum(counts) - counts - starts, counts)
    kept = first.costs[i] + second.costs[j] < most
    return _joined(first, second, i[kept], j[kept])


def taken(first: Half, second: Half, joined: Joined, k: int) -> Indices:
    """Which of its amounts each device takes in a joined choice, (n,)."""
    one = np.unravel_index(first.numbers[joined.first[k]], first.shape) if first.shape else ()
    other = np.unravel_index(second.numbers[joined.second[k]], second.shape)
    return np.array(one + other, np.intp)


def _joined(first: Half, second: Half, i: Indices, j: Indices) -> Joined:
    costs = first.costs[i] + second.costs[j]
    order = np.argsort(costs, kind="stable")
    return Joined(costs[order], i[order], j[order])
