"""Coarse amounts first: where one sample more is worth orders of magnitude more on some devices than on others.

What rounding a device of three samples leaves of the error limit takes thousands of samples of a device that has
millions, more than any table about its amount holds. So the amounts of the devices on which one sample is worth most
are settled first, the others continuous, and the problem that is left is solved again: as in branch and bound, of
which this is one dive.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.errors import InfeasibleError
from fimi_opt.plan import Plan
from fimi_opt.rounding.search import Search, changed
from fimi_opt.solvers.instance import make_instance
from fimi_opt.types import most_synthetic

Floats = NDArray[np.float64]

# Samples worth less than this part of the dearest are finer. Of 3 to 300 wildly unequal devices 8 left the least
# energy, by some 1e-6 of it against 30 or 100.
_COARSE = 8.0
# So few coarse devices are rounded in every way, more of them alike.
_EVERY_WAY = 4
# Levels of coarseness, and devices for which each may be solved for: a fleet of more averages its magnitudes out.
_LEVELS, _MOST_DEVICES = 24, 2000


class Settled(NamedTuple):
    """The problem that is left, and the whole amounts (I,) that its devices have over those of the given problem."""

    search: Search
    amounts: Floats


def settle_coarse(search: Search) -> Settled | None:
    """Settle the amounts of coarse devices, level by level; None where all are as fine, or no settling has a plan."""
    settled = Settled(search, np.zeros(len(search.base.devices)))
    for level in range(_LEVELS):
        base = settled.search.base
        coarse = _coarse(base)
        if not coarse.size or len(base.devices) > _MOST_DEVICES:
            return settled if level else None
        plans = [(plan, amounts) for amounts in _ways(base, coarse) if (plan := _with(settled.search, coarse, amounts))]
        if not plans:
            return None
        plan, amounts = min(plans, key=lambda each: each[0].energy)
        instance = make_instance(plan.devices, plan.constraints, plan.task)
        settled = Settled(Search(plan, instance, search.solve), settled.amounts + amounts)
    return settled


def _coarse(plan: Plan) -> NDArray[np.intp]:
    """Devices of fractional amounts on which a sample is worth most; none where all are of that kind."""
    fractional = np.flatnonzero(plan.synthetic_samples != np.floor(plan.synthetic_samples))
    if not fractional.size:
        return fractional
    # The fall of alpha D^-beta with D, but for its factor.
    worth = (plan.samples[fractional] / np.min(plan.samples[fractional])) ** -(plan.task.learning.beta + 1.0)
    return fractional[worth * _COARSE > 1.0] if np.min(worth) * _COARSE <= 1.0 else fractional[:0]


def _ways(plan: Plan, coarse: NDArray[np.intp]) -> Iterator[Floats]:
    """Ways to round the amounts of the coarse devices, within their most; those of others 0, (I,)."""
    x = plan.synthetic_samples[coarse]
    top = np.broadcast_to(most_synthetic(plan.constraints, len(plan.devices)), len(plan.devices))[coarse]
    if coarse.size <= _EVERY_WAY:
        rounded = [np.floor(x) + np.array(up) for up in itertools.product((0.0, 1.0), repeat=coarse.size)]
    else:
        rounded = [np.rint(x), np.ceil(x), np.floor(x)]
    for row in rounded:
        if np.all(row <= top):
            amounts = np.zeros(len(plan.devices))
            amounts[coarse] = row
            yield amounts


def _with(search: Search, coarse: NDArray[np.intp], amounts: Floats) -> Plan | None:
    """Continuous plan where the coarse devices have these amounts and no others; None where there is none."""
    base = search.base
    most = np.broadcast_to(most_synthetic(base.constraints, amounts.size), amounts.size).copy()
    most[coarse] = 0.0
    devices = changed(base.devices, local_samples=base.devices.local_samples + amounts, class_counts=None)
    limits = changed(base.constraints, max_synthetic=most)
    try:
        return search.solve(devices, limits, base.task, warm_start=base)
    except InfeasibleError:
        return None
