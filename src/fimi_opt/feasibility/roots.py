"""Roots of falling functions of one positive quantity, which may be infinite on either side."""

import math
from collections.abc import Callable

from fimi_opt._kernels.search import bracketed_step
from fimi_opt.errors import NumericalError

# A bracket as wide as floats allow, 1,400 in logarithms, is halved to 1e-13 in 54 steps, and Newton's steps halve it
# at least every other time.
_MAX_STEPS = 200
_TOL = 1e-13
# Logarithms beyond which a float overflows.
_LOG_MOST = 700.0


def root_above(pole: float, first: float, evaluate: Callable[[float], tuple[float, float]], what: str) -> float:
    """Where a falling function of a value above a pole changes sign, by bracketed Newton in ln(value - pole).

    Parameters
    ----------
    pole
        What all values lie above.
    first
        The first value to try.
    evaluate
        Returns the function's value, infinite where it is none, and its slope in ln(value - pole), NaN where it is not
        known: then the last two values stand for it.
    what
        What is sought, for the error's message.

    Raises
    ------
    NumericalError
        If there is no root among floats.
    """
    p, lo, hi, last = math.log(first - pole), -math.inf, math.inf, math.inf
    p_before = r_before = math.nan
    for _ in range(_MAX_STEPS):
        value = pole + math.exp(p)
        r, slope = evaluate(value)
        lo, hi = (p, hi) if r > 0 else (lo, p)
        if math.isfinite(r):
            if math.isnan(slope):
                slope = (r - r_before) / (p - p_before) if math.isfinite(r_before) else 0.0
            step = bracketed_step(p, r, slope, lo, hi, last)
        else:
            step = _into(p, r, lo, hi, last)
        # Where nothing is known on one side yet, a step that changes nothing only means that longer ones are needed.
        known = math.isfinite(r) or math.isfinite(hi - lo)
        if abs(r) <= _TOL or hi - lo <= _TOL or (known and step != 0 and pole + _exp(p + step) == value):
            return value
        p_before, r_before, last = p, r, abs(step)
        p += step
        if abs(p) > _LOG_MOST:
            break
    raise NumericalError(f"the search for {what} did not end; please report these devices and limits")


def _into(p: float, r: float, lo: float, hi: float, last: float) -> float:
    """Step from where the function is infinite: half way to the other end, or twice the last step."""
    if math.isfinite(hi - lo):
        return 0.5 * (lo + hi) - p
    return math.copysign(2 * last if math.isfinite(last) else 1e-3, r)


def _exp(p: float) -> float:
    return math.exp(min(p, _LOG_MOST))
