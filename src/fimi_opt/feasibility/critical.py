"""The least band, error, deadline and synthetic data that admit a plan, the other limits kept."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.feasibility import Frontier, usual_price
from fimi_opt._kernels.fleet import LEAST_SYNTHETIC, Fleet
from fimi_opt.errors import NumericalError
from fimi_opt.feasibility.frontier import least_split, sampled, trade
from fimi_opt.feasibility.roots import root_above
from fimi_opt.models import rate
from fimi_opt.solvers.large import LARGE

Floats = NDArray[np.float64]

# Limits that are missed by no more than this are met: computing a limit from the plan that just meets it (every device
# at D_max, say) leaves roundings of this size. Plans are checked to 3e-12.
TIGHT = 1e-14
# Critical values are given this much on the admitting side, so that solving again with one of them has a plan to find.
ADMIT = 1e-9
# What a float resolves of a deadline.
_ROUNDING = 2.0**-52
# Where a limit leaves next to no room, critical values are known to less than ADMIT: what is then granted.
_GRANTED = (1e-9, 1e-8, 1e-7, 5e-7)
_LOG_TOL = 1e-13
# Started where limits are met to rounding a search stays, and what that rounding is worth of a steep frontier is then
# never found: it starts so far beside.
_BESIDE = 1e-6


class Least(NamedTuple):
    """A point of the frontier of error and band, and the splits x = ln(t/y) it takes.

    Attributes
    ----------
    error, bandwidth
        Sum of alpha D^-beta, and total bandwidth (Hz); infinite where there is no such point.
    x
        Splits, (I,).
    per_second
        Hz that one second more would spare, the error kept.
    log_price
        ln of the Hz that one unit of error more would spare; -inf where the local data is enough, inf where every
        device is at its most.
    """

    error: float
    bandwidth: float
    x: Floats
    per_second: float
    log_price: float


def least_bandwidth_for(fleet: Fleet, shared: Shared, A: float, near: Least | None = None, workers: int = 1) -> Least:
    """Least total bandwidth with which every device meets the deadline and errors sum to at most A.

    A result for other limits, `near`, is where the search starts.
    """
    x = np.zeros(fleet.a.size)
    if not every_device_open(fleet, shared):
        return Least(math.inf, math.inf, x, math.inf, math.inf)
    totals = least_split(fleet, shared, -math.inf, x, workers)
    if totals.e <= A:
        return _least(totals, x, -math.inf)
    most = least_split(fleet, shared, math.inf, x, workers)
    if most.e > A * (1 + TIGHT):
        return Least(most.e, math.inf, x, math.inf, math.inf)
    if most.e >= A * (1 - TIGHT) and math.isfinite(most.b):
        return _least(most, x, math.inf)
    return _traded(fleet, shared, A, math.inf, near, workers)


def least_error_for(fleet: Fleet, shared: Shared, B: float, near: Least | None = None, workers: int = 1) -> Least:
    """Least sum of alpha D^-beta that the band B and the deadline leave; inf where not even the local data fits.

    A result for other limits, `near`, is where the search starts.
    """
    x = np.zeros(fleet.a.size)
    if not every_device_open(fleet, shared) or least_split(fleet, shared, -math.inf, x, workers).b > B:
        return Least(math.inf, math.inf, x, math.inf, -math.inf)
    most = least_split(fleet, shared, math.inf, x, workers)
    return _least(most, x, math.inf) if most.b <= B else _traded(fleet, shared, math.inf, B, near, workers)


def least_latency_for(fleet: Fleet, shared: Shared, A: float, B: float, near: Least, workers: int = 1) -> float | None:
    """Least deadline (s) with which the band B is enough, on the admitting side; None where no deadline is.

    `near`: the least bandwidth at the present deadline.
    """
    if error_at_most(fleet, shared) > A * (1 + TIGHT):
        return None
    first = float(np.max(shortest_times(fleet, shared, B)))
    if fleet.a.size >= LARGE:
        first, near = _sampled_latency(fleet, shared, A, B, near, first)
    root, near = _enough_band(fleet, shared, A, B, near, first, workers)

    def admits(T: float) -> bool:
        least = least_bandwidth_for(fleet, shared._replace(T=T), A, near, workers)
        return least.bandwidth + _rounding_of(least, A) <= B

    return next((root * (1 + part) for part in _GRANTED if admits(root * (1 + part))), root * (1 + _GRANTED[-1]))


def _enough_band(
    fleet: Fleet, shared: Shared, A: float, B: float, near: Least, first: float, workers: int
) -> tuple[float, Least]:
    """The deadline (s) at which the least bandwidth is B, and that least bandwidth; the search starts at `first`.

    The least bandwidth falls with T: a bracketed Newton search in ln(T - T_0), whose slope is the multiplier's.
    """
    # Towards T_0, with which no band at all is enough, the least bandwidth grows like 1 / (T - T_0).
    T_0 = no_time(fleet)

    def excess(T: float) -> tuple[float, float]:
        nonlocal near
        near = least = least_bandwidth_for(fleet, shared._replace(T=T), A, near, workers)
        slope = -(T - T_0) * least.per_second / least.bandwidth
        return math.log(least.bandwidth / B), slope

    return root_above(T_0, max(first, T_0 + _ROUNDING * T_0), excess, "the least deadline"), near


def _sampled_latency(
    fleet: Fleet, shared: Shared, A: float, B: float, near: Least, first: float
) -> tuple[float, Least]:
    """Where the search of a large fleet starts: at the least deadline, and the price there, of a sample of it."""
    few, share = sampled(fleet)
    A, B = A * share, B * share
    if error_at_most(few, shared) > A:
        return first, near
    try:
        root, least = _enough_band(few, shared, A, B, least_bandwidth_for(few, shared, A), first, 1)
    except NumericalError:
        return first, near
    return max(first, root), near._replace(log_price=least.log_price)


def least_synthetic_for(
    fleet: Fleet, shared: Shared, A: float, B: float, near: Least, workers: int = 1
) -> float | None:
    """Least amount (samples) that every device must be allowed to add, at least; None where no amount is enough.

    The least error that the band leaves falls with the amount, and stays as it is from where time ends it. `near`: the
    least bandwidth with the present amounts.
    """

    def excess(amount: float) -> float:
        D_hi = np.maximum(fleet.D_hi, fleet.D_lo + amount)
        more = fleet._replace(D_hi=D_hi, log_D_hi=np.log(D_hi))
        nonlocal near
        near = least_error_for(more, shared, B, near, workers)
        return math.log(near.error / A)

    reach = float(np.max(fleet.F * (shared.T - fleet.h / fleet.P) - fleet.D_lo))
    lo = max(float(np.min(fleet.D_hi - fleet.D_lo)), LEAST_SYNTHETIC * float(np.min(fleet.D_lo)))
    if not (A > 0 and lo < reach) or excess(reach) > TIGHT:
        return None
    if excess(lo) <= 0 or excess(reach) >= 0:
        return lo if excess(lo) <= 0 else reach
    from scipy.optimize import brentq  # a third of the import's time, and no plan needs it

    root = math.exp(brentq(lambda p: excess(math.exp(p)), math.log(lo), math.log(reach), xtol=_LOG_TOL))
    # Where the curve is flat, a rounding of the error is worth much of the band: so one is left where that can be had.
    granted = [(excess(root * (1 + part)), root * (1 + part)) for part in _GRANTED]
    return next((amount for left in (-TIGHT, TIGHT) for missed, amount in granted if missed <= left), reach)


def _rounding_of(least: Least, A: float) -> float:
    """Hz by which a least band is uncertain: what a rounding of the error limit is worth."""
    return 2 * TIGHT * A * math.exp(least.log_price) if math.isfinite(least.log_price) else 0.0


def _least(totals: Frontier, x: Floats, log_price: float) -> Least:
    return Least(totals.e, totals.b, x, totals.b_T, log_price)


def _traded(fleet: Fleet, shared: Shared, A: float, B: float, near: Least | None, workers: int) -> Least:
    """The point where errors sum to A (B infinite) or bandwidths to B (A infinite), searched from one near it."""
    if near is not None and math.isfinite(near.log_price):
        log_price, x = near.log_price + _BESIDE, near.x.copy()
    else:
        log_price, x = _first_price(fleet, shared, A, B), np.zeros(fleet.a.size)
    totals, log_price, found = trade(fleet, shared, A, B, log_price, x, workers)
    if not found:
        raise NumericalError("the search along the frontier of error and band did not end; please report this instance")
    return _least(totals, x, log_price)


def _first_price(fleet: Fleet, shared: Shared, A: float, B: float) -> float:
    """Where a search for ln lambda starts: of a large fleet, at a sample's."""
    if fleet.a.size >= LARGE:
        few, share = sampled(fleet)
        first = usual_price(few, shared)
        _, log_price, found = trade(few, shared, A * share, B * share, first, np.zeros(few.a.size))
        if found:
            return log_price
    return usual_price(fleet, shared)


def error_at_most(fleet: Fleet, shared: Shared) -> float:
    """Sum of alpha D^-beta with all the synthetic data that is allowed."""
    return float(np.sum(shared.alpha * fleet.D_hi**-shared.beta))


def error_without_band(fleet: Fleet, shared: Shared) -> float:
    """Least sum of alpha D^-beta that the deadline leaves, whatever the band."""
    reach = np.clip(fleet.F * (shared.T - fleet.h / fleet.P), fleet.D_lo, fleet.D_hi)
    return float(np.sum(shared.alpha * reach**-shared.beta))


def upload_times(fleet: Fleet, shared: Shared, B: float) -> Floats:
    """Least time (s) of an upload, with the whole band and full power, (I,)."""
    bits = shared.s / math.log(2.0)
    return np.asarray(bits / rate(B, fleet.P, 1.0, fleet.h / shared.s))


def shortest_times(fleet: Fleet, shared: Shared, B: float) -> Floats:
    """Least time (s) of a round with the whole band, full power and local data only, (I,): FIMI (17), (18)."""
    return np.asarray(fleet.D_lo / fleet.F + upload_times(fleet, shared, B))


def no_time(fleet: Fleet) -> float:
    """Deadline (s) down to which some device misses it whatever the band."""
    return float(np.max(fleet.D_lo / fleet.F + fleet.h / fleet.P))


def every_device_open(fleet: Fleet, shared: Shared) -> bool:
    """Whether each device meets the deadline with some band."""
    return bool(np.all(fleet.D_lo / fleet.F + fleet.h / fleet.P < shared.T))
