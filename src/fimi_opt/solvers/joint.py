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

from fimi_opt._kernels.fleet import Answer, first_prices, first_splits
from fimi_opt._kernels.joint import complete, decision, latency_price, needs_no_synthetic, search_prices
from fimi_opt._kernels.search import DONE, NESTED, NEWTON, ONE, P1, P2, start
from fimi_opt._kernels.subproblems import SOLVED
from fimi_opt.errors import NumericalError
from fimi_opt.solvers.instance import Instance

Floats = NDArray[np.float64]

# Where rounding alone put the split outside, a part like this brings it back.
_FIRST_PART = 2.0**-50


class JointSolution(NamedTuple):
    """Decision rows (synthetic samples, f, b, P), the split behind them, prices, and the work it took."""

    rows: Floats
    answer: Answer
    nu: float
    w: float
    latency_price: float
    evaluations: int
    inner_steps: int


def solve_joint(instance: Instance, anchor: Answer | None = None) -> JointSolution | None:
    """Minimise P1; None where the quick search did not end in a feasible plan.

    Parameters
    ----------
    instance
        The problem's constants.
    anchor
        A time split known to be feasible. With it the search is the slow one that cannot fail, and where the
        dual's split misses a limit by rounding the plan moves towards the anchor until it keeps it.
    """
    fleet, shared, supply, cycles = instance
    n = fleet.a.size
    table = np.empty((5, n))
    answer = Answer(*table)
    log_nu, log_w = first_prices(fleet, shared, supply)
    mode = NEWTON if anchor is None else NESTED
    if needs_no_synthetic(fleet, shared, supply):
        log_nu, mode = -math.inf, ONE
    state = start(log_nu, log_w, mode)
    first_splits(fleet, shared, answer.x)
    ended, evaluations, inner = search_prices(fleet, shared, supply, state, answer)
    if ended != DONE and anchor is None:
        return None
    log_nu, log_w = state[P1], state[P2]
    _, _, code = complete(fleet, shared, supply, answer, log_w)
    if code != SOLVED:
        if anchor is None:
            return None
        _retreat(instance, answer, anchor, log_w)
    w = math.exp(log_w)
    price = latency_price(fleet, shared, answer, w)
    rows = decision(fleet, shared, cycles, answer)
    return JointSolution(rows, answer, math.exp(log_nu), w, price, evaluations, inner)


def _retreat(instance: Instance, answer: Answer, anchor: Answer, log_w: float) -> None:
    """Move the answer's split towards the feasible anchor, as little as it takes to keep every limit.

    Feasible splits form a convex set, so some part of the way is enough, and all of it always is.
    """
    fleet, shared, supply, _ = instance
    t, u = answer.t.copy(), answer.u.copy()
    part = _FIRST_PART
    while True:  # bounded: the part reaches 1
        answer.t[:] = t + part * (anchor.t - t)
        answer.u[:] = u + part * (anchor.u - u)
        _, _, code = complete(fleet, shared, supply, answer, log_w)
        if code == SOLVED:
            return
        if part == 1.0:
            raise NumericalError(
                "the limits leave so little room that rounding closes it: relax one limit by 1e-9 of itself"
            )
        part = min(4.0 * part, 1.0)
