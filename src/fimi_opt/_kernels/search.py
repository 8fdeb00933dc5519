"""A safeguarded search for one or two prices, as steps that a caller drives.

The residuals are r = ln(demand / supply) of the two limits at prices (p1, p2) = (ln nu, ln w). Each falls in its own
price and rises in the other (the two are substitutes), and the dual function behind them is concave. Three modes:

* NEWTON in both logarithms while the larger residual shrinks; it converges in a few steps where demand is smooth.
* NESTED where it does not (caps bind, prices are huge): for each p1 the inner price p2 is found by bracketed Newton,
  and p1 by bracketed Newton on what is left. Monotone in one dimension each, so it cannot fail.
* ONE where p1 is fixed (no synthetic data needed: nu = 0): the inner search alone.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel

NEWTON, NESTED, ONE, DONE, FAILED = 0, 1, 2, 3, 4

# 4 evaluations are usual in NEWTON, 20 to 150 in NESTED; the bound only has to exist.
MAX_EVALUATIONS = 1000
MAX_NEWTON = 40
# A Newton step this small leaves a gap of its square, far below rounding, where demand is smooth; where a limit hangs
# on devices at a bound, the step has to be as small as it gets.
STEP_TOL, LAST_STEP_TOL = 1e-9, 1e-14
# Demand and supply agree as well as sums of rounded numbers can.
RESIDUAL_TOL = 1e-14
INNER_TOL = 1e-14
_LONGEST_STEP = 4.0
_LOG_LIMIT = 600.0


class Sums(NamedTuple):
    """Totals over the fleet at one pair of prices: residuals r1, r2 and their derivatives by the log prices."""

    r1: float
    r2: float
    j11: float
    j12: float
    j21: float
    j22: float


# State: one float array, so that the same step runs inside kernels and under Python's threads.
MODE, P1, P2, COUNT, BEST, BEST_P1, BEST_P2, HALVED = range(8)
LO1, HI1, LAST1, LO2, HI2, LAST2 = range(8, 14)
TOL = 14
STATE_SIZE = 15


@kernel
def start(p1: float, p2: float, mode: int) -> NDArray[np.float64]:
    """State of a search that begins at prices e^p1, e^p2."""
    state = np.empty(STATE_SIZE)
    state[MODE], state[P1], state[P2], state[COUNT] = mode, p1, p2, 0
    state[BEST], state[BEST_P1], state[BEST_P2], state[HALVED] = math.inf, p1, p2, 0
    state[LO1], state[HI1], state[LAST1] = -math.inf, math.inf, math.inf
    state[LO2], state[HI2], state[LAST2] = -math.inf, math.inf, math.inf
    state[TOL] = STEP_TOL
    return state


@kernel
def sharpen(state: NDArray[np.float64]) -> None:
    """Let a search that has ended go on in NEWTON to the last digit."""
    state[MODE], state[BEST], state[HALVED], state[TOL] = NEWTON, math.inf, 0, LAST_STEP_TOL


@kernel
def bracketed_step(p: float, r: float, slope: float, lo: float, hi: float, last: float) -> float:
    """Next step of a Newton search for the root of a falling function, kept inside (lo, hi) and contracting."""
    # While there is no bracket the longest step doubles, so that far roots are reached as well.
    longest = _LONGEST_STEP if math.isinf(last) else max(_LONGEST_STEP, 2.0 * last)
    step = -r / slope if slope < 0.0 else math.copysign(longest, r)
    if not abs(step) <= longest:
        step = math.copysign(longest, r)
    inside = lo < p + step < hi
    if math.isinf(lo) or math.isinf(hi):
        # Newton that creeps towards the root has its slope from the wrong side of a kink: overtake the root.
        creeps = not math.isinf(last) and abs(step) > 0.25 * last
        return math.copysign(min(2.0 * max(abs(step), last), longest), step) if creeps else step
    if not inside or abs(step) > 0.7 * last:
        return 0.5 * (lo + hi) - p
    return step


@kernel
def advance(state: NDArray[np.float64], sums: Sums) -> int:
    """Take one step of the search from the totals at the state's prices; return the mode it is in."""
    state[COUNT] += 1
    mode = int(state[MODE])
    if state[COUNT] >= MAX_EVALUATIONS or math.isnan(sums.r1) or math.isnan(sums.r2):
        mode = FAILED
    elif mode == NEWTON:
        mode = _newton(state, sums)
    elif mode == NESTED:
        mode = _nested(state, sums)
    elif mode == ONE:
        mode = _inner(state, sums)
    state[MODE] = mode
    return mode


@kernel
def _newton(state: NDArray[np.float64], sums: Sums) -> int:
    merit = max(abs(sums.r1), abs(sums.r2))
    if merit > 0.9 * state[BEST]:
        # Not enough progress: step back half way, thrice at most.
        state[HALVED] += 1
        if state[HALVED] > 3:
            state[P1], state[P2] = state[BEST_P1], state[BEST_P2]
            return FAILED
        state[P1] = 0.5 * (state[P1] + state[BEST_P1])
        state[P2] = 0.5 * (state[P2] + state[BEST_P2])
        return NEWTON
    state[BEST], state[BEST_P1], state[BEST_P2], state[HALVED] = merit, state[P1], state[P2], 0
    determinant = sums.j11 * sums.j22 - sums.j12 * sums.j21
    if not determinant > 0.0 or state[COUNT] > MAX_NEWTON:
        return DONE if merit <= RESIDUAL_TOL else FAILED
    step1 = (sums.j12 * sums.r2 - sums.j22 * sums.r1) / determinant
    step2 = (sums.j21 * sums.r1 - sums.j11 * sums.r2) / determinant
    longest = max(abs(step1), abs(step2))
    if longest <= state[TOL] or merit <= RESIDUAL_TOL:
        return DONE
    shrink = min(1.0, _LONGEST_STEP / longest)
    state[P1] += shrink * step1
    state[P2] += shrink * step2
    return NEWTON


@kernel
def _inner(state: NDArray[np.float64], sums: Sums) -> int:
    """One step of the search for p2 with p1 kept; DONE when demand meets supply."""
    p, r = state[P2], sums.r2
    if r > 0.0:
        state[LO2] = max(state[LO2], p)
    else:
        state[HI2] = min(state[HI2], p)
    width = state[HI2] - state[LO2]
    if abs(r) <= INNER_TOL or width <= 4e-16 * max(abs(p), 1.0):
        return DONE
    step = bracketed_step(p, r, sums.j22, state[LO2], state[HI2], state[LAST2])
    if abs(step) <= 1e-16 * max(abs(p), 1.0):
        return DONE
    if abs(p + step) > _LOG_LIMIT:
        return FAILED
    state[LAST2] = abs(step)
    state[P2] = p + step
    return int(state[MODE])


@kernel
def _nested(state: NDArray[np.float64], sums: Sums) -> int:
    """One step of the search for p1 along the curve on which p2 clears its own limit."""
    inner = _inner(state, sums)
    if inner in (NESTED, FAILED):
        return inner
    p, r = state[P1], sums.r1
    if r > 0.0:
        state[LO1] = max(state[LO1], p)
    else:
        state[HI1] = min(state[HI1], p)
    turn = -sums.j21 / sums.j22 if sums.j22 < 0.0 else 0.0
    slope = sums.j11 + sums.j12 * turn
    if abs(r) <= RESIDUAL_TOL or state[HI1] - state[LO1] <= 4e-16 * max(abs(p), 1.0):
        return DONE
    step = bracketed_step(p, r, slope, state[LO1], state[HI1], state[LAST1])
    if abs(step) <= 1e-16 * max(abs(p), 1.0):
        return DONE
    if abs(p + step) > _LOG_LIMIT:
        return FAILED
    state[LAST1] = abs(step)
    state[P1] = p + step
    state[P2] += turn * step
    state[LO2], state[HI2], state[LAST2] = -math.inf, math.inf, math.inf
    return NESTED
