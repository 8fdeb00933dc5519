"""Instances from every corner: number `index` of `seed` is the same whenever and wherever it is drawn."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import fleets
import numpy as np
from fleets import Floats, Problem
from numpy.random import Generator

import fimi_opt as fo

from .placing import Placement

# Decades over which devices of one fleet differ in each parameter: none, a real fleet's, and all there are.
SPREADS = (0.0, 0.3, 1.0, 3.0, 12.0)
# Sizes are log-uniform up to these, so often each.
SIZES = ((10, 0.65), (100, 0.30), (1000, 0.045), (5000, 0.005))
LARGEST = 5000
# No limit is drawn nearer to infeasible by itself; what is placed may be beyond.
LEAST_MARGIN = 1e-9


class Drawn(NamedTuple):
    """An instance before its limits are placed, and how they shall be."""

    corner: str
    loose: Problem
    placement: Placement


class Ranges(NamedTuple):
    """What the wide fleets are drawn from, log-uniform: far beyond the plausible, inside what the library takes."""

    samples: tuple[float, float] = (1.0, 1e6)
    coefficient: tuple[float, float] = (1e-31, 1e-23)
    gain: tuple[float, float] = (1e-15, 1e-3)
    power: tuple[float, float] = (1e-4, 1e2)
    noise: tuple[float, float] = (1e-23, 1e-17)
    cycles: tuple[float, float] = (1e3, 1e10)
    bits: tuple[float, float] = (1e3, 1e10)
    deadline: tuple[float, float] = (1e-3, 1e6)
    beta: tuple[float, float] = (0.01, 3.0)
    # Mean of alpha D^-beta with local data only: below 1e-3 of gamma, an error limit says nothing in floats.
    excess: tuple[float, float] = (1e-3, 1.0)
    gamma: tuple[float, float] = (-0.5, 0.9)
    rounds: tuple[float, float] = (1.0, 1e5)
    # Room of the least compute time inside the deadline, of the least upload time inside the rest, of the data.
    frequency_room: tuple[float, float] = (1e-3, 1e4)
    power_room: tuple[float, float] = (1e-3, 1e6)
    growth: tuple[float, float] = (1e-3, 1e3)


WIDE = Ranges()


def draw(seed: int, index: int, largest: int = LARGEST) -> Drawn:
    """Draw instance `index` of `seed`, of at most `largest` devices."""
    rng = np.random.default_rng([seed, index])
    names = list(CORNERS)
    weights = np.array([weight for _, weight in CORNERS.values()])
    corner = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    count = min(_size(rng), largest)
    loose = CORNERS[corner][0](rng, count)
    return Drawn(corner, loose, Placement("") if corner == "nothing placed" else _placement(rng))


def _size(rng: Generator) -> int:
    most = int(rng.choice([most for most, _ in SIZES], p=[often for _, often in SIZES]))
    return int(log_uniform(rng, 1.0, most + 1.0))


def _placement(rng: Generator) -> Placement:
    """One limit beside its critical value: near it on either side, or with room."""
    limit = ("bandwidth", "max_latency", "max_global_error")[int(rng.choice(3, p=[0.5, 0.25, 0.25]))]
    band = float(log_uniform(rng, 1e-3, 1e2))
    if rng.random() < 0.4:
        return Placement(limit, float(log_uniform(rng, 0.1, 1e4 if limit == "bandwidth" else 10.0)), band)
    margin = float(log_uniform(rng, 1e-9, 1e-1))
    return Placement(limit, -margin if rng.random() < 0.35 else margin, band)


def log_uniform(rng: Generator, low: float, high: float, size: int | None = None) -> Floats:
    """Draw between two positive numbers, every decade as likely."""
    return np.asarray(np.exp(rng.uniform(math.log(low), math.log(high), size)))


def _each(rng: Generator, count: int, between: tuple[float, float], spread: float | None = None) -> Floats:
    """One value a device, around a centre of the fleet's own."""
    decades = float(rng.choice(SPREADS)) if spread is None else spread
    centre = log_uniform(rng, *between)
    return np.clip(centre * 10 ** (0.5 * decades * rng.uniform(-1, 1, count)), *between)


def wide(rng: Generator, count: int, ranges: Ranges = WIDE, spread: float | None = None) -> Problem:
    """Every parameter log-uniform; f_max, g and P_max large enough that a wide band would do, D_max that data would.

    The band is a guess, to be placed.
    """

    def each(between: tuple[float, float]) -> Floats:
        return _each(rng, count, between, spread)

    T, S, omega = (float(log_uniform(rng, *pair)) for pair in (ranges.deadline, ranges.bits, ranges.cycles))
    D, eps, g, P, N0 = map(each, (ranges.samples, ranges.coefficient, ranges.gain, ranges.power, ranges.noise))
    f = np.clip(omega * D / T * (1 + each(ranges.frequency_room)), 1e-9, 1e18)
    left = T - omega * D / f
    need = N0 * S * math.log(2) / left * (1 + each(ranges.power_room))  # W of received power
    g = np.clip(np.maximum(g, need / P), None, 0.9)
    P = np.clip(np.maximum(P, need / g), None, 1e12)
    most = D * each(ranges.growth) if rng.random() < 0.5 else float(np.median(D) * log_uniform(rng, *ranges.growth))
    beta, gamma = float(log_uniform(rng, *ranges.beta)), float(rng.uniform(*ranges.gamma))
    # Not all of the deadline is left for computing.
    most_data = np.maximum(np.minimum(D + most, f / omega * (T - N0 * S * math.log(2) / (g * P))), D)
    alpha = float(log_uniform(rng, *ranges.excess)) * (1 + gamma) / float(np.mean(D**-beta))
    easiest, hardest = (float(np.mean(alpha * amount**-beta)) for amount in (D, most_data))
    excess = hardest + _part(rng) * (easiest - hardest)
    excess = min(max(excess, hardest * (1 + LEAST_MARGIN)), 0.999 * (1 + gamma))
    band = count * S / T * float(log_uniform(rng, 1e-3, 1e3))
    return _stated((D, eps, f, g, P, N0), (alpha, beta, gamma), excess, (omega, S, T, band), most, rng, ranges)


def _part(rng: Generator) -> float:
    """How far from the hardest error limit (0) to the one that local data meets (1): anywhere, the ends, beyond."""
    kind = rng.random()
    if kind < 0.6:
        return float(rng.uniform(0, 1))
    if kind < 0.95:
        near = float(log_uniform(rng, 1e-9, 1.0))
        return near if kind < 0.8 else 1 - near
    return 1.1


def _stated(
    columns: tuple[Floats, ...],
    curve: tuple[float, float, float],
    excess: float,
    work: tuple[float, float, float, float],
    most: float | Floats,
    rng: Generator,
    ranges: Ranges,
) -> Problem:
    """Problem whose limit on the mean of alpha D^-beta is `excess`: zeta is what makes it so."""
    omega, S, T, band = work
    error, rounds = float(rng.uniform(0.01, 0.9)), float(log_uniform(rng, *ranges.rounds))
    zeta = (1 + curve[2] - excess) * rounds / -math.log(error)
    task = fo.Task(fo.LearningCurve(*curve, zeta), omega, 1, S)
    return fleets.problem(columns, (error, rounds, T, band, most), task)


# --- Corners ----------------------------------------------------------------------------------------------------------


def nothing_placed(rng: Generator, count: int) -> Problem:
    """Everything drawn freely, f_max and the rest too: most have no plan."""
    given = wide(rng, count)
    d = given.devices
    columns = [d.local_samples, d.energy_coefficient, d.max_frequency, d.channel_gain, d.max_power, d.noise_density]
    if rng.random() < 0.5:
        column = int(rng.integers(2, 5))
        greatest = 0.9 if column == 3 else 1e12
        columns[column] = np.clip(columns[column] * float(log_uniform(rng, 1e-3, 1e3)), 1e-20, greatest)
    return given._replace(devices=fleets.devices(*columns))


def identical(rng: Generator, count: int) -> Problem:
    """Every device the same."""
    return wide(rng, 1).taken(np.zeros(count, dtype=np.intp))


def far_stronger(rng: Generator, count: int) -> Problem:
    """One device a million times stronger than the rest, in everything."""
    given = wide(rng, count, spread=float(rng.choice([0.0, 0.3])))
    d, i = given.devices, int(rng.integers(count))
    factor = np.where(np.arange(count) == i, 1e6, 1.0)
    return given._replace(
        devices=fleets.devices(
            d.local_samples,
            d.energy_coefficient / factor,
            np.clip(d.max_frequency * factor, None, 1e18),
            np.clip(d.channel_gain * factor, None, 0.9),
            np.clip(d.max_power * factor, None, 1e12),
            d.noise_density,
        )
    )


def no_synthetic(rng: Generator, count: int) -> Problem:
    """D_max = 0 for every device."""
    given = wide(rng, count)
    d, curve = given.devices, given.task.learning
    excess = float(np.mean(curve.alpha * d.local_samples**-curve.beta)) * (1 + float(log_uniform(rng, 1e-9, 1.0)))
    limits = given.limits
    zeta = (1 + curve.gamma - excess) * limits.rounds / -math.log(limits.max_global_error)
    if zeta <= 0:
        return given.limited(max_synthetic=0.0)
    return given._replace(task=replace(given.task, learning=replace(curve, zeta=zeta))).limited(max_synthetic=0.0)


def _rooms(rng: Generator, low: float, high: float) -> dict[str, Any]:
    names = ("frequency_room", "power_room", "synthetic_room", "band_room", "error_room")
    alike = rng.random() < 0.5
    room = float(log_uniform(rng, low, high))
    return {name: room if alike else float(log_uniform(rng, low, high)) for name in names}


def all_caps_bind(rng: Generator, count: int) -> Problem:
    """f_max, P_max, D_max, the band and the error limit at once hardly more than one plan takes."""
    style = fleets.wild_style(rng.uniform(-1, 1, 8)) if rng.random() < 0.5 else fleets.PAPER_LIKE
    return fleets.make(_table(rng, count), replace(style, **_rooms(rng, 1e-9, 1e-1)))


def every_amount_at_a_bound(rng: Generator, count: int) -> Problem:
    """The error limit asks for every device's cap; some take no synthetic data at all."""
    style = fleets.wild_style(rng.uniform(-1, 1, 8)) if rng.random() < 0.5 else fleets.PAPER_LIKE
    table = _table(rng, count)
    reach = style.growth[1]
    style = replace(style, growth=(reach, reach), synthetic_room=0.0)
    table[:, 6] = np.where(rng.random(count) < rng.random(), -1.0, table[:, 6])  # these: D = D_loc
    style = replace(style, error_room=0.0 if rng.random() < 0.5 else float(log_uniform(rng, 1e-12, 1e-3)))
    return fleets.make(table, style)


def no_time_to_spare(rng: Generator, count: int) -> Problem:
    """Least compute and upload times of some devices, or all, fill the deadline: intervals of width zero, nearly."""
    given = wide(rng, count)
    d, task, T = given.devices, given.task, given.limits.max_latency
    left = T - task.cycles_per_sample * d.local_samples / d.max_frequency
    need = d.noise_density * task.update_bits * math.log(2) / left
    chosen = rng.random(count) < (1.0 if rng.random() < 0.5 else rng.random())
    chosen &= left > 0  # computing can fill the deadline to its last digit
    gain = np.where(chosen, need * (1 + float(log_uniform(rng, 1e-13, 1e-3))) / d.max_power, d.channel_gain)
    columns = (d.local_samples, d.energy_coefficient, d.max_frequency, gain, d.max_power, d.noise_density)
    return given._replace(devices=fleets.devices(*columns))


def short_uploads(rng: Generator, count: int) -> Problem:
    """A kilobit or so within hours: an upload takes a millionth of the deadline and less."""
    return wide(rng, count, WIDE._replace(bits=(1e3, 1e5), deadline=(1e3, 1e6), power_room=(1e3, 1e9)))


def with_classes(rng: Generator, count: int) -> Problem:
    """Class counts with classes that nobody has, and devices with samples of one class only."""
    classes = int(rng.integers(1, 12))
    given = wide(rng, count)
    d = given.devices
    shares = rng.dirichlet(np.full(classes, float(log_uniform(rng, 1e-2, 10.0))), count)
    shares[:, rng.random(classes) < 0.3] = 0.0
    shares[shares.sum(axis=1) == 0, 0] = 1.0
    counts = np.floor(shares / shares.sum(axis=1, keepdims=True) * d.local_samples[:, None])
    # What rounding down took goes to the largest class: rows must sum to the local samples.
    counts[np.arange(count), np.argmax(shares, axis=1)] += d.local_samples - counts.sum(axis=1)
    columns = (d.local_samples, d.energy_coefficient, d.max_frequency, d.channel_gain, d.max_power, d.noise_density)
    return given._replace(devices=fleets.devices(*columns, counts))


def _degenerate(rng: Generator, count: int) -> Problem:
    name = sorted(fleets.DEGENERATE)[int(rng.integers(len(fleets.DEGENERATE)))]
    return fleets.degenerate(name, count, int(rng.integers(2**31)))


def _wild(rng: Generator, count: int) -> Problem:
    return fleets.wild(count, int(rng.integers(2**31)))


def _paper_like(rng: Generator, count: int) -> Problem:
    return fleets.paper_like(count, int(rng.integers(2**31)))


def _table(rng: Generator, count: int) -> Floats:
    return rng.uniform(-1, 1, (count, fleets.COLUMNS))


# Each corner and how often it is drawn.
CORNERS: dict[str, tuple[Callable[[Generator, int], Problem], float]] = {
    "wide": (wide, 4.0),
    "nothing placed": (nothing_placed, 1.0),
    "wild": (_wild, 2.0),
    "like the paper's": (_paper_like, 1.0),
    "degenerate kinds of the tests": (_degenerate, 3.0),
    "identical devices": (identical, 1.0),
    "one device a million times stronger": (far_stronger, 1.0),
    "no synthetic data allowed": (no_synthetic, 1.0),
    "all caps bind": (all_caps_bind, 2.0),
    "every amount at a bound": (every_amount_at_a_bound, 2.0),
    "no time to spare": (no_time_to_spare, 1.0),
    "short uploads": (short_uploads, 1.0),
    "class counts": (with_classes, 1.0),
}
