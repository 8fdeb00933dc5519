"""The bound once more, in the machine's extended precision, for limits whose price makes roundings count.

Near infeasibility one part of a limit is worth millions of times the energy, and the roundings that
:mod:`fimi_opt.certificate.bound` takes off its own result leave the gap open. `numpy.longdouble` has 11 bits more on
x86, and more still elsewhere; where it is no more than a double, the bound is as good as the other one. NumPy arrays
instead of kernels: numba knows no such type.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.certificate.planes import Split
from fimi_opt.models import mean_error_limit
from fimi_opt.types import Constraints, Devices, Task, most_synthetic

if TYPE_CHECKING:
    from fimi_opt.plan import Prices

Wide = NDArray[np.longdouble]

_EPS = np.finfo(np.longdouble).eps
# As in the other bound, and as many again for logarithms and powers of NumPy's, which promise no more.
_ROUNDINGS = 64 * _EPS
_CORNER = 1e-12
_SERIES_BELOW = 1.0
_SERIES_TERMS = 24
# The price of error is tried over so many decades either way, and then by ever smaller factors while the bound gains.
_DECADES = 25
_FACTORS = (2.0, 1.1, 1.01)
_MOST_TRIES = 10


class Tightened(NamedTuple):
    """A lower bound (J), and the prices of error, per unit of the mean, and of bandwidth that give it."""

    bound: float
    error_price: float
    bandwidth_price: float


def tightened(
    devices: Devices, constraints: Constraints, task: Task, prices: Prices, split: Split, energy: float
) -> Tightened:
    """Bound in extended precision, at the prices that make it largest or, at the least, reach the energy.

    Where the limit on the error leaves no room, every price above some value is a multiplier, and what roundings are
    worth grows with it: the best one is the least. Where the deadline leaves none, so it is with both prices. The bound
    at a split that is kept is not concave in the prices, as the dual function is; so whole decades are tried first.
    """
    bound = ExtendedBound(devices, constraints, task, split)
    best = _at(bound, prices.error, prices.bandwidth)
    for decade in (*range(-1, -_DECADES, -1), *range(1, _DECADES)):
        if best.bound >= energy:  # limits that leave no room at all have no largest bound
            return best
        scale = 10.0**decade
        best = max(best, _at(bound, prices.error * scale, prices.bandwidth))
        best = max(best, _at(bound, prices.error * scale, prices.bandwidth * scale))
    for factor in _FACTORS:
        for change in (1.0 / factor, factor):
            for _ in range(_MOST_TRIES):
                found = _at(bound, best.error_price * change, best.bandwidth_price)
                if best.bound >= energy or not found.bound > best.bound:
                    break
                best = found
    return best


def _at(bound: ExtendedBound, error_price: float, bandwidth_price: float) -> Tightened:
    return Tightened(bound.at(error_price, bandwidth_price), error_price, bandwidth_price)


class ExtendedBound:
    """Lagrange's bound for one instance and split, at any prices."""

    def __init__(self, devices: Devices, constraints: Constraints, task: Task, split: Split) -> None:
        wide, curve, count = np.longdouble, task.learning, len(devices)
        cycles = wide(task.local_epochs) * wide(task.cycles_per_sample)
        self.s = wide(task.update_bits) * np.log(wide(2))
        self.alpha, self.beta = wide(curve.alpha), wide(curve.beta)
        self.a = devices.energy_coefficient.astype(wide) * cycles**3
        self.F = devices.max_frequency.astype(wide) / cycles
        self.h = devices.noise_density.astype(wide) * self.s / devices.channel_gain.astype(wide)
        self.P = devices.max_power.astype(wide)
        self.D_lo = devices.local_samples.astype(wide)
        self.D_hi = self.D_lo + most_synthetic(constraints, count).astype(wide)
        self.T, self.B, self.count = wide(constraints.max_latency), wide(constraints.bandwidth), count
        # The limit is the number that its formula gives in double precision: what plans are held to.
        limit = mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
        self.A = count * wide(limit)
        self.t, self.u = split.t.astype(wide), split.u.astype(wide)
        self.v = self.s / (self.u * split.b.astype(wide))

    def at(self, error_price: float, bandwidth_price: float) -> float:
        """Energy in joules that no plan goes below, at these prices of the mean error and of the band."""
        nu, w = np.longdouble(error_price) / self.count, np.longdouble(bandwidth_price)
        with np.errstate(all="ignore"):
            radio, slope_u, radio_size = self._radio(w)
            rest, rest_size = self._data(nu, slope_u)
            total = np.sum(radio + rest) - nu * self.A - w * self.B
            size = np.sum(radio_size + rest_size) + nu * self.A + w * self.B
            # NumPy adds in pairs: a sum of n terms has log2(n) roundings, 20 for a million.
            bound = float(total - _ROUNDINGS * size)
        return math.nextafter(bound, -math.inf)  # rounding to a double must not lift it

    def _radio(self, w: np.longdouble) -> tuple[Wide, Wide, Wide]:
        """Tangent in b and u of the upload's energy: its least value over b, slope in u, and size of its terms."""
        u = self.u
        v = self._price_met(w)
        b, G = self.s / (u * v), _marginal(v)
        steep = self.h * u * G / self.s
        sent, full = self.h * np.expm1(v) / v, self.P * u
        slope_b = w - steep
        pi = np.maximum(slope_b, 0) / steep
        slack = slope_b * b <= pi * (full - sent)
        pi, slope_b = np.where(slack, 0, pi), np.where(slack, slope_b, 0)
        value = (1 + pi) * sent - pi * full + w * b
        value -= np.where(slope_b > 0, slope_b * b, slope_b * (b - self.B))
        size = (1 + pi) * sent + pi * full + 2 * w * b
        return value, -pi * self.P - (1 + pi) * steep * b / u, size

    def _price_met(self, w: np.longdouble) -> Wide:
        """One Newton step from the split's v towards the price, then a little below: so that the slope points at 0."""
        v = self.v
        better = v - (_marginal(v) - w * self.s / (self.h * self.u)) / (v * np.exp(v))
        held = self.h * np.expm1(v) >= self.P * self.u * v * (1 - _CORNER)
        good = ~held & (better > v / 2) & (better < 2 * v)
        return np.asarray(np.where(good, better, v) * (1 - 16 * _EPS), np.longdouble)

    def _data(self, nu: np.longdouble, slope_u: Wide) -> tuple[Wide, Wide]:
        """Tangent in D and t of the rest: its least value over both, and size of its terms."""
        t, u, beta = self.t, self.u, self.beta
        want = (nu * self.alpha * beta * t * t / (3 * self.a)) ** (1 / (beta + 3)) * (1 + 16 * _EPS)
        reach = self.F * t
        D = np.minimum(np.maximum(want, self.D_lo), np.maximum(np.minimum(self.D_hi, reach), self.D_lo))
        energy = self.a * D**3 / (t * t)
        error = nu * self.alpha * D**-beta
        cost, worth = 3 * energy / D, beta * error / D
        most = np.maximum(worth - cost, 0)
        # At the corner of both limits mu is free: the one that balances time.
        balanced = np.minimum(most, np.maximum(-slope_u - 2 * energy / t, 0) / self.F)
        mu = np.where(self.D_hi * (1 - _CORNER) <= D, balanced, most)
        mu = np.where(reach * (1 - _CORNER) <= D, mu, 0)
        slope_D = cost - worth + mu
        value = energy + error + mu * (D - reach)
        value -= np.where(slope_D > 0, slope_D * (D - self.D_lo), slope_D * (D - self.D_hi))
        size = energy + error * (1 + beta * np.abs(np.log(D))) + mu * (D + reach) + (cost + worth) * (D - self.D_lo)
        slope_t = -2 * energy / t - mu * self.F
        slope = slope_t - slope_u
        reach_t = np.where(slope > 0, t - self.D_lo / self.F, self.h / self.P - np.maximum(u, self.T - t))
        size += (-slope_t - slope_u) * np.abs(reach_t) - slope_u * self.T
        return value - slope * reach_t + slope_u * (self.T - t - u), size


def _marginal(v: Wide) -> Wide:
    """G(v) = e^v (v - 1) + 1, by its series where the closed form cancels."""
    series = np.ones_like(v)
    for n in range(_SERIES_TERMS, 1, -1):  # sum of v^n (n - 1) / n! over n >= 2, Horner's way
        series = np.asarray(1 + series * v * n / ((n - 1) * (n + 1)), np.longdouble)
    return np.asarray(np.where(v <= _SERIES_BELOW, series * v * v / 2, np.exp(v) * (v - 1) + 1), np.longdouble)
