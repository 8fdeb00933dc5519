"""Blocks of a large fleet: where its devices start, their steps, and how they become a plan; one pass each."""

import numpy as np
from numpy.typing import NDArray

from fimi_opt._elementary import exp, log
from fimi_opt._jit import inlined, kernel
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.lanes import (
    BAND,
    BY_NU,
    BY_W,
    DATA,
    LEAST_SHARE,
    LOG_A,
    LOG_LO,
    MARKED,
    SIZE,
    STEP,
    TIME,
    UPLOAD,
    WIDTH,
    E,
    Given,
    H,
    V,
    approach,
    begin,
    demand,
    load,
    load_logarithms,
)
from fimi_opt._kernels.settling import answer, movable, settle

Floats = NDArray[np.float64]

# Monomials of (ln a, ln h, ln D_lo) up to the third degree: a fleet's efficiencies to 2 % at worst, 0.2 % on average.
TERMS = 20
# Balance that a pass over the fleet leaves at worst: a further step of some lanes costs less than a further pass.
_ROUGH = 1e-2


@inlined
def _monomials(a: float, h: float, d: float, weights: Floats) -> float:
    """Value of the fit at one device, Horner's way."""
    k = weights
    by_d = k[3] + h * (k[4] + h * k[5] + d * k[6]) + d * (k[7] + d * k[8])
    by_h = k[1] + h * (k[2] + h * k[9])
    by_a = k[10] + a * (k[11] + a * k[12]) + h * (k[13] + h * k[14] + a * k[15] + d * k[16]) + d * (k[17] + d * k[18])
    return float(k[0] + h * by_h + d * by_d + a * (by_a + a * d * k[19]))


@kernel
def _terms(a: float, h: float, d: float, values: Floats) -> None:
    """Fill the monomials of one device, in the order of the weights."""
    values[0], values[1], values[2], values[3], values[4] = 1.0, h, h * h, d, d * h
    values[5], values[6], values[7], values[8], values[9] = d * h * h, d * d * h, d * d, d * d * d, h * h * h
    values[10], values[11], values[12], values[13], values[14] = a, a * a, a * a * a, a * h, a * h * h
    values[15], values[16], values[17], values[18], values[19] = a * a * h, a * d * h, a * d, a * d * d, a * a * d


@kernel
def fitted(given: Given, cycles: float, shared: Shared, rows: Floats, split: Floats) -> Floats:
    """What a fit of starts is made from, rows: features ln a, ln h, ln D_lo of each device, and the plan's ln v."""
    count = given.samples.size
    known = np.empty((4, count))
    lanes = np.empty(SIZE)
    for i in range(0, count, WIDTH):
        n = min(WIDTH, count - i)
        load(lanes, given, i, n, cycles, shared.s)
        load_logarithms(lanes, n)
        for j in range(n):
            known[0, i + j], known[1, i + j] = lanes[LOG_A + j], log(lanes[H + j])
            known[2, i + j] = lanes[LOG_LO + j]
            known[3, i + j] = log(shared.s / (rows[2, i + j] * split[1, i + j]))
    return known


@kernel
def normal_equations(features: Floats, log_v: Floats) -> Floats:
    """Matrix of the least-squares fit of ln v to the features ln a, ln h, ln D_lo; last column: right-hand side."""
    equations = np.zeros((TERMS, TERMS + 1))
    values = np.empty(TERMS)
    for i in range(log_v.size):
        _terms(features[0, i], features[1, i], features[2, i], values)
        for k in range(TERMS):
            equations[k, TERMS] += values[k] * log_v[i]
            for m in range(TERMS):
                equations[k, m] += values[k] * values[m]
    return equations


@kernel
def _begin_fitted(lanes: Floats, n: int, weights: Floats, centre: Floats, scale: Floats) -> None:
    """Start every device at its fitted efficiency."""
    for j in range(n):
        a = (lanes[LOG_A + j] - centre[0]) * scale[0]
        h = (log(lanes[H + j]) - centre[1]) * scale[1]
        d = (lanes[LOG_LO + j] - centre[2]) * scale[2]
        lanes[V + j] = exp(_monomials(a, h, d, weights))
        lanes[STEP + j] = lanes[BY_NU + j] = lanes[BY_W + j] = lanes[MARKED + j] = 0.0


@kernel
def _start(lanes: Floats, first: int, n: int, shared: Shared, w: float, times: Floats, fit: Floats) -> None:
    """Start devices from compute times or, where there are none, from a fit: rows weights, centre and scale."""
    if times.size:
        for j in range(n):
            lanes[UPLOAD + j] = max(shared.T - times[first + j], LEAST_SHARE * shared.T)
        begin(lanes, n, shared.s, w)
    else:
        _begin_fitted(lanes, n, fit[0], fit[1], fit[2])


@kernel
def _enter(lanes: Floats, rows: Floats, split: Floats, first: int, n: int) -> None:
    """Bring in the state: V, STEP, BY_NU, BY_W in `rows`, MARKED in `split`, where the plan will be."""
    for k in range(4):
        row = rows[k, first : first + n]
        for j in range(n):
            lanes[V + k * WIDTH + j] = row[j]
    marked = split[0, first : first + n]
    for j in range(n):
        lanes[MARKED + j] = marked[j]


@kernel
def _leave(lanes: Floats, rows: Floats, split: Floats, first: int, n: int) -> None:
    """Put the state back to where `_enter` finds it."""
    for k in range(4):
        row = rows[k, first : first + n]
        for j in range(n):
            row[j] = lanes[V + k * WIDTH + j]
    marked = split[0, first : first + n]
    for j in range(n):
        marked[j] = lanes[MARKED + j]


@kernel
def sweep(
    given: Given,
    rows: Floats,
    split: Floats,
    times: Floats,
    fit: Floats,
    cycles: float,
    shared: Shared,
    log_nu: float,
    w: float,
    d1: float,
    d2: float,
    fresh: bool,
    first: int,
    stop: int,
) -> tuple[float, float, float, float, float, float, int, float, float]:
    """Step every device of a block, lanes that are far off more than once; a fresh one is started first.

    Returns the totals, the worst balance, the steps, and of a fresh one its `demand`.
    """
    lanes = np.empty(SIZE)
    e = b = e_1 = e_2 = b_2 = off = local = longest = 0.0
    steps = 0
    for i in range(first, stop, WIDTH):
        n = min(WIDTH, stop - i)
        load(lanes, given, i, n, cycles, shared.s)
        load_logarithms(lanes, n)
        if fresh:
            local, longest = demand(lanes, n, shared, local, longest)
            _start(lanes, i, n, shared, w, times, fit)
        else:
            _enter(lanes, rows, split, i, n)
        part, taken = approach(lanes, n, shared, log_nu, w, d1, d2, not fresh, _ROUGH)
        steps += n * taken
        _leave(lanes, rows, split, i, n)
        e, b, e_1, e_2, b_2 = e + part.e, b + part.b, e_1 + part.e_1, e_2 + part.e_2, b_2 + part.b_2
        off = max(off, part.off)
    return e, b, e_1, e_2, b_2, off, steps, local, longest


@kernel
def answers(
    given: Given,
    rows: Floats,
    split: Floats,
    cycles: float,
    shared: Shared,
    log_nu: float,
    w: float,
    d1: float,
    d2: float,
    first: int,
    stop: int,
) -> tuple[float, float, float, float, float]:
    """Take the last change: fill a block of D and b (rows 0 and 2), t and u (split); return what can be moved."""
    lanes = np.empty(SIZE)
    e = free_e = b = free_b = value = 0.0
    for i in range(first, stop, WIDTH):
        n = min(WIDTH, stop - i)
        load(lanes, given, i, n, cycles, shared.s)
        load_logarithms(lanes, n)
        _enter(lanes, rows, split, i, n)
        answer(lanes, n, shared, log_nu, w, d1, d2)
        part = movable(lanes, n, shared, w)
        for j in range(n):
            split[0, i + j], split[1, i + j] = lanes[TIME + j], lanes[UPLOAD + j]
            rows[0, i + j], rows[2, i + j] = lanes[DATA + j], lanes[BAND + j]
        e, free_e, b, free_b = e + part.e, free_e + part.free_e, b + part.b, free_b + part.free_b
        value += part.value
    return e, free_e, b, free_b, value


@kernel
def settled(
    given: Given,
    rows: Floats,
    split: Floats,
    cycles: float,
    shared: Shared,
    more_data: float,
    more_band: float,
    first: int,
    stop: int,
) -> None:
    """Scale what no bound holds and fill a block's decision: D_gen, f (Hz), b (Hz), P (W)."""
    lanes = np.empty(SIZE)
    for i in range(first, stop, WIDTH):
        n = min(WIDTH, stop - i)
        load(lanes, given, i, n, cycles, shared.s)
        for j in range(n):
            lanes[TIME + j], lanes[UPLOAD + j] = split[0, i + j], split[1, i + j]
            lanes[DATA + j], lanes[BAND + j] = rows[0, i + j], rows[2, i + j]
        settle(lanes, n, shared, cycles, more_data, more_band)
        for k in range(4):
            for j in range(n):
                rows[k, i + j] = lanes[E + k * WIDTH + j]
