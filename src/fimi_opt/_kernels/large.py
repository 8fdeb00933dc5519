"""Blocks of a large fleet: where its devices start, and how their answers become a plan; one pass each."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.fleet import Answer, Fleet

Floats = NDArray[np.float64]

# Terms of the quadratic in (ln a, ln h, ln D_lo) that the starts are fitted with.
TERMS = 10
# A device within this part of a bound is held by it: scaling the others leaves it alone.
_HELD = 1e-9


@njit(cache=True, nogil=True, error_model="numpy")
def term(fleet: Fleet, i: int, values: Floats) -> None:
    """Fill `values` with the terms of one device."""
    a, h, d = fleet.log_a[i], math.log(fleet.h[i]), fleet.log_D_lo[i]
    values[0], values[1], values[2], values[3] = 1.0, a, h, d
    values[4], values[5], values[6] = a * a, h * h, d * d
    values[7], values[8], values[9] = a * h, a * d, h * d


@njit(cache=True, nogil=True, error_model="numpy")
def terms(fleet: Fleet) -> Floats:
    """Terms of every device, rows."""
    table = np.empty((fleet.a.size, TERMS))
    for i in range(fleet.a.size):
        term(fleet, i, table[i])
    return table


@njit(cache=True, nogil=True, error_model="numpy")
def fitted_starts(fleet: Fleet, weights: Floats, x: Floats, first: int, stop: int) -> None:
    """Fill the starts x = ln(t / y) of a block from the fit."""
    values = np.empty(TERMS)
    for i in range(first, stop):
        term(fleet, i, values)
        total = 0.0
        for k in range(TERMS):
            total += weights[k] * values[k]
        x[i] = total


@njit(cache=True, nogil=True, error_model="numpy")
def movable(
    fleet: Fleet, shared: Shared, answer: Answer, w: float, first: int, stop: int
) -> tuple[float, float, float, float, float]:
    """Sums over a block: errors, those of devices whose data no bound holds, bandwidths, those that no power holds.

    The fifth is the value of one second more of the deadline (J/s), as :func:`fimi_opt._kernels.joint.latency_price`.
    """
    errors = free_errors = bands = free_bands = value = 0.0
    for i in range(first, stop):
        D, b = answer.D[i], answer.b[i]
        e = shared.alpha * math.exp(-shared.beta * math.log(D))
        errors += e
        cap = min(fleet.D_hi[i], fleet.F[i] * answer.t[i])
        if fleet.D_lo[i] * (1.0 + _HELD) < D < cap * (1.0 - _HELD):
            free_errors += e
        u = fleet.h[i] / fleet.P[i] + answer.y[i]
        v = shared.s / (b * u)
        growth, marginal = exponentials(v)
        slope = fleet.h[i] * marginal / (u * v)
        bands += b
        value += slope
        if growth * fleet.h[i] < v * fleet.P[i] * u * (1.0 - _HELD):
            free_bands += b
        else:
            value += max(w * shared.s / (fleet.h[i] * u * marginal) - 1.0, 0.0) * (slope + fleet.P[i])
    return errors, free_errors, bands, free_bands, value


@njit(cache=True, nogil=True, error_model="numpy")
def settle(
    fleet: Fleet,
    shared: Shared,
    cycles: float,
    answer: Answer,
    more_data: float,
    more_band: float,
    rows: Floats,
    first: int,
    stop: int,
) -> None:
    """Scale the free data amounts and bandwidths of a block and fill its decision: D_gen, f (Hz), b (Hz), P (W)."""
    for i in range(first, stop):
        D, t = answer.D[i], answer.t[i]
        cap = min(fleet.D_hi[i], fleet.F[i] * t)
        if fleet.D_lo[i] * (1.0 + _HELD) < D < cap * (1.0 - _HELD):
            D = min(max(D * (1.0 + more_data), fleet.D_lo[i]), cap)
        u = fleet.h[i] / fleet.P[i] + answer.y[i]
        v = shared.s / (answer.b[i] * u)
        growth, _ = exponentials(v)
        if growth * fleet.h[i] < v * fleet.P[i] * u * (1.0 - _HELD):
            answer.b[i] *= 1.0 + more_band
            v = shared.s / (answer.b[i] * u)
            growth, _ = exponentials(v)
        rows[0, i] = max(D - fleet.D_lo[i], 0.0)
        rows[1, i] = min(D / t, fleet.F[i]) * cycles
        rows[2, i] = answer.b[i]
        rows[3, i] = min(fleet.h[i] * growth / (v * u), fleet.P[i])
