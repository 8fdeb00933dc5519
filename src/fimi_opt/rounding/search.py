"""The best whole amounts about a continuous plan's, and the plan that is optimal for them."""

import copy
import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fimi_opt.errors import InfeasibleError
from fimi_opt.plan import Plan
from fimi_opt.rounding.amounts import Menu, make_menu
from fimi_opt.rounding.halves import Joined, below, cheapest
from fimi_opt.solvers.instance import Instance
from fimi_opt.types import Constraints, Devices, Task

Floats = NDArray[np.float64]
Stated = TypeVar("Stated", Devices, Constraints)

# Amounts that meet the error limit but for rounding of its own sum meet it.
_ROUNDING = 8.0 * 2.0**-52
# Bounds and energies are compared to this part: solve() is no more exact.
EXACT = 1e-12
# Devices whose times and bands are solved for in all, over all choices that are tried; and at least so many choices.
_MOST_SOLVED, _LEAST_TRIED = 2000, 2


class Solver(Protocol):
    """What :func:`fimi_opt.solve` is to this module, which lies below it."""

    def __call__(self, devices: Devices, constraints: Constraints, task: Task, *, warm_start: Plan | None) -> Plan:
        """Return the certified plan of least energy."""
        ...


class Found(NamedTuple):
    """Whole amounts to add, (I,), and the plan that is optimal for them."""

    amounts: Floats
    plan: Plan


class Search(NamedTuple):
    """The continuous plan, the constants of its problem, and what solves for amounts."""

    base: Plan
    instance: Instance
    solve: Solver

    @property
    def limit(self) -> float:
        """Largest sum of errors."""
        return self.instance.supply.A * (1.0 + _ROUNDING)

    def errors(self, amounts: Floats) -> float:
        """Sum of alpha D^-beta."""
        shared = self.instance.shared
        return math.fsum(shared.alpha * (self.base.devices.local_samples + amounts) ** -shared.beta)

    def found(self, amounts: Floats) -> Found | None:
        """Solve for these amounts; None where they miss the error limit, or the deadline or the band is too short."""
        if not self.errors(amounts) <= self.limit:
            return None
        base = self.base
        devices = changed(base.devices, local_samples=base.devices.local_samples + amounts, class_counts=None)
        # The amounts keep the error limit, and must not be held by its rounding; the root of it is looser.
        limits = changed(base.constraints, max_synthetic=0.0, max_global_error=base.constraints.max_global_error**0.5)
        try:
            return Found(amounts, self.solve(devices, limits, base.task, warm_start=base))
        except InfeasibleError:
            return None


def best_near(search: Search) -> Found | None:
    """Return the best whole amounts that are found about the plan's, steps 1 to 4 of :mod:`fimi_opt.rounding.plans`."""
    base, instance, _ = search
    menu = make_menu(base, instance, search.limit)
    found = _first(search, menu)
    if found is None:  # what is cheap needs too much of the band
        found = _first(search, make_menu(base, instance, search.limit, scarce=True))
    if found is None:
        return None
    less = menu.split.costs - base.prices.bandwidth * instance.supply.B
    listed = below(menu.first, menu.second, menu.limit, menu.price, found.plan.energy - less)
    for cost, other in _solved(search, menu, listed):
        if cost + less >= found.plan.energy * (1.0 - EXACT):
            break
        if other is not None and other.plan.energy < found.plan.energy:
            found = other
    return found


def _first(search: Search, menu: Menu) -> Found | None:
    """Solve for the menu's cheapest choice for which there is a plan."""
    choices = cheapest(menu.first, menu.second, menu.limit)
    return next((found for _, found in _solved(search, menu, choices) if found is not None), None)


def _solved(search: Search, menu: Menu, choices: Joined) -> Iterator[tuple[float, Found | None]]:
    """Solve for one choice after the other, those left out that need more than the band; with what it costs."""
    choices = menu.within(choices, search.instance.supply.B * (1.0 + EXACT))
    tries = max(_MOST_SOLVED // len(search.base.devices), _LEAST_TRIED)
    for k in range(min(choices.costs.size, tries)):
        yield float(choices.costs[k]), search.found(menu.amounts(choices, k))


def changed(given: Stated, **changes: object) -> Stated:
    """Copy with other fields, not checked again: what is odd about the given ones has been warned of."""
    other = copy.copy(given)
    for name, value in changes.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(other, name, value)
    return other
