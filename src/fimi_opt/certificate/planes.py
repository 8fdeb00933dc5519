"""Tangent planes below the Lagrangian, device by device, and what a decision costs.

Letters: a = eps (tau omega)^3, F = f_max / (tau omega), h = N0 s / g, s = S ln 2; t, u compute and upload time, D
training samples, b bandwidth, v = s / (b u), phi(v) = (e^v - 1) / v; nu and w the prices of error and of bandwidth.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# How near D must be to D_hi and F t for the plane to treat them as a corner; any value is valid.
_CORNER = 1e-12
# Time beyond the least upload time is not resolved below e^-60 of the compute time.
_LOG_ENDS = 60.0
# A free band (w = 0) asks for v = 0 and an infinite bandwidth: this is as good and stays finite.
_LEAST_EFFICIENCY = 1e-100
# Halvings of a bracket in ln(t / y) or ln v that is at most 1,400 wide, to the last digit.
_HALVINGS = 64


class Split(NamedTuple):
    """Where the tangent planes touch: compute time t (s), upload time u (s) and bandwidth b (Hz), each (I,)."""

    t: Floats
    u: Floats
    b: Floats


class Fleet(NamedTuple):
    """The devices' own quantities as the user gave them, each (I,), and D_max, (I,) or (1,)."""

    eps: Floats
    f_max: Floats
    N0: Floats
    g: Floats
    P: Floats
    D_loc: Floats
    D_max: Floats


class Limits(NamedTuple):
    """The learning curve, the limits that couple the devices, and the size of the terms that A is a difference of."""

    alpha: float
    beta: float
    A: float
    A_size: float
    B: float
    T: float


class Device(NamedTuple):
    """One device's constants and the prices."""

    a: float
    F: float
    h: float
    P: float
    D_lo: float
    D_hi: float
    s: float
    nu: float
    w: float


@njit(cache=True, nogil=True, error_model="numpy")
def _phi(v: float) -> float:
    """(e^v - 1) / v."""
    return math.expm1(v) / v if v > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _marginal(v: float) -> float:
    """G(v) = e^v (v - 1) + 1 = sum over n >= 2 of v^n (n - 1) / n!, summed where the closed form cancels."""
    if v > 1.0:
        return math.exp(v) * (v - 1.0) + 1.0
    term, total = 0.5 * v * v, 0.0
    for n in range(2, 24):
        total += term * (n - 1)
        term *= v / (n + 1)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _tangent(dev: Device, lim: Limits, t: float, u: float, v: float) -> tuple[float, float, float]:
    """Least value of the tangent plane at (t, u, v) over the device's box, its slope in t, and the terms' size."""
    alpha, beta, nu, w = lim.alpha, lim.beta, dev.nu, dev.w
    # Radio: where v is held down the power limit's multiplier pi takes up the slope in b, elsewhere the slope costs
    # at most itself times b (b is at least 0), or times B - b where v is too large.
    b = dev.s / (u * v)
    G = _marginal(v)
    sent, full = dev.h * _phi(v), dev.P * u
    slope_b = w - dev.h * u * G / dev.s
    pi = max(slope_b, 0.0) * dev.s / (dev.h * u * G)
    if slope_b * b <= pi * (full - sent):
        pi = 0.0
    else:
        slope_b = 0.0
    value = (1.0 + pi) * sent - pi * full + w * b
    value -= slope_b * b if slope_b > 0.0 else -slope_b * (lim.B - b)
    size = (1.0 + pi) * sent + pi * full + 2.0 * w * b
    slope_u = -pi * dev.P - (1.0 + pi) * dev.h * G / (u * v)
    # Data: the closed-form minimiser for this t, a few digits upwards so that the slope left over points at D_lo.
    want = (nu * alpha * beta * t * t / (3.0 * dev.a)) ** (1.0 / (beta + 3.0)) * (1.0 + 1e-15)
    reach = dev.F * t
    D = min(max(want, dev.D_lo), max(min(dev.D_hi, reach), dev.D_lo))
    energy = dev.a * D * D * D / (t * t)
    error = nu * alpha * D**-beta
    cost, worth = 3.0 * energy / D, beta * error / D
    mu = 0.0
    if reach * (1.0 - _CORNER) <= D:
        mu = max(worth - cost, 0.0)
        if dev.D_hi * (1.0 - _CORNER) <= D:  # at the corner of both limits mu is free: the one that balances time
            mu = min(mu, max(-slope_u - 2.0 * energy / t, 0.0) / dev.F)
    slope_D = cost - worth + mu
    value += energy + error + mu * (D - reach)
    value -= slope_D * (D - dev.D_lo) if slope_D > 0.0 else -slope_D * (dev.D_hi - D)
    size += energy + error + mu * (D + reach) + (cost + worth) * (D - dev.D_lo)
    slope_t = -2.0 * energy / t - mu * dev.F
    # Time: t + u = T but for rounding, which the slope in u makes good.
    slope = slope_t - slope_u
    reach_t = t - dev.D_lo / dev.F if slope > 0.0 else dev.h / dev.P - max(u, lim.T - t)
    size += (-slope_t - slope_u) * abs(reach_t)
    return value - slope * reach_t + slope_u * (lim.T - t - u), slope, size


@njit(cache=True, nogil=True, error_model="numpy")
def _price_met(dev: Device, u: float, v: float) -> float:
    """One Newton step from v towards G(v) = w s / (h u), then a little below: so that the slope in b points at 0.

    Where that would break the power limit, v is left where it is: the limit's multiplier meets the price there.
    """
    y = dev.w * dev.s / (dev.h * u)
    better = v - (_marginal(v) - y) / (v * math.exp(v))
    allowed = 0.5 * v < better < 2.0 * v and dev.h * _phi(better) <= dev.P * u
    return max((better if allowed else v) * (1.0 - 1e-15), _LEAST_EFFICIENCY)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_efficiency(dev: Device, u: float) -> float:
    """Efficiency v for the price of bandwidth at upload time u, the power limit kept: by bisection in ln v."""
    y, k = dev.w * dev.s / (dev.h * u), dev.h / (dev.P * u)
    lo, hi = -700.0, 6.5
    for _ in range(_HALVINGS):
        middle = 0.5 * (lo + hi)
        v = math.exp(middle)
        if _marginal(v) < y and _phi(v) * k < 1.0:
            lo = middle
        else:
            hi = middle
    return max(math.exp(lo), _LEAST_EFFICIENCY)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_split(dev: Device, lim: Limits) -> tuple[float, float, float]:
    """Return t, u and v of the device's best answer to the prices: by bisection in ln(t / y) on the tangent's slope."""
    t_lo, u_lo = dev.D_lo / dev.F, dev.h / dev.P
    room = lim.T - u_lo  # what t and y = u - u_lo share: in ln(t / y) either end is resolved
    lo, hi = math.log(t_lo / (room - t_lo)), _LOG_ENDS
    for _ in range(_HALVINGS):
        x = 0.5 * (lo + hi)
        u = u_lo + room / (1.0 + math.exp(x))
        t = room / (1.0 + math.exp(-x))
        _, slope, _ = _tangent(dev, lim, t, u, _best_efficiency(dev, u))
        if slope > 0.0:
            hi = x
        else:
            lo = x
    u, t = u_lo + room / (1.0 + math.exp(lo)), room / (1.0 + math.exp(-lo))
    return t, u, _best_efficiency(dev, u)


@njit(cache=True, nogil=True, error_model="numpy")
def measure(
    cycles: float, s: float, fleet: Fleet, lim: Limits, decision: Floats, first: int, stop: int
) -> tuple[float, float, float, float]:
    """Energy, alpha D^-beta and bandwidth of a block by (5)-(10), and its worst relative violation of own limits."""
    energy = errors = band = 0.0
    worst = -math.inf
    for i in range(first, stop):
        gen, f, b, P = decision[0, i], decision[1, i], decision[2, i], decision[3, i]
        D_max = fleet.D_max[i if fleet.D_max.size > 1 else 0]
        work = cycles * (fleet.D_loc[i] + gen)
        seconds = s / (b * math.log1p(fleet.g[i] * P / (fleet.N0[i] * b)))
        energy += fleet.eps[i] * work * f * f + P * seconds
        errors += lim.alpha * (fleet.D_loc[i] + gen) ** -lim.beta
        band += b
        worst = max(worst, (work / f + seconds) / lim.T - 1.0, f / fleet.f_max[i] - 1.0, P / fleet.P[i] - 1.0)
        worst = max(worst, -gen / fleet.D_loc[i], (gen - D_max) / fleet.D_loc[i])
    return energy, errors, band, worst


@njit(cache=True, nogil=True, error_model="numpy")
def bound_of(
    cycles: float,
    s: float,
    fleet: Fleet,
    lim: Limits,
    nu: float,
    w: float,
    split: Split,
    first: int,
    stop: int,
) -> tuple[float, float]:
    """Sum over a block of the tangent planes' least values, at the split or, where it is empty, at the best answers.

    The second is the size of the terms, of which rounding takes its part.
    """
    total = carry = size = 0.0
    for i in range(first, stop):
        D_max = fleet.D_max[i if fleet.D_max.size > 1 else 0]
        dev = Device(
            fleet.eps[i] * cycles**3,
            fleet.f_max[i] / cycles,
            fleet.N0[i] * s / fleet.g[i],
            fleet.P[i],
            fleet.D_loc[i],
            fleet.D_loc[i] + D_max,
            s,
            nu,
            w,
        )
        if split.t.size:
            t, u = split.t[i], split.u[i]
            v = _price_met(dev, u, s / (u * split.b[i]))
        elif dev.D_lo / dev.F + dev.h / dev.P < lim.T:
            t, u, v = _best_split(dev, lim)
        else:
            return math.inf, 0.0  # this device can take part in no plan
        least, _, terms = _tangent(dev, lim, t, u, v)
        size += terms
        # Neumaier's compensated sum.
        new = total + least
        carry += (total - new) + least if abs(total) >= abs(least) else (least - new) + total
        total = new
    return total + carry, size
