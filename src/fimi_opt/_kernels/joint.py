"""P1 for one fleet on the calling thread: the price search driven over the devices' answers, then the plan."""

import math

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.fleet import Answer, Fleet, Price, Supply, evaluate, first_prices, residuals, write_over
from fimi_opt._kernels.search import DONE, FAILED, NEWTON, ONE, P1, P2, advance, sharpen, start
from fimi_opt._kernels.subproblems import SOLVED, fill_data, share_band

Floats = NDArray[np.float64]

# The prices of P6 and P7 for the split, and those that it was found with, differ by no more where the split is good.
AGREED = 1e-6


@kernel
def needs_no_synthetic(fleet: Fleet, shared: Shared, supply: Supply) -> bool:
    """Whether the local data alone meets the learning limit: then nu = 0 (the paper calls this case infeasible)."""
    total = 0.0
    for i in range(fleet.D_lo.size):
        total += shared.alpha * fleet.D_lo[i] ** -shared.beta
    return total <= supply.A


@kernel
def every_split_open(fleet: Fleet, shared: Shared) -> bool:
    """Whether f_max and P_max leave every device a time split at all."""
    longest = 0.0
    for i in range(fleet.a.size):
        longest = max(longest, fleet.D_lo[i] / fleet.F[i] + fleet.h[i] / fleet.P[i])
    return longest < shared.T


@kernel
def search_prices(fleet: Fleet, shared: Shared, supply: Supply, state: Floats, answer: Answer) -> tuple[int, int, int]:
    """Drive the search to its end; return its last mode, the evaluations and the inner steps it took."""
    evaluations = inner = 0
    price = Price(state[P1], state[P2], 0.0, 0.0)
    while True:  # bounded: the search counts its evaluations
        e, b, e_nu, e_w, b_w, steps = evaluate(fleet, shared, price, answer, 0, fleet.a.size)
        evaluations += 1
        inner += steps
        mode = advance(state, residuals(e, b, e_nu, e_w, b_w, supply, price.log_nu, price.log_w))
        if mode in (DONE, FAILED):
            return mode, evaluations, inner
        d1 = state[P1] - price.log_nu if state[P1] > -math.inf else 0.0
        price = Price(state[P1], state[P2], d1, state[P2] - price.log_w)


@kernel
def complete(fleet: Fleet, shared: Shared, supply: Supply, answer: Answer, log_w: float) -> tuple[float, float, int]:
    """Best data amounts and bandwidths for the answer's time split, limits kept: return ln nu, ln w and a code."""
    log_nu, code = fill_data(fleet, shared, answer.t, supply.A, answer.D)
    if code:
        return log_nu, log_w, code
    log_w, code = share_band(fleet, shared, answer.y, supply.B, log_w, answer.b)
    return log_nu, log_w, code


@kernel
def decision(fleet: Fleet, shared: Shared, cycles: float, answer: Answer) -> Floats:
    """Return rows synthetic samples, CPU frequency (Hz), bandwidth (Hz), transmit power (W) of the answer."""
    n = fleet.a.size
    rows = np.empty((4, n))
    for i in range(n):
        rows[0, i] = max(answer.D[i] - fleet.D_lo[i], 0.0)
        rows[1, i] = min(answer.D[i] / answer.t[i], fleet.F[i]) * cycles
        rows[2, i] = answer.b[i]
        u = fleet.h[i] / fleet.P[i] + answer.y[i]
        v = shared.s / (answer.b[i] * u)
        growth, _ = exponentials(v)
        rows[3, i] = min(fleet.h[i] * growth / (v * u), fleet.P[i])
    return rows


@kernel
def latency_price(fleet: Fleet, shared: Shared, answer: Answer, w: float) -> float:
    """Joules that one more second of the deadline saves: the sum of the upload sides' marginal values of time."""
    total = 0.0
    for i in range(fleet.a.size):
        u = fleet.h[i] / fleet.P[i] + answer.y[i]
        v = shared.s / (answer.b[i] * u)
        growth, marginal = exponentials(v)
        # dE_com/du at fixed b is -h G / (u v); with the power limit active its multiplier pi adds pi (P + h G / (u v)).
        slope = fleet.h[i] * marginal / (u * v)
        excess = w * shared.s / (fleet.h[i] * u * marginal) - 1.0
        total += slope
        if excess > 0.0 and growth * fleet.h[i] >= v * fleet.P[i] * u * (1.0 - 1e-9):
            total += excess * (slope + fleet.P[i])
    return total


@kernel
def total_energy(fleet: Fleet, shared: Shared, answer: Answer) -> float:
    """Joules of the fleet for one round, FIMI eq. (10)."""
    total = 0.0
    for i in range(fleet.a.size):
        v = shared.s / (answer.b[i] * (fleet.h[i] / fleet.P[i] + answer.y[i]))
        growth, _ = exponentials(v)
        total += fleet.a[i] * answer.D[i] ** 3 / answer.t[i] ** 2 + fleet.h[i] * growth / v
    return total


@kernel
def finish(fleet: Fleet, shared: Shared, supply: Supply, state: Floats, answer: Answer, touch: Answer) -> bool:
    """Complete the answer at the state's prices; return whether its own prices are the state's.

    `touch` becomes what the answer was. Where a limit hangs on devices at a bound, a split that is off in the last
    digits makes P6 or P7 close the difference elsewhere, at any price: their prices then tell.
    """
    write_over(touch, answer)
    log_nu, log_w, code = complete(fleet, shared, supply, answer, state[P2])
    return code == SOLVED and log_nu <= state[P1] + AGREED and log_w <= state[P2] + AGREED


@kernel
def quick(
    fleet: Fleet, shared: Shared, supply: Supply, answer: Answer, touch: Answer
) -> tuple[bool, float, float, int, int]:
    """Newton from the typical device's prices; once more where the plan asks for it.

    Returns whether `answer` is a plan that the prices stand for, ln nu, ln w, the evaluations and the inner steps;
    `touch` becomes the prices' own answer.
    """
    if not every_split_open(fleet, shared):
        return False, 0.0, 0.0, 0, 0
    log_nu, log_w = first_prices(fleet, shared, supply)
    mode = NEWTON
    if needs_no_synthetic(fleet, shared, supply):
        log_nu, mode = -math.inf, ONE
    state = start(log_nu, log_w, mode)
    ended, evaluations, inner = search_prices(fleet, shared, supply, state, answer)
    good = ended == DONE and finish(fleet, shared, supply, state, answer, touch)
    if ended == DONE and mode == NEWTON and not good:
        sharpen(state)
        # The answer's split is still the search's; only D and b were completed.
        _, more, steps = search_prices(fleet, shared, supply, state, answer)
        evaluations, inner = evaluations + more, inner + steps
        good = finish(fleet, shared, supply, state, answer, touch)
    return good, state[P1], state[P2], evaluations, inner
