"""What a decision costs and the tangent planes below it: blocks of devices side by side, in vector instructions.

A quantity of `WIDTH` devices is a row of one flat array: that rows lie a constant apart is what lets the compiler see
that they do not overlap.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._elementary import exp, log
from fimi_opt._jit import kernel
from fimi_opt.certificate.planes import Device, Limits, Split, best_split, price_met, tangent

Floats = NDArray[np.float64]

WIDTH = 128
EPS, F_MAX, NOISE, GAIN, POWER, LOCAL, MOST = (row * WIDTH for row in range(7))
GEN, FREQUENCY, BAND, SENT, T, U, TOUCH = (row * WIDTH for row in range(7, 14))
ENERGY, ERROR, WORST, LEAST, TERMS, TOTAL, CARRY = (row * WIDTH for row in range(14, 21))
SIZE = 21 * WIDTH

# A device's least time is above the deadline, roundings aside.
_CLEARLY = 8 * 2.0**-52


class Fleet(NamedTuple):
    """The devices' own quantities as the user gave them, each (I,), and D_max, (I,) or (1,)."""

    eps: Floats
    f_max: Floats
    N0: Floats
    g: Floats
    P: Floats
    D_loc: Floats
    D_max: Floats


@kernel
def _load(lanes: Floats, fleet: Fleet, first: int, n: int) -> None:
    """Copy devices' own quantities."""
    for k, row in enumerate((fleet.eps, fleet.f_max, fleet.N0, fleet.g, fleet.P, fleet.D_loc)):
        part = row[first : first + n]
        for j in range(n):
            lanes[k * WIDTH + j] = part[j]
    for j in range(n):
        lanes[MOST + j] = fleet.D_max[first + j if fleet.D_max.size > 1 else 0]


@kernel
def _load_plan(lanes: Floats, decision: Floats, split: Split, first: int, n: int) -> None:
    """Copy a decision, and where its planes are to touch."""
    for k in range(4):
        part = decision[k, first : first + n]
        for j in range(n):
            lanes[GEN + k * WIDTH + j] = part[j]
    for k, row in enumerate((split.t, split.u, split.b)):
        part = row[first : first + n]
        for j in range(n):
            lanes[T + k * WIDTH + j] = part[j]


@kernel
def _device(lanes: Floats, j: int, cycles: float, s: float, nu: float, w: float) -> Device:
    """Return the constants of one device."""
    return Device(
        lanes[EPS + j] * cycles * cycles * cycles,
        lanes[F_MAX + j] / cycles,
        lanes[NOISE + j] * s / lanes[GAIN + j],
        lanes[POWER + j],
        lanes[LOCAL + j],
        lanes[LOCAL + j] + lanes[MOST + j],
        s,
        nu,
        w,
    )


@kernel
def _measure(lanes: Floats, n: int, cycles: float, s: float, lim: Limits) -> None:
    """Energy, alpha D^-beta and the worst relative violation of own limits of each device, by (5)-(10)."""
    for j in range(n):
        f, b, P = lanes[FREQUENCY + j], lanes[BAND + j], lanes[SENT + j]
        D = lanes[LOCAL + j] + lanes[GEN + j]
        work = cycles * D
        snr = lanes[GAIN + j] * P / (lanes[NOISE + j] * b)
        more = 1.0 + snr
        # ln(1 + snr): what rounding took off 1 + snr is put back.
        seconds = s / (b * (log(more) + (snr - (more - 1.0)) / more))
        lanes[ENERGY + j] = lanes[EPS + j] * work * f * f + P * seconds
        lanes[ERROR + j] = lim.alpha * exp(-lim.beta * log(D))
        late = (work / f + seconds) / lim.T - 1.0
        beyond = max(-lanes[GEN + j], lanes[GEN + j] - lanes[MOST + j]) / lanes[LOCAL + j]
        own = max(max(f / lanes[F_MAX + j], P / lanes[POWER + j]) - 1.0, beyond)
        real = (f > 0.0) & (b > 0.0) & (P > 0.0) & (D > 0.0)
        lanes[WORST + j] = max(late, own) if real else math.inf


@kernel
def _touch(lanes: Floats, n: int, cycles: float, s: float, lim: Limits, nu: float, w: float) -> None:
    """Least value of each device's plane at rows t, u and v."""
    for j in range(n):
        dev = _device(lanes, j, cycles, s, nu, w)
        least, _, terms = tangent(dev, lim, lanes[T + j], lanes[U + j], lanes[TOUCH + j])
        lanes[LEAST + j], lanes[TERMS + j] = least, terms


@kernel
def _add(lanes: Floats, n: int) -> None:
    """Add the least values to the rows of totals, what rounding takes off each sum beside it (Knuth)."""
    for j in range(n):
        total, least = lanes[TOTAL + j], lanes[LEAST + j]
        new = total + least
        there = new - total
        lanes[TOTAL + j] = new
        lanes[CARRY + j] += (total - (new - there)) + (least - there)


@kernel
def _sum(values: Floats) -> float:
    """Neumaier's compensated sum."""
    total = carry = 0.0
    for value in values:
        new = total + value
        carry += (total - new) + value if abs(total) >= abs(value) else (value - new) + total
        total = new
    return total + carry


@kernel
def judge_block(
    cycles: float,
    s: float,
    fleet: Fleet,
    lim: Limits,
    nu: float,
    w: float,
    decision: Floats,
    split: Split,
    first: int,
    stop: int,
) -> tuple[float, float, float, float, float, float]:
    """Judge a block of devices: what their decision takes, and how low their planes at the split go.

    Returns energy, alpha D^-beta, bandwidth, the worst relative violation of own limits, the planes' least values and
    the size of their terms: sums but for the fourth. A plain tuple: a named one takes numba longer to hand over.
    """
    lanes = np.empty(SIZE)
    for j in range(2 * WIDTH):
        lanes[TOTAL + j] = 0.0
    energy = errors = band = terms = 0.0
    worst = -math.inf
    for start in range(first, stop, WIDTH):
        n = min(WIDTH, stop - start)
        _load(lanes, fleet, start, n)
        _load_plan(lanes, decision, split, start, n)
        _measure(lanes, n, cycles, s, lim)
        for j in range(n):
            v = s / (lanes[U + j] * lanes[TOUCH + j])
            lanes[TOUCH + j] = price_met(_device(lanes, j, cycles, s, nu, w), lanes[U + j], v)
        _touch(lanes, n, cycles, s, lim, nu, w)
        _add(lanes, n)
        for j in range(n):
            energy += lanes[ENERGY + j]
            errors += lanes[ERROR + j]
            band += lanes[BAND + j]
            terms += lanes[TERMS + j]
            worst = max(worst, lanes[WORST + j])
    used = min(WIDTH, stop - first)
    least = _sum(lanes[TOTAL : TOTAL + used]) + _sum(lanes[CARRY : CARRY + used])
    return energy, errors, band, worst, least, terms


@kernel
def bound_block(
    cycles: float, s: float, fleet: Fleet, lim: Limits, nu: float, w: float, split: Split, first: int, stop: int
) -> tuple[float, float]:
    """Planes' least values and terms, at the split or, where it is empty, at the devices' best answers."""
    lanes = np.empty(SIZE)
    for j in range(2 * WIDTH):
        lanes[TOTAL + j] = 0.0
    terms = 0.0
    for start in range(first, stop, WIDTH):
        n = min(WIDTH, stop - start)
        _load(lanes, fleet, start, n)
        for j in range(n):
            dev = _device(lanes, j, cycles, s, nu, w)
            if split.t.size:
                lanes[T + j], lanes[U + j] = split.t[start + j], split.u[start + j]
                lanes[TOUCH + j] = price_met(dev, lanes[U + j], s / (lanes[U + j] * split.b[start + j]))
            elif dev.D_lo / dev.F + dev.h / dev.P < lim.T:
                lanes[T + j], lanes[U + j], lanes[TOUCH + j] = best_split(dev, lim)
            elif dev.D_lo / dev.F + dev.h / dev.P > lim.T * (1.0 + _CLEARLY):
                return math.inf, 0.0  # this device can take part in no plan
            else:
                return -math.inf, 0.0  # its only split has no tangent
        _touch(lanes, n, cycles, s, lim, nu, w)
        _add(lanes, n)
        for j in range(n):
            terms += lanes[TERMS + j]
    used = min(WIDTH, stop - first)
    return _sum(lanes[TOTAL : TOTAL + used]) + _sum(lanes[CARRY : CARRY + used]), terms
