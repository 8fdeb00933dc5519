"""Searches over the time split: the paper's, as we vectorise it and as printed, and pycma on the same objective."""

import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import cma
import numpy as np
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt._kernels.fleet import first_prices
from fimi_opt._kernels.splits import evaluate_splits
from fimi_opt.scenarios import Scenario
from fimi_opt.solvers.bandwidth import allocate_bandwidth
from fimi_opt.solvers.cross_entropy import split_box
from fimi_opt.solvers.data_amounts import allocate_data
from fimi_opt.solvers.instance import make_instance

from .judging import Decision, Verdict, decision_of

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import printed  # the paper's formulas as printed: tests/printed.py

Floats = NDArray[np.float64]

SETTINGS = fo.CrossEntropy(samples=1000, elite=50, iterations=100)
PRINTED_SAMPLES = 20
# Bisections of the printed algorithm stop at this part of their bracket: good to 1e-6 of the energy.
PRINTED_TOL = 1e-9
PRINTED_AGREEMENT = 1e-5
# pycma stops by itself; this is a bound.
MOST_EVALUATIONS = 20_000


class Searched(NamedTuple):
    """A search's decision, and how many splits it evaluated."""

    decision: Decision
    evaluations: int


def cross_entropy(scenario: Scenario, workers: int | None = None) -> fo.Plan:
    """Plan by Algorithm 3, corrected and vectorised."""
    return fo.solve(*scenario, method="cross-entropy", search=SETTINGS, rng=0, workers=workers)


class Objective:
    """Energy of the best plan with given time splits, by the library's kernel."""

    def __init__(self, scenario: Scenario) -> None:
        self._instance = make_instance(*scenario)
        self._log_w = first_prices(self._instance.fleet, self._instance.shared, self._instance.supply)[1]
        self.box = split_box(self._instance)

    def __call__(self, splits: Floats) -> Floats:
        """Joules of the splits, rows of t / T; infeasible ones are worse than all others by what they miss."""
        fleet, shared, supply, _ = self._instance
        energy, missed = np.empty(len(splits)), np.empty(len(splits))
        evaluate_splits(fleet, shared, supply, splits, self._log_w, 0, len(splits), energy, missed)
        return np.where(missed > 0, 1e6 * (1 + np.minimum(missed, 1e6)), energy)


class Pycma:
    """CMA-ES of the package `cma`, until it stops by itself."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._objective = scenario, Objective(scenario)

    def solve(self) -> Searched:
        """Search from the middle of the box; the same seed every time."""
        low, high = self._objective.box

        def energy(x: Floats) -> float:
            return float(self._objective(np.atleast_2d(low + (high - low) * np.asarray(x)))[0])

        options: dict[str, Any] = {
            "bounds": [0, 1],
            "seed": 1,
            "maxfevals": MOST_EVALUATIONS,
            "verbose": -9,
            "tolfun": 1e-12,
        }
        result = cma.fmin2(energy, np.full(low.size, 0.5), 0.25, options)[1].result
        return Searched(self._decision(low + (high - low) * np.asarray(result.xbest)), int(result.evaluations))

    def _decision(self, split: Floats) -> Decision:
        """Return the best decision with these splits: P6 and P7."""
        devices, limits, task = self._scenario
        t = split * limits.max_latency
        u = limits.max_latency - t
        synthetic = allocate_data(devices, limits, t, task).synthetic_samples
        shares = allocate_bandwidth(devices, limits, u, task)
        return decision_of(self._scenario, devices.local_samples + synthetic, t, u, shares.bandwidth)


class Printed:
    """The algorithm as printed, its formulas mended: nested bisections in NumPy and SciPy, timed on a few splits."""

    def __init__(self, scenario: Scenario, optimum: fo.Plan, evaluations: int) -> None:
        devices, limits, task = scenario
        share = optimum.compute_time / limits.max_latency
        self._splits = share + 0.02 * np.random.default_rng(0).standard_normal((PRINTED_SAMPLES, share.size))
        self._known = Objective(scenario)(self._splits)
        self._letters = printed.letters(devices, limits, task)
        self._evaluations, self._T = evaluations, limits.max_latency

    def solve(self) -> tuple[Floats, float]:
        """Return the splits' energies (J), and the seconds that as many splits as our search evaluates would take."""
        begin = time.perf_counter()
        energies = np.array([_printed_energy(self._letters, split * self._T) for split in self._splits])
        return energies, (time.perf_counter() - begin) / PRINTED_SAMPLES * self._evaluations

    def check(self, energies: Floats) -> Verdict:
        """Hold the energies against the library's."""
        worst = float(np.max(np.abs(energies / self._known - 1)))
        fault = "" if worst <= PRINTED_AGREEMENT else f"energies {worst:.1e} away from the library's"
        return Verdict(math.nan, math.nan, fault)


def _printed_energy(p: printed.Letters, t: Floats) -> float:
    """Energy of one split by Algorithms 1 and 2 with their formulas mended."""
    bracket = printed.eq29(p, t, p.gamma)
    delta = printed.algorithm1(
        lambda nu: printed.eq25(p, t, nu, p.gamma), printed.eq21a(p), bracket, PRINTED_TOL * bracket[1]
    )
    u = p.T - t
    b_min = printed.eq31(p, u, -1.0, -1)
    low, high = printed.eq40(p, u, b_min, -1.0)
    high = min(high, 1e3 * max(low, float(np.max(-printed.eq34(p, u, np.full(u.size, p.B / u.size))))))
    b = printed.algorithm2(
        lambda b: printed.eq34(p, u, b), p.B, b_min, (low, high), PRINTED_TOL * high, PRINTED_TOL * p.B, keep_floor=True
    )
    return float(printed.eq21(p, t, delta) + printed.eq32(p, u, b))
