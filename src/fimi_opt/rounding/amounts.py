"""Which whole amounts the devices of a plan may take, what each costs, and the combinations of a few devices' amounts.

Letters: phi = least of E_cmp + E_com + w b at an amount, e = alpha D^-beta; n devices of the core, V amounts of each.
"""

import heapq
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels.rounding import tabulate
from fimi_opt.plan import Plan
from fimi_opt.rounding.halves import Half, Joined, added, cheapest, half, taken
from fimi_opt.solvers.instance import Instance
from fimi_opt.types import most_synthetic

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Combinations of either half of the core: two amounts of each of 28 devices, three of each of 16, 128 of each of 4.
COMBINATIONS = 2**14
# Devices whose amounts are chosen all at once; of more, those that it makes least difference to.
CORE = 24
_MOST_AMOUNTS = 128
# A start for the split of time where the plan's leaves nothing but rounding beyond the least upload time.
_LEAST_SLACK = 1e-12


class Table(NamedTuple):
    """Whole amounts of some devices: which (n,), the amounts, their errors, costs and least bands (Hz), (n, V).

    An amount beyond the device's most, or more than it can train on by the deadline, costs infinity.
    """

    which: Indices
    amounts: Floats
    errors: Floats
    costs: Floats
    bands: Floats


class Split(NamedTuple):
    """Amounts of all devices (I,), settled but for the core's; sums of the settled ones; the core."""

    amounts: Floats
    errors: float
    costs: float
    bands: float
    core: Table


class Menu(NamedTuple):
    """Combinations of the core's amounts.

    Attributes
    ----------
    split
        Which devices are the core, and what the others take.
    options
        Columns of the core's table that each of its devices may take.
    first, second
        All combinations of either half of the core.
    bands
        Least bands of either half's combinations, in their order.
    limit
        What the settled devices leave of the limit on the sum of errors.
    price
        Cost of an error less, about.
    complete
        Whether no other whole amounts are possible for any device.
    """

    split: Split
    options: list[Indices]
    first: Half
    second: Half
    bands: tuple[Floats, Floats]
    limit: float
    price: float
    complete: bool

    def amounts(self, joined: Joined, k: int) -> Floats:
        """Amounts of all devices in a joined choice, (I,)."""
        core, amounts = self.split.core, self.split.amounts.copy()
        places = taken(self.first, self.second, joined, k)
        for row, (device, option) in enumerate(zip(core.which, self.options, strict=True)):
            amounts[device] = core.amounts[row, option[places[row]]]
        return amounts

    def within(self, joined: Joined, band: float) -> Joined:
        """Keep the choices for which this band (Hz) is enough."""
        needed = self.split.bands + self.bands[0][joined.first] + self.bands[1][joined.second]
        kept = needed <= band
        return Joined(joined.costs[kept], joined.first[kept], joined.second[kept])


def make_menu(plan: Plan, instance: Instance, limit: float, *, scarce: bool = False) -> Menu:
    """Whole amounts about a plan's, for the sum of errors to be at most `limit`.

    Where the band is scarce, what they cost is the least band that they need instead of phi.
    """
    price = plan.prices.error / len(plan.devices)
    if scarce:
        price = price / plan.prices.bandwidth if plan.prices.bandwidth > 0 else 0.0
    parts = _split(plan, instance, limit, scarce)
    core = parts.core
    options = _offered(core, price)
    middle = len(options) // 2
    errors, costs, bands = (
        [row[option] for row, option in zip(column, options, strict=True)]
        for column in (core.errors, core.costs, core.bands)
    )
    first, second = half(errors[:middle], costs[:middle]), half(errors[middle:], costs[middle:])
    needed = added(bands[:middle])[first.numbers], added(bands[middle:])[second.numbers]
    possible = np.sum(np.isfinite(core.costs), axis=1)
    ends = np.all((core.amounts[:, 0] == 0) & (possible == [option.size for option in options]))
    top = most_synthetic(plan.constraints, len(plan.devices))
    more = np.isfinite(core.costs[:, -1]) & (core.amounts[:, -1] < np.broadcast_to(top, len(plan.devices))[core.which])
    complete = bool(ends and not np.any(more)) and core.which.size == len(plan.devices)
    return Menu(parts, options, first, second, needed, limit - parts.errors, price, complete)


def least_errors(menu: Menu, band: float) -> float:
    """Least sum of errors of all devices for which this band (Hz) is enough; inf where it never is."""
    first, second = map(_by_band, (menu.first, menu.second), menu.bands)
    least = cheapest(first, second, band - menu.split.bands)
    return menu.split.errors + float(least.costs[0]) if least.costs.size else math.inf


def _by_band(part: Half, bands: Floats) -> Half:
    order = np.argsort(bands, kind="stable")
    return Half(bands[order], part.errors[order], part.numbers[order], part.shape)


def _split(plan: Plan, instance: Instance, limit: float, scarce: bool) -> Split:
    """Settle all devices but a core of few, the others near the plan's amounts and so that the core can meet the limit.

    A device goes up to the next whole amount where that costs least for the error that it saves, until the limit is
    met: the best choice but for the last device, the greedy rule of the fractional knapsack. The core is around it.
    """
    count = len(plan.devices)
    everyone = np.arange(count)
    if count <= CORE:
        return Split(np.zeros(count), 0.0, 0.0, 0.0, _table(plan, instance, everyone, _width(count), scarce))
    pairs = _table(plan, instance, everyone, 2, scarce)
    saved = pairs.errors[:, 0] - pairs.errors[:, 1]
    possible = (saved > 0) & np.isfinite(pairs.costs[:, 1])
    more = np.where(possible, pairs.costs[:, 1], 0.0) - np.where(possible, pairs.costs[:, 0], 0.0)
    order = np.argsort(np.where(possible, more / np.where(possible, saved, 1.0), np.inf), kind="stable")
    left = math.fsum(pairs.errors[:, 0]) - np.cumsum(saved[order])
    last = min(int(np.searchsorted(-left, -limit)) + 1, int(np.sum(possible)))
    up = np.zeros(count, np.intp)
    up[order[:last]] = 1
    first = min(max(last - CORE // 2, 0), count - CORE)
    core = np.sort(order[first : first + CORE])
    others = np.ones(count, bool)
    others[core] = False
    errors, costs, bands = (
        math.fsum(column[everyone, up][others]) for column in (pairs.errors, pairs.costs, pairs.bands)
    )
    amounts = pairs.amounts[everyone, up]
    return Split(amounts, errors, costs, bands, _table(plan, instance, core, _width(CORE), scarce))


def _offered(core: Table, price: float) -> list[Indices]:
    """Which amounts each device of the core may take: those with the least cost + price error, as many as fit.

    One by one the next best amount of any device is taken up, while the combinations of its half stay few enough.
    """
    scores = core.costs + price * core.errors
    order = np.argsort(scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    rises = ranked - np.where(np.isfinite(ranked[:, :1]), ranked[:, :1], 0.0)
    count, width = order.shape
    combinations = [1, 1]
    offered = np.ones(count, np.intp)
    queue = [(rises[k, 1], k) for k in range(count) if rises[k, 1] < math.inf]
    heapq.heapify(queue)
    while queue:  # bounded: an entry leaves for good, or one of its device's amounts is taken up
        _, k = heapq.heappop(queue)
        side, many = int(k >= count // 2), int(offered[k])
        if combinations[side] // many * (many + 1) > COMBINATIONS:
            continue
        combinations[side] = combinations[side] // many * (many + 1)
        offered[k] = many + 1
        if many + 1 < width and rises[k, many + 1] < math.inf:
            heapq.heappush(queue, (rises[k, many + 1], k))
    return [row[:many] for row, many in zip(order, offered, strict=True)]


def _width(count: int) -> int:
    """Amounts to tabulate of each of so many devices: twice what all of them could be offered alike."""
    alike = COMBINATIONS ** (1.0 / -(-count // 2))
    return min(max(2 * int(alike), 4), _MOST_AMOUNTS)


def _table(plan: Plan, instance: Instance, which: Indices, width: int, scarce: bool) -> Table:
    """Tabulate `width` whole amounts of each of these devices, about the plan's."""
    fleet, shared, _, _ = instance
    top = np.broadcast_to(most_synthetic(plan.constraints, len(plan.devices)), len(plan.devices))[which, None]
    about = np.floor(plan.synthetic_samples[which, None]) - (width - 1) // 2
    amounts = np.clip(about, 0.0, np.maximum(top - width + 1, 0.0)) + np.arange(width)
    beyond = amounts > top
    np.minimum(amounts, top, out=amounts)
    samples = plan.devices.local_samples[which, None] + amounts
    t = plan.compute_time[which]
    y = np.maximum(shared.T - t - fleet.h[which] / fleet.P[which], _LEAST_SLACK * t)
    costs, bands = np.empty_like(samples), np.empty_like(samples)
    tabulate(fleet, shared, which, samples, plan.prices.bandwidth, np.log(t / y), costs, bands)
    costs[beyond] = bands[beyond] = np.inf
    return Table(which, amounts, shared.alpha * samples**-shared.beta, bands if scarce else costs, bands)
