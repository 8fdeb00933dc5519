"""P1, all at once: the global optimum by a search for the two prices.

Letters as in :mod:`fimi_opt._kernels.device`. For prices nu of error and w of bandwidth the Lagrangian splits per
device; the search raises each price until demand meets its limit. At the prices found, every device's time split is
its own best one; the data amounts and bandwidths for these splits are then solved exactly (P6, P7), so that the plan
keeps both coupling limits to rounding.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels.fleet import Answer, Supply, empty_answer, first_prices, first_splits
from fimi_opt._kernels.joint import (
    complete,
    decision,
    latency_price,
    needs_no_synthetic,
    search_prices,
    total_energy,
)
from fimi_opt._kernels.search import DONE, MODE, NESTED, NEWTON, ONE, P1, P2, sharpen, start
from fimi_opt._kernels.subproblems import SOLVED
from fimi_opt.errors import NumericalError
from fimi_opt.solvers.instance import Instance

Floats = NDArray[np.float64]

# The prices of P6 and P7 for the split, and those that it was found with, differ by no more where the split is good.
_AGREED = 1e-6
# How far the limits are drawn in, one after the other, until the split that the prices ask for keeps them: rounding
# leaves it outside by a few of these at most, and each costs its share of nu A + w B.
_DRAWN_IN = (0.0, 4e-15, 4e-14, 4e-13, 4e-12)
# Where rounding alone put the split outside, a part like this brings it back.
_FIRST_PART = 2.0**-50
# Part of a limit by which a plan may miss it where the limits admit a single point; plans are checked to 1e-9.
_NO_ROOM = 1e-12


class JointSolution(NamedTuple):
    """Decision rows (synthetic samples, f, b, P), prices, where the prices' best answers lie, and the work it took."""

    rows: Floats
    touch: Answer
    nu: float
    w: float
    latency_price: float
    evaluations: int
    inner_steps: int


def solve_joint(instance: Instance, anchor: Answer | None = None) -> JointSolution | None:
    """Minimise P1; None where the quick search did not end in a plan that its prices stand for.

    Parameters
    ----------
    instance
        The problem's constants.
    anchor
        A time split known to be inside every limit. With it the search is the slow one that cannot fail, and where
        the prices' split misses a limit by rounding it is searched again with the limits drawn in further, or at last
        moved towards the anchor.
    """
    fleet, shared, supply, _ = instance
    if not supply.A > 0.0:  # below the curve's floor: no amount of data is enough
        return None
    log_nu, log_w = first_prices(fleet, shared, supply)
    mode = NEWTON if anchor is None else NESTED
    if needs_no_synthetic(fleet, shared, supply):
        log_nu, mode = -math.inf, ONE
    work = _Work(instance, empty_answer(fleet.a.size))
    first_splits(fleet, shared, work.answer.x)
    if anchor is None:
        return _quick(work, start(log_nu, log_w, mode))
    return _thorough(work, anchor, mode, log_nu, log_w)


class _Work:
    """One solve's instance, answer and counts."""

    def __init__(self, instance: Instance, answer: Answer) -> None:
        self.instance, self.answer = instance, answer
        self.evaluations = self.inner_steps = 0

    def search(self, state: Floats, drawn_in: float = 0.0) -> int:
        """Drive the search to its end, its limits drawn in by a part of themselves; return the mode it ended in."""
        fleet, shared, supply, _ = self.instance
        tight = Supply(supply.A * (1 - drawn_in), supply.B * (1 - drawn_in))
        ended, evaluations, steps = search_prices(fleet, shared, tight, state, self.answer)
        self.evaluations += evaluations
        self.inner_steps += steps
        return ended

    def plan(self, log_nu: float, log_w: float, anchor: Answer | None) -> tuple[JointSolution | None, bool]:
        """Plan for the answer's split, and whether its own prices are the search's.

        Where a limit hangs on devices at a bound, a split that is off in the last digits makes P6 or P7 close the
        difference elsewhere, at any price: their prices then tell.
        """
        fleet, shared, supply, cycles = self.instance
        touch = Answer(*(row.copy() for row in self.answer))
        last_nu, last_w, code = complete(fleet, shared, supply, self.answer, log_w)
        if code != SOLVED:
            if anchor is None:
                return None, False
            _retreat(self.instance, self.answer, anchor, log_w)
        agreed = code == SOLVED and last_nu <= log_nu + _AGREED and last_w <= log_w + _AGREED
        rows = decision(fleet, shared, cycles, self.answer)
        price = latency_price(fleet, shared, touch, math.exp(log_w))
        nu, w = math.exp(log_nu), math.exp(log_w)
        return JointSolution(rows, touch, nu, w, price, self.evaluations, self.inner_steps), agreed


def _quick(work: _Work, state: Floats) -> JointSolution | None:
    """Newton; once more to the last digit where the plan asks for it."""
    mode = state[MODE]
    if work.search(state) != DONE:
        return None
    found, agreed = work.plan(state[P1], state[P2], None)
    if not agreed and mode == NEWTON:
        sharpen(state)
        work.search(state)
        found, agreed = work.plan(state[P1], state[P2], None)
    return found if agreed else None


def _thorough(work: _Work, anchor: Answer, mode: int, log_nu: float, log_w: float) -> JointSolution | None:
    """Nested search, its limits drawn in a little further each time until its prices stand for the plan."""
    best, least = None, math.inf
    for drawn_in in _DRAWN_IN:
        state = start(log_nu, log_w, mode)
        if work.search(state, drawn_in) != DONE and best is not None:
            break
        log_nu, log_w = state[P1], state[P2]
        found, agreed = work.plan(log_nu, log_w, anchor)
        if found is not None:
            energy = total_energy(work.instance.fleet, work.instance.shared, work.answer)
            if energy < least:
                best, least = found, energy
        if agreed:
            break
    return best


def _retreat(instance: Instance, answer: Answer, anchor: Answer, log_w: float) -> None:
    """Move the answer's split towards the feasible anchor, as little as it takes to keep every limit.

    Feasible splits form a convex set, so some part of the way is enough, and all of it always is, but for limits that
    leave no room at all: they are kept to `_NO_ROOM`.
    """
    fleet, shared, supply, _ = instance
    t, y = answer.t.copy(), answer.y.copy()
    part = _FIRST_PART
    while part <= 1.0:
        answer.t[:] = t + part * (anchor.t - t)
        answer.y[:] = y + part * (anchor.y - y)
        _, _, code = complete(fleet, shared, supply, answer, log_w)
        if code == SOLVED:
            return
        part *= 4.0
    loose = Supply(supply.A * (1 + _NO_ROOM), supply.B * (1 + _NO_ROOM))
    _, _, code = complete(fleet, shared, loose, answer, log_w)
    if code != SOLVED:
        raise NumericalError("the limits leave so little room that rounding closes it: relax one by 1e-9 of itself")
