"""Fleets to judge the solver by: like the paper's, wild, and degenerate on purpose; seeded, or drawn by hypothesis.

Every fleet is made around a plan that was chosen first, and its limits leave that plan some room: so each is feasible
by construction, whatever the library says, and the room can be made as small as wished.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import fimi_opt as fo

Floats = NDArray[np.float64]

COLUMNS = 8  # of the table of numbers in [-1, 1] that a fleet is made from, a row a device


class Problem(NamedTuple):
    devices: fo.Devices
    limits: fo.Constraints
    task: fo.Task

    def solve(self, **options: Any) -> fo.Plan:
        return fo.solve(*self, **options)

    def limited(self, **changes: Any) -> "Problem":
        """Return the same fleet with other limits."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
            return self._replace(limits=replace(self.limits, **changes))

    def taken(self, order: Sequence[int] | NDArray[np.intp]) -> "Problem":
        """Return the problem of these devices, in this order."""
        most = np.broadcast_to(self.limits.max_synthetic, len(self.devices))[order]
        d = self.devices
        return self.limited(max_synthetic=most)._replace(
            devices=devices(
                d.local_samples[order],
                d.energy_coefficient[order],
                d.max_frequency[order],
                d.channel_gain[order],
                d.max_power[order],
                d.noise_density[order],
            )
        )


def devices(*columns: Any) -> fo.Devices:
    """Devices, however odd."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        return fo.Devices(*columns)


def problem(columns: Sequence[Any], limits: Sequence[Any], task: fo.Task) -> Problem:
    """Return the problem of these devices and limits, however odd."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        return Problem(fo.Devices(*columns), fo.Constraints(*limits), task)


@dataclass(frozen=True)
class Style:
    """What to make of a table: the decades over which it spreads, and the room that each limit leaves the chosen plan.

    A room r multiplies a limit by 1 + r; None for `synthetic` means that no synthetic data is needed.
    """

    samples: tuple[float, float] = (1250.0, 0.3)  # centre, decades each way
    coefficient: tuple[float, float] = (5e-27, 0.2)
    gain: tuple[float, float] = (1e-10, 1.0)
    noise: tuple[float, float] = (4e-21, 0.0)
    # ln(t/u) of the chosen plan, ln(s/(b u)) of it, ln(D/D_loc) of it: centre and reach each way.
    split: tuple[float, float] = (0.8, 0.5)
    efficiency: tuple[float, float] = (1.0, 0.7)
    growth: tuple[float, float] = (0.5, 0.3)
    frequency_room: float = 1.0
    power_room: float = 3.0
    synthetic_room: float = 1.0
    band_room: float = 0.3
    error_room: float = 0.0
    alpha: float | None = 3.0  # None: such that the mean of alpha D^-beta is `excess`
    excess: float = 0.5
    beta: float = 0.25
    mean_error: float = 0.4
    cycles: float = 5e6
    bits: float = 1.1e8
    latency: float = 60.0
    rounds: float = 200.0
    global_error: float = 0.2


PAPER_LIKE = Style()
WILD = Style(
    samples=(1e3, 3.0),
    coefficient=(1e-27, 3.0),
    gain=(1e-9, 4.0),
    noise=(4e-21, 2.0),
    split=(0.0, 3.0),
    efficiency=(-0.75, 3.25),
    growth=(1.0, 1.0),
)


def make(table: Floats, style: Style = PAPER_LIKE) -> Problem:
    """Feasible problem from a table (I, 8) of numbers in [-1, 1]."""
    z = table.T

    def spread(column: int, law: tuple[float, float]) -> Floats:
        return np.asarray(law[0] * 10 ** (law[1] * z[column]))

    D_loc, eps, g, N0 = (
        spread(0, style.samples),
        spread(1, style.coefficient),
        spread(2, style.gain),
        spread(3, style.noise),
    )
    x, log_v, growth = (
        law[0] + law[1] * z[4 + j] for j, law in enumerate((style.split, style.efficiency, style.growth))
    )
    D = D_loc * np.exp(growth)
    t, u = style.latency / (1 + np.exp(-x)), style.latency / (1 + np.exp(x))
    v = np.exp(log_v)
    s = style.bits * np.log(2)
    b = s / (u * v)
    P = N0 * b / g * np.expm1(v)
    f_max = style.cycles * D / t * (1 + style.frequency_room * (1 + 0.5 * z[7]))
    P_max = P * (1 + style.power_room * (1 - 0.5 * z[7]))
    most = (D - D_loc) * (1 + style.synthetic_room)
    alpha = style.excess / float(np.mean(D**-style.beta)) if style.alpha is None else style.alpha
    mean = float(np.mean(alpha * D**-style.beta)) * (1 + style.error_room)
    zeta = (1 - style.mean_error) * style.rounds / -np.log(style.global_error)
    curve = fo.LearningCurve(alpha, style.beta, mean - style.mean_error, float(zeta))
    return problem(
        (D_loc, eps, f_max, g, P_max, N0),
        (style.global_error, style.rounds, style.latency, float(np.sum(b)) * (1 + style.band_room), most),
        fo.Task(curve, style.cycles, 1, style.bits),
    )


def table(count: int, seed: int) -> Floats:
    return np.random.default_rng([seed, count]).uniform(-1, 1, (count, COLUMNS))


def paper_like(count: int, seed: int) -> Problem:
    return make(table(count, seed), PAPER_LIKE)


def wild(count: int, seed: int) -> Problem:
    return make(table(count, seed), wild_style(np.random.default_rng([seed, count, 1]).uniform(-1, 1, 8)))


def wild_style(y: Floats) -> Style:
    """Everything that is no device's own over several decades as well, from 8 numbers in [-1, 1]."""
    return replace(
        WILD,
        alpha=None,
        excess=float(0.3 * 10 ** y[0]),
        beta=float(0.5 * 10 ** (0.8 * y[1])),
        mean_error=float(0.5 + 0.4 * y[2]),
        latency=float(60 * 10 ** (2 * y[3])),
        bits=float(1e6 * 10 ** (3 * y[4])),
        cycles=float(1e6 * 10 ** (2 * y[5])),
        frequency_room=float(10 ** (1.5 * y[6])),
        power_room=float(10 ** (1.5 * y[7])),
        band_room=float(10 ** (1.5 * y[0] * y[7])),
    )


# What makes a fleet degenerate: a change of style, and of the table.
DEGENERATE: dict[str, tuple[Style, Callable[[Floats], Floats]]] = {
    "identical devices": (PAPER_LIKE, np.zeros_like),
    "no synthetic data allowed": (replace(PAPER_LIKE, growth=(0.0, 0.0)), np.copy),
    "no synthetic data needed": (replace(PAPER_LIKE, growth=(0.0, 0.0), error_room=0.1), np.copy),
    "frequency just enough": (replace(PAPER_LIKE, frequency_room=1e-6), np.copy),
    "power just enough": (replace(PAPER_LIKE, power_room=1e-6), np.copy),
    "every device at its cap": (replace(PAPER_LIKE, synthetic_room=0.0), np.copy),
    "nearly at its cap": (replace(PAPER_LIKE, synthetic_room=0.0, error_room=1e-7), np.copy),
    "all limits just enough": (
        replace(PAPER_LIKE, frequency_room=1e-5, power_room=1e-5, synthetic_room=1e-5, band_room=1e-5, error_room=1e-5),
        np.copy,
    ),
    "one device a million times stronger": (
        replace(PAPER_LIKE, coefficient=(5e-27, 6.0), gain=(1e-10, 6.0)),
        lambda z: np.vstack([[0.1, -1.0, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0], z[1:] * [1, 0.05, 0.1, 1, 1, 1, 1, 1]]),
    ),
    "half of the devices take no synthetic data": (
        replace(PAPER_LIKE, samples=(1e4, 2.0), growth=(0.5, 0.5), frequency_room=10.0, alpha=None),
        lambda z: np.column_stack([z[:, :6], np.where(np.arange(len(z)) % 2, -1.0, z[:, 6]), z[:, 7]]),
    ),
    "steep curve": (replace(PAPER_LIKE, beta=3.0, alpha=1e9), np.copy),
    "flat curve": (replace(PAPER_LIKE, beta=0.01, alpha=1.5), np.copy),
    "wide band": (replace(PAPER_LIKE, efficiency=(-9.0, 3.0), power_room=1e-3), np.copy),
    "narrow band": (replace(PAPER_LIKE, efficiency=(3.0, 0.3)), np.copy),
}


def degenerate(name: str, count: int, seed: int) -> Problem:
    style, change = DEGENERATE[name]
    return make(change(table(count, seed)), style)


def tightened(given: Problem, margin: float) -> Problem:
    """Return the same problem with a band that is only `margin` wider than the least that admits a plan."""
    try:
        given.limited(bandwidth=given.limits.bandwidth * 1e-6).solve()
    except fo.InfeasibleError as error:
        if error.min_bandwidth is not None:
            return given.limited(bandwidth=error.min_bandwidth * (1 + margin))
    raise AssertionError("a millionth of the band is enough, or no band is")


def _tables(most: int) -> st.SearchStrategy[Floats]:
    unit = st.floats(-1, 1, allow_subnormal=False)
    return st.integers(1, most).flatmap(lambda count: arrays(np.float64, (count, COLUMNS), elements=unit))


def paper_like_problems(most: int = 6) -> st.SearchStrategy[Problem]:
    return _tables(most).map(make)


def wild_problems(most: int = 6) -> st.SearchStrategy[Problem]:
    return st.builds(
        lambda z, y: make(z, wild_style(y)), _tables(most), arrays(np.float64, 8, elements=st.floats(-1, 1))
    )


def degenerate_problems(most: int = 6) -> st.SearchStrategy[Problem]:
    def change(name: str, z: Floats) -> Problem:
        style, altered = DEGENERATE[name]
        return make(altered(z), style)

    return st.builds(change, st.sampled_from(sorted(DEGENERATE)), _tables(most))


def problems(most: int = 6) -> st.SearchStrategy[Problem]:
    """Problems of every kind."""
    return st.one_of(paper_like_problems(most), wild_problems(most), degenerate_problems(most))
