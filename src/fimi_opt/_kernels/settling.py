"""From the devices' last steps to a plan: their answers, and the last digits that close both limits.

Lanes and letters as in :mod:`fimi_opt._kernels.lanes`.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._elementary import exp, growth, log
from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Shared, respond
from fimi_opt._kernels.lanes import (
    B_2,
    BAND,
    BY_NU,
    BY_W,
    DATA,
    E_1,
    E_2,
    HI,
    LO,
    LOG_A,
    MARKED,
    STEP,
    TIME,
    UPLOAD,
    B,
    E,
    F,
    H,
    P,
    V,
    device_at,
)

Floats = NDArray[np.float64]

# A device within this part of a bound is held by it: scaling the others leaves it alone.
HELD = 1e-9


class Movable(NamedTuple):
    """Sums over devices of e, e of those whose data no bound holds, b, b of those that no power holds; value of time.

    The last is what one more second of the deadline saves (J/s): the sum of the upload sides' marginal values of time.
    """

    e: float
    free_e: float
    b: float
    free_b: float
    value: float


@kernel
def answer(lanes: Floats, n: int, shared: Shared, log_nu: float, w: float, d1: float, d2: float) -> None:
    """Fill rows t, u, D, b from the devices' last change, at prices that are e^d1 and e^d2 times the last ones."""
    s, T, beta = shared.s, shared.T, shared.beta
    ws = w * s
    part = 1.0 / (beta + 3.0)
    base = (log_nu + shared.log_ab - math.log(3.0)) * part
    for j in range(n):
        change = lanes[STEP + j] + lanes[BY_NU + j] * d1 + lanes[BY_W + j] * d2
        v = lanes[V + j] * (1.0 + change + 0.5 * change * change)
        u = ws / (lanes[H + j] * growth(v)[2])
        t = T - u
        wanted = base + part * (2.0 * log(t) - lanes[LOG_A + j])
        lanes[TIME + j], lanes[UPLOAD + j], lanes[BAND + j] = t, u, s / (u * v)
        lanes[DATA + j] = min(max(exp(wanted), lanes[LO + j]), lanes[HI + j])
    for j in range(n):
        if lanes[MARKED + j] > 0.0:
            x = lanes[V + j] + lanes[BY_NU + j] * d1 + lanes[BY_W + j] * d2
            response, _ = respond(device_at(lanes, j), shared, log_nu, w, x)
            lanes[TIME + j], lanes[UPLOAD + j] = response.t, lanes[H + j] / lanes[P + j] + response.y
            lanes[DATA + j], lanes[BAND + j] = response.D, response.b


@kernel
def movable(lanes: Floats, n: int, shared: Shared, w: float) -> Movable:
    """Totals of the answer, and of what no bound holds, which can be scaled to the limits."""
    s, beta, alpha = shared.s, shared.beta, shared.alpha
    for j in range(n):
        h, u, b, D = lanes[H + j], lanes[UPLOAD + j], lanes[BAND + j], lanes[DATA + j]
        v = s / (b * u)
        _, less_one, G = growth(v)
        e = alpha * exp(-beta * log(D))
        cap = min(lanes[HI + j], lanes[F + j] * lanes[TIME + j])
        moves = (lanes[LO + j] * (1.0 + HELD) < D) & (cap * (1.0 - HELD) > D)
        sent = h * less_one < v * lanes[P + j] * u * (1.0 - HELD)
        slope = h * G / (u * v)
        excess = w * s / (h * u * G) - 1.0
        lanes[E + j] = e
        lanes[E_1 + j] = e if moves else 0.0
        lanes[E_2 + j] = b if sent else 0.0
        lanes[B_2 + j] = slope if sent else slope + max(excess, 0.0) * (slope + lanes[P + j])
    e = free_e = b = free_b = value = 0.0
    for j in range(n):
        e += lanes[E + j]
        free_e += lanes[E_1 + j]
        b += lanes[BAND + j]
        free_b += lanes[E_2 + j]
        value += lanes[B_2 + j]
    return Movable(e, free_e, b, free_b, value)


@kernel
def settle(lanes: Floats, n: int, shared: Shared, cycles: float, more_data: float, more_band: float) -> None:
    """Scale what no bound holds, and turn rows t, u, D, b into D_gen, f (Hz), b (Hz), P (W); t and u stay."""
    s = shared.s
    for j in range(n):
        t, u, D, b, h = lanes[TIME + j], lanes[UPLOAD + j], lanes[DATA + j], lanes[BAND + j], lanes[H + j]
        cap = min(lanes[HI + j], lanes[F + j] * t)
        moves = (lanes[LO + j] * (1.0 + HELD) < D) & (cap * (1.0 - HELD) > D)
        D = min(max(D * (1.0 + more_data), lanes[LO + j]), cap) if moves else D
        v = s / (b * u)
        sent = h * growth(v)[1] < v * lanes[P + j] * u * (1.0 - HELD)
        b = b * (1.0 + more_band) if sent else b
        v = s / (b * u)
        lanes[E + j] = max(D - lanes[LO + j], 0.0)
        lanes[B + j] = min(D / t, lanes[F + j]) * cycles
        lanes[E_1 + j] = b
        lanes[E_2 + j] = min(h * growth(v)[1] / (v * u), lanes[P + j])
