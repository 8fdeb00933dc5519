"""A fleet's totals at given prices, and the plan that follows from a time split: loops over devices, in order."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Device, Shared, respond
from fimi_opt._kernels.search import Sums

Floats = NDArray[np.float64]

# D_max below this part of D_loc changes nothing that is measurable, and makes two bounds of one: it counts as none.
LEAST_SYNTHETIC = 1e-12
# ln(0.7 / 0.3): on the paper's scenario the optimum computes for about 70 % of the deadline.
FIRST_SPLIT = 0.85


class Fleet(NamedTuple):
    """The devices' constants as the inner problem needs them, each (I,); see :mod:`fimi_opt._kernels.device`."""

    a: Floats
    F: Floats
    h: Floats
    P: Floats
    D_lo: Floats
    D_hi: Floats
    log_a: Floats
    log_F: Floats
    log_D_lo: Floats
    log_D_hi: Floats


class Supply(NamedTuple):
    """The two limits that couple the devices: the sum A of alpha D^-beta and the band B (Hz)."""

    A: float
    B: float


class Price(NamedTuple):
    """The prices' logarithms, and by how much they differ from those of the evaluation before."""

    log_nu: float
    log_w: float
    d1: float
    d2: float


class Answer(NamedTuple):
    """The devices' answers, each (I,): x = ln(t/y), t, y, D, b with u = h / P + y.

    x and its derivatives by the logarithms of the prices carry the start of the next evaluation.
    """

    x: Floats
    t: Floats
    y: Floats
    D: Floats
    b: Floats
    x_p1: Floats
    x_p2: Floats


@kernel
def empty_answer(count: int) -> Answer:
    """Room for the answers of so many devices, none of which has been asked yet."""
    table = np.zeros((7, count))
    return Answer(table[0], table[1], table[2], table[3], table[4], table[5], table[6])


@kernel
def write_over(copy: Answer, answer: Answer) -> None:
    """Make the one a copy of the other."""
    # A loop: of an array's assignment numba compiles the message for shapes that do not fit as well.
    for i in range(answer.x.size):
        copy.x[i], copy.t[i], copy.y[i] = answer.x[i], answer.t[i], answer.y[i]
        copy.D[i], copy.b[i] = answer.D[i], answer.b[i]
        copy.x_p1[i], copy.x_p2[i] = answer.x_p1[i], answer.x_p2[i]


@kernel
def fill_fleet(
    table: Floats,
    first: int,
    stop: int,
    cycles: float,
    s: float,
    coefficient: Floats,
    frequency: Floats,
    noise: Floats,
    gain: Floats,
    power: Floats,
    samples: Floats,
    most_synthetic: Floats,
) -> None:
    """Fill a block of the fleet's rows from the devices' own quantities; cycles = tau omega, s = S ln 2."""
    cube = cycles * cycles * cycles
    for i in range(first, stop):
        table[0, i] = coefficient[i] * cube
        table[1, i] = frequency[i] / cycles
        table[2, i] = noise[i] * s / gain[i]
        table[3, i] = power[i]
        table[4, i] = samples[i]
        most = most_synthetic[i if most_synthetic.size > 1 else 0]
        table[5, i] = samples[i] + (most if most > LEAST_SYNTHETIC * samples[i] else 0.0)
        table[6, i] = math.log(table[0, i])
        table[7, i] = math.log(table[1, i])
        table[8, i] = math.log(table[4, i])
        table[9, i] = math.log(table[5, i])


@kernel
def device_of(fleet: Fleet, i: int) -> Device:
    """Return the constants of one device."""
    return Device(
        fleet.a[i],
        fleet.F[i],
        fleet.h[i],
        fleet.P[i],
        fleet.D_lo[i],
        fleet.D_hi[i],
        fleet.log_a[i],
        fleet.log_F[i],
        fleet.log_D_lo[i],
        fleet.log_D_hi[i],
    )


@kernel
def evaluate(
    fleet: Fleet, shared: Shared, price: Price, answer: Answer, first: int, stop: int
) -> tuple[float, float, float, float, float, int]:
    """Sums over devices first..stop-1 of e, b, de/dnu, de/dw, db/dw and of the steps taken; fills `answer`."""
    w = math.exp(price.log_w)
    e = b = e_nu = e_w = b_w = 0.0
    steps = 0
    for i in range(first, stop):
        x = answer.x[i] + answer.x_p1[i] * price.d1 + answer.x_p2[i] * price.d2
        response, taken = respond(device_of(fleet, i), shared, price.log_nu, w, x)
        answer.x[i], answer.t[i], answer.y[i] = response.x, response.t, response.y
        answer.D[i], answer.b[i] = response.D, response.b
        answer.x_p1[i], answer.x_p2[i] = response.x_p1, response.x_p2
        e += response.e
        b += response.b
        e_nu += response.e_nu
        e_w += response.e_w
        b_w += response.b_w
        steps += taken
    return e, b, e_nu, e_w, b_w, steps


@kernel
def residuals(
    e: float, b: float, e_nu: float, e_w: float, b_w: float, supply: Supply, log_nu: float, log_w: float
) -> Sums:
    """Residuals of the two limits in logarithms, and their derivatives by the logarithms of the prices."""
    nu, w = math.exp(log_nu), math.exp(log_w)
    return Sums(math.log(e / supply.A), math.log(b / supply.B), nu * e_nu / e, w * e_w / e, nu * e_w / b, w * b_w / b)


@kernel
def first_prices(fleet: Fleet, shared: Shared, supply: Supply) -> tuple[float, float]:
    """Prices (ln nu, ln w) at which a typical device would take its share: the search's start."""
    n = fleet.a.size
    log_a = log_h = 0.0
    for i in range(n):
        log_a += fleet.log_a[i]
        log_h += math.log(fleet.h[i])
    log_D = (math.log(shared.alpha) - math.log(supply.A / n)) / shared.beta
    log_t = math.log(0.7 * shared.T)
    beta = shared.beta
    log_nu = math.log(3.0) - shared.log_ab + log_a / n + (beta + 3.0) * log_D - 2.0 * log_t
    u = 0.3 * shared.T
    v = shared.s * n / (supply.B * u)
    G = math.exp(min(v, 30.0)) * (v - 1.0) + 1.0 if v > 0.01 else 0.5 * v * v
    log_w = math.log(u / shared.s * G) + log_h / n
    return min(max(log_nu, -500.0), 500.0), min(max(log_w, -500.0), 500.0)
