"""Least energy where every device's bandwidth is given: a search for the one price that is left, that of error.

The bandwidths do not couple the devices any more, only the error limit does. For a price nu of it a device minimises

    a D^3 / t^2 + h phi(v) + nu alpha D^-beta,  v = s / (b u),  u = T - t

over D and t (letters as in :mod:`fimi_opt._kernels.device`); D is closed form for given t, and what is left is convex
in t, solved in x = ln(t / u). With its band given, the power limit is no more than a least upload time.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import MAX_STEPS, Compute, Device, Shared, compute_side, data_of
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.fleet import Fleet, device_of, first_prices
from fimi_opt._kernels.joint import needs_no_synthetic
from fimi_opt._kernels.search import DONE, FAILED, ONE, P2, Sums, advance, start
from fimi_opt._kernels.subproblems import SOLVED, fill_data
from fimi_opt.errors import NumericalError
from fimi_opt.solvers.instance import Instance

Floats = NDArray[np.float64]

# As in the joint problem's inner one: the balance is a difference of logarithms of size up to 300.
_BALANCE_TOL = 4e-15
_STEP_TOL = 1e-15
# As in the joint problem: the price of the data and the one that its split was found with differ by no more where the
# split is good; until they agree the limit is drawn in, each time at its share of nu A.
_AGREED = 1e-6
_DRAWN_IN = (0.0, 4e-15, 4e-14, 4e-13, 4e-12)
# Where rounding alone put the split outside the error limit, a part like this of the way to the most data is enough.
_FIRST_PART = 2.0**-50
# Part of the limit by which a plan may miss it where rounding a large fleet's sums closes what room the limits leave;
# plans are checked to 3e-12.
_NO_ROOM = 1e-12
# How near to the upload time of full power a device is at it.
_AT_FULL_POWER = 1e-9


class Split(NamedTuple):
    """Compute and upload times, each (I,), and the most that the upload time can be cut down to: that of full power."""

    t: Floats
    u: Floats
    u_least: Floats


class SharesSolution(NamedTuple):
    """Data amounts, the split that goes with them, the split that the prices ask for, and the prices.

    `error` is J per unit of the sum of errors, `latency` J/s; `bandwidth` J/Hz for one hertz more on every device.
    """

    samples: Floats
    split: Split
    touch: Split
    error: float
    bandwidth: float
    latency: float


@kernel
def upload_value(dev: Device, shared: Shared, band: float, u: float) -> tuple[float, float]:
    """Marginal value of upload time -dE_com/du at a fixed bandwidth, and -dln/dln u of it."""
    v = shared.s / (band * u)
    growth, marginal = exponentials(v)
    return dev.h * marginal / (u * v), v * v * (growth + 1.0) / marginal


@kernel
def _balance(
    dev: Device, shared: Shared, band: float, log_nu: float, x: float
) -> tuple[float, float, float, float, Compute]:
    """Return ln of what more computing time costs over what it is worth, the slope of it in x, t, u and the data."""
    t, u = shared.T / (1.0 + math.exp(-x)), shared.T / (1.0 + math.exp(x))
    comp = compute_side(dev, shared, t, math.log(t), log_nu)
    value, elasticity = upload_value(dev, shared, band, u)
    cost = value + comp.push
    slope = (value / cost * elasticity * t + comp.p * u) / shared.T
    return math.log(cost) - comp.log_pull, slope, t, u, comp


@kernel
def _best_split(
    dev: Device, shared: Shared, band: float, log_nu: float, lo: float, hi: float, x: float
) -> tuple[float, bool]:
    """Return the best x = ln(t / u) in [lo, hi], and whether it is where the balance is 0: not at an end or a kink."""
    if _balance(dev, shared, band, log_nu, lo)[0] >= 0.0:
        return lo, False
    if _balance(dev, shared, band, log_nu, hi)[0] <= 0.0:
        return hi, False
    last = math.inf
    for _ in range(MAX_STEPS):
        if not lo < x < hi:
            x = 0.5 * (lo + hi)
        balance, slope, _, _, _ = _balance(dev, shared, band, log_nu, x)
        if abs(balance) <= _BALANCE_TOL:
            return x, True
        if balance > 0.0:
            hi = x
        else:
            lo = x
        if hi - lo <= _STEP_TOL * max(abs(x), 1.0):
            break
        # Newton where it contracts; the kinks are bisected.
        new = x - balance / slope
        if not lo < new < hi or abs(new - x) > 0.7 * last:
            new = 0.5 * (lo + hi)
        last = abs(new - x)
        x = new
    return x, False


@kernel
def answers(fleet: Fleet, shared: Shared, band: Floats, log_nu: float, x: Floats, split: Split) -> tuple[float, float]:
    """Fill `x`, `split` with every device's best answer to the price; return the errors' sum and slope in ln nu."""
    total = slope = 0.0
    for i in range(x.size):
        dev = device_of(fleet, i)
        t_least = dev.D_lo / dev.F
        lo = math.log(t_least / (shared.T - t_least))
        hi = max(lo, math.log((shared.T - split.u_least[i]) / split.u_least[i]))
        x[i], inside = _best_split(dev, shared, band[i], log_nu, lo, hi, x[i])
        _, _, split.t[i], split.u[i], comp = _balance(dev, shared, band[i], log_nu, x[i])
        data = data_of(dev, shared, comp, split.t[i], log_nu)
        total += data.e
        slope += data.e_nu
        if inside:
            value, elasticity = upload_value(dev, shared, band[i], split.u[i])
            curvature = math.exp(comp.log_pull) * comp.p / split.t[i] + value * elasticity / split.u[i]
            slope -= data.e_t * data.e_t / curvature
    return total, math.exp(log_nu) * slope


@kernel
def search_price(
    fleet: Fleet, shared: Shared, band: Floats, limit: float, log_nu: float, x: Floats, split: Split
) -> tuple[float, int]:
    """Return ln of the price at which the errors sum to the limit, searched from ln nu, and the mode it ended in."""
    state = start(0.0, log_nu, ONE)
    mode = ONE
    while mode != DONE and mode != FAILED:  # bounded: the search counts its evaluations
        error, by_price = answers(fleet, shared, band, state[P2], x, split)
        sums = Sums(0.0, math.log(error / limit), 0.0, 0.0, 0.0, by_price / error)
        mode = advance(state, sums)
    return float(state[P2]), mode


@kernel
def other_prices(fleet: Fleet, shared: Shared, band: Floats, log_nu: float, split: Split) -> tuple[float, float]:
    """What one hertz more on every device and one second more of the deadline save at the price's split."""
    per_hertz = per_second = 0.0
    for i in range(band.size):
        dev, t, u, b = device_of(fleet, i), split.t[i], split.u[i], band[i]
        value, _ = upload_value(dev, shared, b, u)
        per_second += value
        per_hertz += value * u / b
        if u <= split.u_least[i] * (1.0 + _AT_FULL_POWER):
            # Computing is worth more than uploading, but full power can't give way: more band shortens its upload.
            comp = compute_side(dev, shared, t, math.log(t), log_nu)
            excess = max(math.exp(comp.log_pull) - comp.push - value, 0.0)
            v = shared.s / (b * u)
            per_second += excess
            per_hertz += excess * u / b * (1.0 + math.expm1(-v) / v)
    return per_hertz, per_second


def solve_shares(instance: Instance, band: Floats, u_least: Floats) -> SharesSolution:
    """Minimise the energy over data and times for given bandwidths.

    Parameters
    ----------
    instance
        The problem's constants. With full power and the most data that the times allow, its error limit must be met.
    band
        b, (I,), Hz.
    u_least
        Upload times at full power, (I,), s.

    Raises
    ------
    NumericalError
        If the error limit is not met with the most data.
    """
    supply = instance.supply
    for limit in (supply.A, supply.A * (1 + _NO_ROOM)):
        found = _solution(instance._replace(supply=supply._replace(A=limit)), band, u_least)
        if found is not None:
            return found
    raise NumericalError("the limits leave so little room that rounding closes it: relax one by 1e-9 of itself")


def _solution(instance: Instance, band: Floats, u_least: Floats) -> SharesSolution | None:
    """Solution, its limit drawn in until its prices stand for it; None where rounding leaves none inside the limit."""
    fleet, shared, supply, _ = instance
    x = np.zeros(band.size)
    if needs_no_synthetic(fleet, shared, supply):
        split = _empty_split(u_least)
        answers(fleet, shared, band, -math.inf, x, split)
        return _completed(instance, band, -math.inf, split)[0]
    log_nu = first_prices(fleet, shared, supply)[0]
    best, least = None, math.inf
    for drawn_in in _DRAWN_IN:
        split = _empty_split(u_least)
        log_nu, ended = search_price(fleet, shared, band, supply.A * (1 - drawn_in), log_nu, x, split)
        if ended != DONE and best is not None:
            break
        found, log_last = _completed(instance, band, log_nu, split)
        if found is None:
            break
        if log_last <= log_nu + _AGREED:
            return found
        if log_last < least or best is None:
            best, least = found, log_last
    return best


def _empty_split(u_least: Floats) -> Split:
    return Split(np.empty(u_least.size), np.empty(u_least.size), u_least)


def _completed(instance: Instance, band: Floats, log_nu: float, split: Split) -> tuple[SharesSolution | None, float]:
    """Solution with the cheapest data for the split that the price asks for, and ln of the price of that data.

    Where rounding put the split outside the error limit, it is moved towards the most computing time until inside; None
    where even that is outside.
    """
    fleet, shared, supply, _ = instance
    samples = np.empty(band.size)
    moved, part = split, 0.0
    while part <= 1.0:
        moved = split._replace(
            t=split.t + part * (shared.T - split.u_least - split.t), u=split.u + part * (split.u_least - split.u)
        )
        log_last, code = fill_data(fleet, shared, moved.t, supply.A, samples)
        if code == SOLVED:
            prices = (math.exp(log_nu), *other_prices(fleet, shared, band, log_nu, split))
            return SharesSolution(samples, moved, split, *prices), log_last
        part = max(4.0 * part, _FIRST_PART)
    return None, math.inf
