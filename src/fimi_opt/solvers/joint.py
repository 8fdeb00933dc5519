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

from fimi_opt._kernels.fleet import FIRST_SPLIT, Answer, Supply, first_prices
from fimi_opt._kernels.joint import (
    complete,
    decision,
    finish,
    latency_price,
    needs_no_synthetic,
    quick,
    search_prices,
    total_energy,
)
from fimi_opt._kernels.search import DONE, NESTED, ONE, P1, P2, start
from fimi_opt._kernels.subproblems import SOLVED
from fimi_opt.errors import NumericalError
from fimi_opt.solvers.instance import Instance, unasked

Floats = NDArray[np.float64]

# How far the limits are drawn in, one after the other, until the split that the prices ask for keeps them: rounding
# leaves it outside by a few of these at most, and each costs its share of nu A + w B.
_DRAWN_IN = (0.0, 4e-15, 4e-14, 4e-13, 4e-12)
# Where rounding alone put the split outside, a part like this brings it back.
_FIRST_PART = 2.0**-50
# Parts of a limit by which a plan may miss it before its split gives way: sums of rounded numbers, such as those of a
# fleet at its caps, do by the first, and by the second where the searched prices are huge. Plans are checked to 3e-12.
_GRANTED = (16 * 2.0**-52, 1e-13)
# The same where the limits admit a single point.
_NO_ROOM = 1e-12


class JointSolution(NamedTuple):
    """Decision rows (synthetic samples, f, b, P), the prices' own best t, u, b, the prices, and the work it took."""

    rows: Floats
    split: tuple[Floats, Floats, Floats]
    nu: float
    w: float
    latency_price: float
    evaluations: int
    inner_steps: int


class WarmStart(NamedTuple):
    """Prices ln nu, ln w (NaN: none) and compute times t (s), (I,), of a fleet that was much the same."""

    log_nu: float
    log_w: float
    t: Floats


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
    answer, touch = unasked(fleet.a.size), unasked(fleet.a.size)
    answer.x[:] = FIRST_SPLIT
    if anchor is None:
        good, log_nu, log_w, *work = quick(fleet, shared, supply, answer, touch)
        return _solution(instance, answer, touch, log_nu, log_w, *work) if good else None
    return _thorough(instance, answer, anchor)


def _solution(
    instance: Instance, answer: Answer, touch: Answer, log_nu: float, log_w: float, evaluations: int, inner: int
) -> JointSolution:
    fleet, shared, _, cycles = instance
    nu, w = math.exp(log_nu), math.exp(log_w)
    split = (touch.t.copy(), fleet.h / fleet.P + touch.y, touch.b.copy())
    price = latency_price(fleet, shared, touch, w)
    return JointSolution(decision(fleet, shared, cycles, answer), split, nu, w, price, evaluations, inner)


def _thorough(instance: Instance, answer: Answer, anchor: Answer) -> JointSolution | None:
    """Nested search, its limits drawn in a little further each time until its prices stand for the plan."""
    fleet, shared, supply, _ = instance
    log_nu, log_w = first_prices(fleet, shared, supply)
    mode = NESTED
    if needs_no_synthetic(fleet, shared, supply):
        log_nu, mode = -math.inf, ONE
    touch = unasked(fleet.a.size)
    best, least = None, math.inf
    evaluations = inner = 0
    for drawn_in in _DRAWN_IN:
        tight = Supply(supply.A * (1 - drawn_in), supply.B * (1 - drawn_in))
        state = start(log_nu, log_w, mode)
        ended, more, steps = search_prices(fleet, shared, tight, state, answer)
        evaluations, inner = evaluations + more, inner + steps
        if ended != DONE and best is not None:
            break
        log_nu, log_w = float(state[P1]), float(state[P2])
        good = finish(fleet, shared, supply, state, answer, touch)
        if not good:
            _, _, code = complete(fleet, shared, supply, answer, log_w)
            if code != SOLVED:
                _retreat(instance, answer, anchor, log_w)
        energy = total_energy(fleet, shared, answer)
        if energy < least:
            best, least = _solution(instance, answer, touch, log_nu, log_w, evaluations, inner), energy
        if good:
            break
    return best


def _retreat(instance: Instance, answer: Answer, anchor: Answer, log_w: float) -> None:
    """Move the answer's split towards the feasible anchor, as little as it takes to keep every limit.

    Feasible splits form a convex set, so some part of the way is enough, and all of it always is, but for limits that
    leave no room at all: they are kept to `_NO_ROOM`.
    """
    fleet, shared, supply, _ = instance
    for granted in _GRANTED:
        nearly = Supply(supply.A * (1 + granted), supply.B * (1 + granted))
        if complete(fleet, shared, nearly, answer, log_w)[2] == SOLVED:
            return
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
