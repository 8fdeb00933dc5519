"""The least bandwidth that the error limit leaves, device by device: one price lambda (Hz per unit of error).

For a given lambda each device minimises b_min(T - t) + lambda alpha D_cap(t)^-beta with D_cap(t) = min(D_hi, F t),
convex in t; letters as in :mod:`fimi_opt._kernels.device`.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import MAX_STEPS, X_MAX, Device, Shared, room, split_times
from fimi_opt._kernels.device import least_split as shortest_split
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.fleet import Fleet, device_of
from fimi_opt._kernels.lambertw import slack_exponent
from fimi_opt._kernels.search import DONE, FAILED, ONE, P2, Sums, advance, start

Floats = NDArray[np.float64]

_BALANCE_TOL = 1e-14
_STEP_TOL = 1e-15


class FullPower(NamedTuple):
    """Upload at full power in the time u: b_min, its fall -db/du, and -dln(fall)/dln u."""

    b: float
    fall: float
    elasticity: float


class Frontier(NamedTuple):
    """Totals at one lambda: errors e, bandwidth b, their derivatives by ln lambda, and -db/dT.

    Kernels return its plain tuple.
    """

    e: float
    b: float
    e_p: float
    b_p: float
    b_T: float


@kernel
def full_power(dev: Device, s: float, y: float) -> FullPower:
    """Least bandwidth for the upload time h / P + y and how it falls with it: FIMI eq. (31), corrected."""
    u = dev.h / dev.P + y
    v = slack_exponent(dev.h / (dev.P * u), y / u)
    growth, marginal = exponentials(v)
    b = s / (u * v)
    m = v * (growth + 1.0) / marginal
    return FullPower(b, b * m / u, m + 1.0 - (1.0 + v - m * v) * growth / marginal)


@kernel
def _balance(dev: Device, shared: Shared, log_price: float, x: float) -> tuple[float, float]:
    """Return ln of what more time costs in bandwidth over what it is worth in error, and the slope of it in x."""
    whole = room(dev, shared.T)
    t, y, log_t = split_times(x, whole)
    full = full_power(dev, shared.s, y)
    log_worth = log_price + shared.log_ab - shared.beta * (dev.log_F + log_t) - log_t
    slope = full.elasticity * t * y / (dev.h / dev.P + y) + (shared.beta + 1.0) * y
    return math.log(full.fall) - log_worth, slope / whole


@kernel
def _least(dev: Device, shared: Shared, log_price: float, lo: float, hi: float, x: float) -> float:
    """Split x = ln(t/y) in [lo, hi] at which the device trades error for bandwidth at the given price."""
    if _balance(dev, shared, log_price, lo)[0] >= 0.0:
        return lo
    if _balance(dev, shared, log_price, hi)[0] <= 0.0:
        return hi
    last = math.inf
    for _ in range(MAX_STEPS):
        if not lo < x < hi or not last > 0.0:
            x = 0.5 * (lo + hi)
        balance, slope = _balance(dev, shared, log_price, x)
        if abs(balance) <= _BALANCE_TOL:
            break
        if balance > 0.0:
            hi = x
        else:
            lo = x
        if hi - lo <= _STEP_TOL * max(abs(x), 1.0):
            break
        step = -balance / slope
        last = abs(step) if abs(step) <= 0.7 * last else 0.0
        x += step
    return x


@kernel
def least_split(
    fleet: Fleet, shared: Shared, log_price: float, x: Floats, first: int, stop: int
) -> tuple[float, float, float, float, float]:
    """Fill x[first:stop] for ln lambda (-inf: least bandwidth whatever the error; inf: least error); their totals."""
    e = b = e_p = b_p = b_T = 0.0
    alpha, beta = shared.alpha, shared.beta
    for i in range(first, stop):
        dev = device_of(fleet, i)
        whole = room(dev, shared.T)
        lo = hi = shortest_split(dev, shared.T)
        t_cap = dev.D_hi / dev.F
        if dev.D_hi > dev.D_lo:
            hi = max(math.log(t_cap / (whole - t_cap)), lo) if t_cap < whole else X_MAX
        if log_price == -math.inf or hi == lo:
            x[i] = lo
        elif log_price == math.inf:
            x[i] = hi
        else:
            x[i] = _least(dev, shared, log_price, lo, hi, x[i])
        t, y, _ = split_times(x[i], whole)
        full = full_power(dev, shared.s, y)
        D = max(min(dev.D_hi, dev.F * t), dev.D_lo)
        error = alpha * D**-beta
        e += error
        b += full.b
        b_T += full.fall
        if lo < x[i] < hi:
            e_t = -beta * error / t
            curvature = full.fall * full.elasticity / (dev.h / dev.P + y) - math.exp(log_price) * e_t * (beta + 1.0) / t
            e_p -= math.exp(log_price) * e_t * e_t / curvature
            b_p -= math.exp(log_price) * full.fall * e_t / curvature
    return e, b, e_p, b_p, b_T


@kernel
def usual_price(fleet: Fleet, shared: Shared) -> float:
    """Logarithm of lambda at which one more device's share of the band is worth the error it saves."""
    return math.log(shared.s * fleet.a.size / shared.T) - math.log(shared.alpha)


@kernel
def towards(state: Floats, totals: Frontier, A: float, B: float) -> int:
    """Take one step of the search for ln lambda: to where errors sum to A (B infinite) or bandwidths to B."""
    if math.inf == B:
        return advance(state, Sums(0.0, math.log(totals.e / A), 0.0, 0.0, 0.0, totals.e_p / totals.e))
    return advance(state, Sums(0.0, math.log(B / totals.b), 0.0, 0.0, 0.0, -totals.b_p / totals.b))


@kernel
def trade(
    fleet: Fleet, shared: Shared, A: float, B: float, log_price: float, x: Floats
) -> tuple[float, float, float, float, float, float, int]:
    """Totals where errors sum to A (B infinite) or bandwidths to B (A infinite), ln lambda there, DONE or FAILED.

    Searches from ln lambda and the splits `x`, and fills `x` with those that it ends at.
    """
    state = start(0.0, log_price, ONE)
    while True:  # bounded: the search counts its evaluations
        log_price = state[P2]
        totals = Frontier(*least_split(fleet, shared, log_price, x, 0, x.size))
        mode = towards(state, totals, A, B)
        if mode in (DONE, FAILED):
            return totals.e, totals.b, totals.e_p, totals.b_p, totals.b_T, log_price, mode


@kernel
def times_of(fleet: Fleet, shared: Shared, x: Floats, t: Floats, y: Floats) -> None:
    """Fill t and y from x = ln(t/y)."""
    for i in range(x.size):
        t[i], y[i], _ = split_times(x[i], room(device_of(fleet, i), shared.T))
