"""The dual function to forty digits: what any plan takes at least, at given prices, where rounding leaves no digit.

Letters as in the library's mathematics. For prices nu and w each device minimises over its compute time, in
x = ln(t / y) with y the upload time beyond the least; data amount and bandwidth are closed form for it.
"""

from typing import Any

import mpmath
import numpy as np
from fleets import Problem

from .proofs import mean_limit

DIGITS = 40
# A golden section of x = ln(t / y), 140 wide, down to 1e-29.
_ENDS, _SECTIONS = 70, 155
_GOLDEN = (5**0.5 - 1) / 2


def exact_dual(problem: Problem, error_price: float, bandwidth_price: float) -> float:
    """Energy in joules that no plan goes below; inf where a device can take part in no plan."""
    d, limits, task = problem
    count = len(d)
    with mpmath.workdps(DIGITS):
        nu, w = mpmath.mpf(error_price) / count, mpmath.mpf(bandwidth_price)
        most = np.broadcast_to(limits.max_synthetic, count)
        total = mpmath.mpf(0)
        for i in range(count):
            least = _least(problem, i, float(most[i]), nu, w)
            if least is None:
                return float("inf")
            total += least
        mean = mpmath.mpf(mean_limit(problem) + task.learning.gamma)
        return float(total - nu * count * mean - w * mpmath.mpf(limits.bandwidth))


def _least(problem: Problem, i: int, most: float, nu: Any, w: Any) -> Any:
    """One device's least value of the Lagrangian; None where it has no time."""
    d, limits, task = problem
    number, curve = mpmath.mpf, task.learning
    cycles = number(task.local_epochs) * number(task.cycles_per_sample)
    s = number(task.update_bits) * mpmath.log(2)
    a = number(float(d.energy_coefficient[i])) * cycles**3
    F = number(float(d.max_frequency[i])) / cycles
    h = number(float(d.noise_density[i])) * s / number(float(d.channel_gain[i]))
    P, D_lo = number(float(d.max_power[i])), number(float(d.local_samples[i]))
    D_hi, T = D_lo + number(most), number(limits.max_latency)
    alpha, beta = number(curve.alpha), number(curve.beta)
    room = T - h / P
    t_lo = D_lo / F
    if room <= t_lo:
        return None

    def value(x: Any) -> Any:
        t, y = room / (1 + mpmath.exp(-x)), room / (1 + mpmath.exp(x))
        u = h / P + y
        want = (nu * alpha * beta * t * t / (3 * a)) ** (1 / (beta + 3)) if nu > 0 else D_lo
        D = min(max(want, D_lo), max(min(D_hi, F * t), D_lo))
        k = h / (P * u)
        v = -k - mpmath.lambertw(-k * mpmath.exp(-k), -1).real if k < 1 else number(0)
        if w > 0:
            v = min(v, 1 + mpmath.lambertw((w * s / (h * u) - 1) / mpmath.e).real)
        return a * D**3 / t**2 + nu * alpha * D**-beta + h * mpmath.expm1(v) / v + w * s / (u * v)

    low, high = mpmath.log(t_lo / (room - t_lo)), number(_ENDS)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(_SECTIONS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
    return min(at_left, at_right, value(low))
