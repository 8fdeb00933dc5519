"""Many devices side by side: one Newton step of each towards its best answer to the prices, in vector instructions.

Letters as in :mod:`fimi_opt._kernels.device`. Neither power nor frequency is at its limit here; devices that reach one,
or compute for a tiny part of the deadline, are marked and answered by :func:`fimi_opt._kernels.device.respond`. Then
the efficiency v = s / (b u) gives the upload time without Lambert's W, u = w s / (h G(v)), and what is left is one
equation in v: time is worth as much to the upload as to computing.

A step does not finish a device. It leaves the device's next change of ln v, as far as the balance asks for it and as
the prices will, and totals to first order after that change: so devices and prices converge together, quadratically.

The devices lie in lanes of `WIDTH`, a quantity a row, in one flat array: that rows lie a constant apart is what lets
the compiler see that they do not overlap.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._elementary import exp, growth, log
from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Device, Shared, respond
from fimi_opt._kernels.fleet import LEAST_SYNTHETIC

Floats = NDArray[np.float64]

WIDTH = 128

# What is known of a device: ln a, h, F, P, D_lo, D_hi, ln D_lo, ln D_hi.
LOG_A, H, F, P, LO, HI, LOG_LO, LOG_HI = (row * WIDTH for row in range(8))
# Where it is: v, and the change of ln v that its balance, and one of ln nu and ln w, ask for. A device that is marked
# keeps x = ln(t / y) and its sensitivities there.
V, STEP, BY_NU, BY_W, MARKED = (row * WIDTH for row in range(8, 13))
# What it adds to the totals: e, b, their derivatives by ln nu, ln w, and how far its balance is from 0.
E, B, E_1, E_2, B_2, OFF = (row * WIDTH for row in range(13, 19))
# Its plan: t, u, D, b.
TIME, UPLOAD, DATA, BAND = (row * WIDTH for row in range(19, 23))
SIZE = 23 * WIDTH

# Compute times below this part of the deadline lose digits in T - u.
LEAST_SHARE = 1e-3
_LONGEST = 0.5
_MOST_STEPS = 5


class Given(NamedTuple):
    """The devices' own quantities as the user gave them, each (I,), and D_max, (I,) or (1,)."""

    coefficient: Floats
    frequency: Floats
    noise: Floats
    gain: Floats
    power: Floats
    samples: Floats
    most: Floats


class Totals(NamedTuple):
    """Sums over devices of e, b, de/dln nu, de/dln w, db/dln w; the worst balance."""

    e: float
    b: float
    e_1: float
    e_2: float
    b_2: float
    off: float


@kernel
def load(lanes: Floats, given: Given, first: int, n: int, cycles: float, s: float) -> None:
    """Fill the constants' rows for devices first..first+n-1; cycles = tau omega, s = S ln 2."""
    stop = first + n
    coefficient, frequency, noise = given.coefficient[first:stop], given.frequency[first:stop], given.noise[first:stop]
    gain, power, samples = given.gain[first:stop], given.power[first:stop], given.samples[first:stop]
    log_cube = 3.0 * math.log(cycles)
    for j in range(n):
        lanes[LOG_A + j] = log(coefficient[j]) + log_cube
    for j in range(n):
        lanes[H + j] = noise[j] * s / gain[j]
    for j in range(n):
        lanes[F + j] = frequency[j] / cycles
    for j in range(n):
        lanes[P + j] = power[j]
    for j in range(n):
        lanes[LO + j] = samples[j]
    if given.most.size == 1:
        for j in range(n):
            lanes[HI + j] = given.most[0]
    else:
        most = given.most[first:stop]
        for j in range(n):
            lanes[HI + j] = most[j]
    for j in range(n):
        lo, most_added = lanes[LO + j], lanes[HI + j]
        lanes[HI + j] = lo + (most_added if most_added > LEAST_SYNTHETIC * lo else 0.0)


@kernel
def load_logarithms(lanes: Floats, n: int) -> None:
    """Fill the logarithms of the bounds of D, which steps need and plans do not."""
    for j in range(n):
        lanes[LOG_LO + j] = log(lanes[LO + j])
        lanes[LOG_HI + j] = log(lanes[HI + j])


@kernel
def demand(lanes: Floats, n: int, shared: Shared, local: float, longest: float) -> tuple[float, float]:
    """Add alpha D_lo^-beta to `local`; the longest time that a device needs for its local data, at full power."""
    for j in range(n):
        lanes[E + j] = shared.alpha * exp(-shared.beta * lanes[LOG_LO + j])
        lanes[B + j] = lanes[LO + j] / lanes[F + j] + lanes[H + j] / lanes[P + j]
    for j in range(n):
        local += lanes[E + j]
        longest = max(longest, lanes[B + j])
    return local, longest


@kernel
def begin(lanes: Floats, n: int, s: float, w: float) -> None:
    """Start every device at the efficiency for the price w and its upload time in row u, to a few per cent."""
    for j in range(n):
        y = w * s / (lanes[H + j] * lanes[UPLOAD + j])
        # Right where y is small (v^2 = 2 y) and where it is large (v = ln y - ln v); one Newton step from between.
        v = log(1.0 + math.sqrt(2.0 * y) + y / (1.0 + log(1.0 + y)))
        power, _, G = growth(v)
        lanes[V + j] = min(max(v - (G - y) / (v * power), 0.5 * v), 2.0 * v)
        lanes[STEP + j] = lanes[BY_NU + j] = lanes[BY_W + j] = lanes[MARKED + j] = 0.0


@kernel
def step(lanes: Floats, n: int, shared: Shared, log_nu: float, w: float, d1: float, d2: float, mark: bool) -> Totals:
    """Take one step at the prices e^log_nu and w, which are e^d1 and e^d2 times the last ones."""
    s, T, beta = shared.s, shared.T, shared.beta
    ws = w * s
    part = 1.0 / (beta + 3.0)
    base = (log_nu + shared.log_ab - math.log(3.0)) * part
    twice, thrice, bend = 2.0 * part, 3.0 * part, 3.0 * (1.0 + beta) * part
    each, alpha = -beta * part, shared.alpha
    least = LEAST_SHARE * T
    for j in range(n):
        marked = lanes[MARKED + j]
        change = lanes[STEP + j] + lanes[BY_NU + j] * d1 + lanes[BY_W + j] * d2
        change = min(max(change, -_LONGEST), _LONGEST)
        old = lanes[V + j]
        v = old * (1.0 + change + 0.5 * change * change)
        power, less_one, G = growth(v)
        h = lanes[H + j]
        inverse_u = h * G / ws
        u = 1.0 / inverse_u
        t = max(T - u, least)
        inverse_t = 1.0 / t
        log_a = lanes[LOG_A + j]
        wanted = base - part * log_a + twice * log(t)
        log_D = min(max(wanted, lanes[LOG_LO + j]), lanes[LOG_HI + j])
        free = wanted == log_D
        energy = exp(log_a + 3.0 * log_D)
        e = alpha * exp(-beta * log_D)
        both = 1.0 / (v * power)
        theta = G * both / v
        pull = 2.0 * energy * inverse_t * inverse_t * inverse_t
        value = ws * power * both * inverse_u * inverse_u
        p = bend if free else 3.0
        stiff = (2.0 - theta) * t + p * u
        inverse = 1.0 / ((value + pull) * stiff)
        balance = 2.0 * (value - pull) * stiff * inverse
        tu = t * u * (value + pull) * inverse
        e_t = 2.0 * each * e * inverse_t if free else 0.0
        b = s * inverse_u * power * both
        b_t = b * (1.0 - theta) * inverse_u
        t_0 = -balance * tu
        t_1 = thrice * tu if free else 0.0
        t_2 = -(1.0 - theta) * tu
        turn = theta * inverse_u
        reached = (exp(log_D) > lanes[F + j] * t) | (h * less_one > lanes[P + j] * u * v) | (T - u <= least)
        lanes[V + j] = old if marked > 0.0 else v
        lanes[STEP + j] = 0.0 if marked > 0.0 else turn * t_0
        lanes[BY_NU + j] = lanes[BY_NU + j] if marked > 0.0 else turn * t_1
        lanes[BY_W + j] = lanes[BY_W + j] if marked > 0.0 else turn * t_2 + theta
        lanes[MARKED + j] = 2.0 if (marked == 0.0) & reached & mark else marked
        lanes[E + j] = e + e_t * t_0
        lanes[B + j] = b + b_t * t_0
        lanes[E_1 + j] = (each * e if free else 0.0) + e_t * t_1
        lanes[E_2 + j] = e_t * t_2
        lanes[B_2 + j] = b_t * t_2 - b * theta
        lanes[OFF + j] = abs(balance) if T - u > least else 1.0
    return _totals(lanes, n, shared, log_nu, w, d1, d2)


@kernel
def approach(
    lanes: Floats, n: int, shared: Shared, log_nu: float, w: float, d1: float, d2: float, mark: bool, rough: float
) -> tuple[Totals, int]:
    """Step until no balance is further off than `rough`, a few times at most; also return the number of steps.

    Totals are good to the square of the balances: of devices that are far off they mean little.
    """
    totals = step(lanes, n, shared, log_nu, w, d1, d2, mark)
    steps = 1
    while totals.off > rough and steps < _MOST_STEPS:
        totals = step(lanes, n, shared, log_nu, w, 0.0, 0.0, mark)
        steps += 1
    return totals, steps


@kernel
def _totals(lanes: Floats, n: int, shared: Shared, log_nu: float, w: float, d1: float, d2: float) -> Totals:
    """Answer the marked devices one by one, and add up."""
    nu = math.exp(log_nu)
    e = b = e_1 = e_2 = b_2 = off = 0.0
    for j in range(n):
        if lanes[MARKED + j] > 0.0:
            if lanes[MARKED + j] > 1.0:
                lanes[MARKED + j] = 1.0
                lanes[V + j] = _split_at(lanes, j, shared, w)
            x = lanes[V + j] + lanes[BY_NU + j] * d1 + lanes[BY_W + j] * d2
            response, _ = respond(device_at(lanes, j), shared, log_nu, w, x)
            lanes[V + j], lanes[BY_NU + j], lanes[BY_W + j] = response.x, response.x_p1, response.x_p2
            lanes[E + j], lanes[B + j], lanes[OFF + j] = response.e, response.b, 0.0
            lanes[E_1 + j], lanes[E_2 + j], lanes[B_2 + j] = nu * response.e_nu, w * response.e_w, w * response.b_w
        e += lanes[E + j]
        b += lanes[B + j]
        e_1 += lanes[E_1 + j]
        e_2 += lanes[E_2 + j]
        b_2 += lanes[B_2 + j]
        off = max(off, lanes[OFF + j])
    return Totals(e, b, e_1, e_2, b_2, off)


@kernel
def _split_at(lanes: Floats, j: int, shared: Shared, w: float) -> float:
    """Split x = ln(t / y) of a device that has just been marked."""
    u = w * shared.s / (lanes[H + j] * growth(lanes[V + j])[2])
    least = LEAST_SHARE * shared.T
    return math.log(max(shared.T - u, least) / max(u - lanes[H + j] / lanes[P + j], least))


@kernel
def device_at(lanes: Floats, j: int) -> Device:
    """Return the constants of one device."""
    return Device(
        math.exp(lanes[LOG_A + j]),
        lanes[F + j],
        lanes[H + j],
        lanes[P + j],
        lanes[LO + j],
        lanes[HI + j],
        lanes[LOG_A + j],
        math.log(lanes[F + j]),
        lanes[LOG_LO + j],
        lanes[LOG_HI + j],
    )
