"""P1 of one fleet by Newton steps of devices and prices together; where they do not end in a plan, others take over."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._elementary import log
from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.fleet import Supply
from fimi_opt._kernels.lanes import (
    LEAST_SHARE,
    LOG_A,
    SIZE,
    TIME,
    UPLOAD,
    WIDTH,
    E,
    Given,
    H,
    Totals,
    approach,
    begin,
    demand,
    load,
    load_logarithms,
)
from fimi_opt._kernels.settling import Movable, answer, movable, settle

Floats = NDArray[np.float64]

# Usual are 4 evaluations; where 12 are not enough, kinks are in the way.
MOST_EVALUATIONS = 12
# The last changes leave their squares. That of the prices moves all devices; the balance is the worst device's.
CLOSE, DEVICE_CLOSE = 1e-6, 1e-5
# Prices move by no more than e^2 in one step.
_LONGEST = 2.0
# Balance at which a device's totals are worth a step of the prices.
_ROUGH = 0.3
# Devices are marked from the second evaluation on: the first is at prices and splits that mean little.
FIRST_MARKED = 1
# Scaling the free data amounts and bandwidths to the limits moves them by no more than this, or the plan is not taken.
MOST_SCALED = 1e-9
# A typical device's part of the deadline for its upload.
UPLOAD_SHARE = 0.3


class Aim(NamedTuple):
    """The next changes of ln nu, ln w, and whether they end the search."""

    d1: float
    d2: float
    close: bool


@kernel
def aim(totals: Totals, supply: Supply, log_nu: float, log_w: float, enough: bool) -> tuple[float, float, bool]:
    """Newton step for the logarithms of the prices, as :class:`Aim`; NaN where the totals have none."""
    r1, r2 = math.log(totals.e / supply.A), math.log(totals.b / supply.B)
    j22 = totals.b_2 / totals.b
    if enough:
        d1, d2 = 0.0, -r2 / j22
    else:
        j11, j12 = totals.e_1 / totals.e, totals.e_2 / totals.e
        j21 = math.exp(log_nu - log_w) * totals.e_2 / totals.b
        determinant = j11 * j22 - j12 * j21
        if not determinant > 0.0:
            return math.nan, math.nan, False
        d1 = (j12 * r2 - j22 * r1) / determinant
        d2 = (j21 * r1 - j11 * r2) / determinant
    longest = max(abs(d1), abs(d2))
    if longest > _LONGEST:
        return d1 * _LONGEST / longest, d2 * _LONGEST / longest, False
    return d1, d2, longest <= CLOSE and totals.off <= DEVICE_CLOSE


@kernel
def typical(table: Floats, count: int, shared: Shared, supply: Supply) -> tuple[float, float]:
    """Prices ln nu, ln w at which a typical device takes its share: the search's start."""
    log_a = log_h = 0.0
    for k in range(table.shape[0]):
        lanes = table[k]
        for j in range(min(WIDTH, count - k * WIDTH)):
            log_a += lanes[LOG_A + j]
            log_h += log(lanes[H + j])
    beta, u = shared.beta, UPLOAD_SHARE * shared.T
    log_D = math.log(shared.alpha * count / supply.A) / beta
    log_t = math.log((1.0 - UPLOAD_SHARE) * shared.T)
    log_nu = math.log(3.0) - shared.log_ab + log_a / count + (beta + 3.0) * log_D - 2.0 * log_t
    v = min(shared.s * count / (supply.B * u), 30.0)
    G = math.exp(v) * (v - 1.0) + 1.0 if v > 0.01 else 0.5 * v * v
    log_w = math.log(u / shared.s * G) + log_h / count
    return min(max(log_nu, -500.0), 500.0), min(max(log_w, -500.0), 500.0)


@kernel
def search(
    table: Floats, count: int, shared: Shared, supply: Supply, log_nu: float, log_w: float, enough: bool
) -> tuple[bool, float, float, Aim, int, int]:
    """Step devices and prices until both are close; the last change is left to take."""
    d1 = d2 = 0.0
    steps = 0
    for evaluation in range(MOST_EVALUATIONS):
        e = b = e_1 = e_2 = b_2 = off = 0.0
        w = math.exp(log_w)
        for k in range(table.shape[0]):
            n = min(WIDTH, count - k * WIDTH)
            part, taken = approach(table[k], n, shared, log_nu, w, d1, d2, evaluation >= FIRST_MARKED, _ROUGH)
            steps += n * taken
            e, b, e_1, e_2, b_2 = e + part.e, b + part.b, e_1 + part.e_1, e_2 + part.e_2, b_2 + part.b_2
            off = max(off, part.off)
        move = Aim(*aim(Totals(e, b, e_1, e_2, b_2, off), supply, log_nu, log_w, enough))
        if move.close:
            return True, log_nu, log_w, move, evaluation + 1, steps
        if not (abs(log_nu) < 1e3 or enough) or not abs(move.d1) + abs(move.d2) < 1e3:
            break
        d1, d2 = move.d1, move.d2
        log_nu, log_w = log_nu + d1, log_w + d2
    return False, log_nu, log_w, Aim(0.0, 0.0, False), MOST_EVALUATIONS, steps


@kernel
def plan(
    given: Given,
    cycles: float,
    shared: Shared,
    supply: Supply,
    log_nu: float,
    log_w: float,
    times: Floats,
    rows: Floats,
    split: Floats,
) -> tuple[bool, float, float, float, int, int]:
    """Plan a fleet: fill rows D_gen, f, b, P and split t, u. Starts at the prices, where they are not NaN, and times.

    Returns whether there is a plan, ln nu, ln w, the value of time (J/s), evaluations and steps of devices. A plain
    tuple, and arrays to fill: named ones take numba longer to hand to Python than twenty devices to plan.
    """
    count = given.samples.size
    table = np.empty((-(-count // WIDTH), SIZE))
    local = longest = 0.0
    for k in range(table.shape[0]):
        n = min(WIDTH, count - k * WIDTH)
        load(table[k], given, k * WIDTH, n, cycles, shared.s)
        load_logarithms(table[k], n)
        local, longest = demand(table[k], n, shared, local, longest)
    if not longest < shared.T:
        return False, log_nu, log_w, 0.0, 0, 0
    enough = local <= supply.A
    usual_nu, usual_w = typical(table, count, shared, supply)
    log_nu = -math.inf if enough else (usual_nu if math.isnan(log_nu) else log_nu)
    log_w = usual_w if math.isnan(log_w) else log_w
    w = math.exp(log_w)
    for k in range(table.shape[0]):
        n = min(WIDTH, count - k * WIDTH)
        for j in range(n):
            u = UPLOAD_SHARE * shared.T
            if times.size:
                u = max(shared.T - times[k * WIDTH + j], LEAST_SHARE * shared.T)
            table[k, UPLOAD + j] = u
        begin(table[k], n, shared.s, w)
    good, log_nu, log_w, last, evaluations, steps = search(table, count, shared, supply, log_nu, log_w, enough)
    if not good:
        return False, log_nu, log_w, 0.0, evaluations, steps
    log_nu, log_w = log_nu + last.d1, log_w + last.d2
    value, good = write(table, count, cycles, shared, supply, log_nu, log_w, last, rows, split)
    return good, log_nu, log_w, value, evaluations, steps


@kernel
def scaling(total: Movable, shared: Shared, supply: Supply, enough: bool) -> tuple[float, float, bool]:
    """Relative changes of the free data amounts and bandwidths that close both limits, and whether they are small."""
    more_data = 0.0 if enough else (total.e - supply.A) / (shared.beta * total.free_e)
    more_band = (supply.B - total.b) / total.free_b
    return more_data, more_band, abs(more_data) <= MOST_SCALED and abs(more_band) <= MOST_SCALED


@kernel
def write(
    table: Floats,
    count: int,
    cycles: float,
    shared: Shared,
    supply: Supply,
    log_nu: float,
    log_w: float,
    last: Aim,
    rows: Floats,
    split: Floats,
) -> tuple[float, bool]:
    """Turn the devices' answers into a plan that keeps both limits to rounding."""
    w = math.exp(log_w)
    e = free_e = b = free_b = value = 0.0
    for k in range(table.shape[0]):
        n = min(WIDTH, count - k * WIDTH)
        answer(table[k], n, shared, log_nu, w, last.d1, last.d2)
        part = movable(table[k], n, shared, w)
        e, free_e, b, free_b = e + part.e, free_e + part.free_e, b + part.b, free_b + part.free_b
        value += part.value
    more_data, more_band, good = scaling(Movable(e, free_e, b, free_b, value), shared, supply, log_nu == -math.inf)
    if good:
        for k in range(table.shape[0]):
            first, n = k * WIDTH, min(WIDTH, count - k * WIDTH)
            settle(table[k], n, shared, cycles, more_data, more_band)
            store(table[k], n, rows[:, first : first + n], split[:, first : first + n])
    return value, good


@kernel
def store(lanes: Floats, n: int, rows: Floats, split: Floats) -> None:
    """Copy a settled plan out of its lanes."""
    for row in range(4):
        for j in range(n):
            rows[row, j] = lanes[E + row * WIDTH + j]
    for j in range(n):
        split[0, j], split[1, j] = lanes[TIME + j], lanes[UPLOAD + j]
