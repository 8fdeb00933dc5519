"""Tangent planes below the Lagrangian, device by device, and what a decision costs.

Letters: a = eps (tau omega)^3, F = f_max / (tau omega), h = N0 s / g, s = S ln 2; t, u compute and upload time, D
training samples, b bandwidth, v = s / (b u), phi(v) = (e^v - 1) / v; nu and w the prices of error and of bandwidth.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._elementary import exp, growth, log
from fimi_opt._jit import inlined, kernel

Floats = NDArray[np.float64]

# How near D must be to D_hi and F t for the plane to treat them as a corner; any value is valid.
_CORNER = 1e-12
# Time beyond the least upload time is not resolved below e^-60 of the compute time.
_LOG_ENDS = 60.0
# A free band (w = 0) asks for v = 0 and an infinite bandwidth: this is as good and stays finite.
_LEAST_EFFICIENCY = 1e-100
# e^v overflows a little above; where a plane touches is free, so it need not touch there.
_MOST_EFFICIENCY = 690.0
_ROUNDING = 2.0**-52
# Halvings of a bracket in ln(t / y) or ln v that is at most 1,400 wide, to the last digit.
_HALVINGS = 64


class Split(NamedTuple):
    """Where the tangent planes touch: compute time `t` (s), upload time `u` (s), bandwidth `b` (Hz), each (I,)."""

    t: Floats
    u: Floats
    b: Floats


class Limits(NamedTuple):
    """The learning curve, and the limits."""

    alpha: float
    beta: float
    A: float
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


@inlined
def marginal(v: float, power: float) -> float:
    """G(v) = e^v (v - 1) + 1 = sum over n >= 2 of v^n (n - 1) / n!, summed where the closed form cancels; to 2 ulp."""
    # G / v^2 = sum over n of v^n / (n! (n + 2)), to v^17 (next term 8e-18 at v = 1).
    q = 1.0 / 6758061133824000.0  # 17! * 19
    q = q * v + 1.0 / 376610217984000.0  # 16! * 18
    q = q * v + 1.0 / 22230464256000.0  # 15! * 17
    q = q * v + 1.0 / 1394852659200.0  # 14! * 16
    q = q * v + 1.0 / 93405312000.0  # 13! * 15
    q = q * v + 1.0 / 6706022400.0  # 12! * 14
    q = q * v + 1.0 / 518918400.0  # 11! * 13
    q = q * v + 1.0 / 43545600.0  # 10! * 12
    q = q * v + 1.0 / 3991680.0  # 9! * 11
    q = q * v + 1.0 / 403200.0  # 8! * 10
    q = q * v + 1.0 / 45360.0  # 7! * 9
    q = q * v + 1.0 / 5760.0  # 6! * 8
    q = q * v + 1.0 / 840.0  # 5! * 7
    q = q * v + 1.0 / 144.0  # 4! * 6
    q = q * v + 1.0 / 30.0  # 3! * 5
    q = q * v + 1.0 / 8.0  # 2! * 4
    q = q * v + 1.0 / 3.0
    q = q * v + 0.5
    return v * v * q if v <= 1.0 else power * (v - 1.0) + 1.0


@inlined
def tangent(dev: Device, lim: Limits, t: float, u: float, v: float) -> tuple[float, float, float]:
    """Least value of the tangent plane at (t, u, v) over the device's box, its slope in t, and the terms' size.

    Without branches, so that a loop over devices becomes one of vector instructions.
    """
    alpha, beta, nu, w = lim.alpha, lim.beta, dev.nu, dev.w
    # Radio: where v is held down the power limit's multiplier pi takes up the slope in b, elsewhere the slope costs
    # at most itself times b (b is at least 0), or times B - b where v is too large.
    b = dev.s / (u * v)
    power, less_one, _ = growth(v)
    steep = dev.h * u * marginal(v, power) / dev.s
    sent, full = dev.h * less_one / v, dev.P * u
    slope_b = w - steep
    pi = max(slope_b, 0.0) / steep
    slack = slope_b * b <= pi * (full - sent)
    pi = 0.0 if slack else pi
    slope_b = slope_b if slack else 0.0
    value = (1.0 + pi) * sent - pi * full + w * b
    value -= slope_b * b if slope_b > 0.0 else slope_b * (b - lim.B)
    size = (1.0 + pi) * sent + pi * full + 2.0 * w * b
    slope_u = -pi * dev.P - (1.0 + pi) * steep * b / u
    # Data: the closed-form minimiser for this t, upwards by what rounding can have taken off it, so that the slope
    # left over points at D_lo.
    log_want = log(nu * alpha * beta * t * t / (3.0 * dev.a)) / (beta + 3.0)
    want = exp(log_want) * (1.0 + _ROUNDING * (4.0 + (1.0 + beta) * abs(log_want)))
    reach = dev.F * t
    D = min(max(want, dev.D_lo), max(min(dev.D_hi, reach), dev.D_lo))
    log_D = log(D)
    energy = dev.a * D * D * D / (t * t)
    error = nu * alpha * exp(-beta * log_D)
    cost, worth = 3.0 * energy / D, beta * error / D
    # At the corner of both limits mu is free: the one that balances time.
    balanced = max(-slope_u - 2.0 * energy / t, 0.0) / dev.F
    most = max(worth - cost, 0.0)
    mu = min(most, balanced) if dev.D_hi * (1.0 - _CORNER) <= D else most
    mu = mu if reach * (1.0 - _CORNER) <= D else 0.0
    slope_D = cost - worth + mu
    value += energy + error + mu * (D - reach)
    value -= slope_D * (D - dev.D_lo) if slope_D > 0.0 else slope_D * (D - dev.D_hi)
    size += energy + error + mu * (D + reach) + (cost + worth) * (D - dev.D_lo)
    size += error * beta * abs(log_D)  # D^-beta by way of the logarithm
    slope_t = -2.0 * energy / t - mu * dev.F
    # Time: t + u = T but for rounding, which the slope in u makes good.
    slope = slope_t - slope_u
    reach_t = t - dev.D_lo / dev.F if slope > 0.0 else dev.h / dev.P - max(u, lim.T - t)
    # The times are roundings of the deadline off where D_lo / F, h / P and T - t are formed.
    size += (-slope_t - slope_u) * abs(reach_t) - slope_u * lim.T
    return value - slope * reach_t + slope_u * (lim.T - t - u), slope, size


@inlined
def price_met(dev: Device, u: float, v: float) -> float:
    """One Newton step from v towards G(v) = w s / (h u), then a little below: so that the slope in b points at 0.

    Where the power limit holds v it is left where it is: the limit's multiplier meets the price there.
    """
    v = min(max(v, _LEAST_EFFICIENCY), _MOST_EFFICIENCY)
    power, less_one, G = growth(v)
    better = v - (G - dev.w * dev.s / (dev.h * u)) / (v * power)
    held = dev.h * less_one >= dev.P * u * v * (1.0 - _CORNER)
    better = v if held else better
    better = better if (better > 0.5 * v) & (better < 2.0 * v) else v
    return min(max(better * (1.0 - 16.0 * _ROUNDING), _LEAST_EFFICIENCY), _MOST_EFFICIENCY)


@kernel
def _best_efficiency(dev: Device, u: float) -> float:
    """Efficiency v for the price of bandwidth at upload time u, the power limit kept: by bisection in ln v."""
    y, k = dev.w * dev.s / (dev.h * u), dev.h / (dev.P * u)
    lo, hi = -700.0, 6.5
    for _ in range(_HALVINGS):
        middle = 0.5 * (lo + hi)
        v = math.exp(middle)
        if marginal(v, math.exp(v)) < y and math.expm1(v) * k < v:
            lo = middle
        else:
            hi = middle
    return max(math.exp(lo), _LEAST_EFFICIENCY)


@kernel
def best_split(dev: Device, lim: Limits) -> tuple[float, float, float]:
    """Return t, u and v of the device's best answer to the prices: by bisection in ln(t / y) on the tangent's slope."""
    t_lo, u_lo = dev.D_lo / dev.F, dev.h / dev.P
    room = lim.T - u_lo  # what t and y = u - u_lo share: in ln(t / y) either end is resolved
    lo, hi = math.log(t_lo / (room - t_lo)), _LOG_ENDS
    for _ in range(_HALVINGS):
        x = 0.5 * (lo + hi)
        u = u_lo + room / (1.0 + math.exp(x))
        t = room / (1.0 + math.exp(-x))
        _, slope, _ = tangent(dev, lim, t, u, _best_efficiency(dev, u))
        if slope > 0.0:
            hi = x
        else:
            lo = x
    u, t = u_lo + room / (1.0 + math.exp(lo)), room / (1.0 + math.exp(-lo))
    return t, u, _best_efficiency(dev, u)
