"""The limit: one look at every device's model for a plan that is given, energy, error and band summed in one pass.

A plain jitted loop, one block per thread: what any method must at least spend that looks at each device once.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt.scenarios import Scenario

from .judging import Verdict

Floats = NDArray[np.float64]

# Sums of a million terms in another order differ by rounding.
AGREEMENT = 1e-11


class Sums(NamedTuple):
    """Joules, the sum of alpha D^-beta, and hertz."""

    energy: float
    error: float
    band: float


@njit(cache=True, nogil=True, error_model="numpy")
def add_up(
    eps: Floats,
    g: Floats,
    N0: Floats,
    D: Floats,
    f: Floats,
    b: Floats,
    P: Floats,
    cycles: float,
    s: float,
    beta: float,
    first: int,
    stop: int,
) -> tuple[float, float, float]:
    """Sum over a block: FIMI eqs. (5), (7) to (9), (1) without its scale, and the band."""
    energy = error = band = 0.0
    for i in range(first, stop):
        upload = s / (b[i] * math.log1p(g[i] * P[i] / (N0[i] * b[i])))
        energy += eps[i] * cycles * D[i] * f[i] * f[i] + P[i] * upload
        error += math.exp(-beta * math.log(D[i]))  # faster than D^-beta by `pow`
        band += b[i]
    return energy, error, band


class Evaluation:
    """The model's sums for one plan, on so many threads."""

    def __init__(self, scenario: Scenario, plan: fo.Plan, workers: int) -> None:
        devices, _, task = scenario
        cycles, s = task.local_epochs * task.cycles_per_sample, task.update_bits * math.log(2)
        arrays = (devices.energy_coefficient, devices.channel_gain, devices.noise_density, plan.samples)
        self._given = (*arrays, plan.frequency, plan.bandwidth, plan.power, cycles, s, task.learning.beta)
        bounds = np.linspace(0, len(devices), workers + 1).astype(int).tolist()
        self._blocks = list(pairwise(bounds))
        self._alpha, self._plan = task.learning.alpha, plan
        self._pool = ThreadPoolExecutor(workers)

    def __call__(self) -> Sums:
        """Evaluate once."""
        parts = self._pool.map(lambda block: add_up(*self._given, *block), self._blocks)
        energy, error, band = (sum(column) for column in zip(*parts, strict=True))
        return Sums(energy, self._alpha * error, band)

    def check(self, sums: Sums) -> Verdict:
        """Hold the sums against the library's NumPy formulas for the same plan."""
        curve, plan = self._plan.task.learning, self._plan
        known = Sums(plan.energy, (plan.mean_error + curve.gamma) * len(plan.devices), float(np.sum(plan.bandwidth)))
        worst = max(abs(mine / theirs - 1) for mine, theirs in zip(sums, known, strict=True))
        return Verdict(math.nan, math.nan, "" if worst <= AGREEMENT else f"{worst:.1e} away from NumPy's sums")
