"""Time the cross-entropy search per device and sample, beside the printed algorithm and pycma on the same objective.

Usage: python benchmarks/search_speed.py [SEED]     (default: 0; the paper's fleet of 20 devices)

Each method's energy is judged against the certified optimum before its time counts. The printed algorithm (nested
bisections, NumPy and SciPy, its formulas mended: tests/printed.py) is timed on a few samples. pycma needs
the extra `bench`; without it its row says so.
"""

import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt._kernels.fleet import first_prices
from fimi_opt._kernels.splits import evaluate_splits
from fimi_opt.scenarios import Scenario, paper
from fimi_opt.solvers.cross_entropy import split_box
from fimi_opt.solvers.instance import Instance, make_instance

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
import printed

Floats = NDArray[np.float64]
T = TypeVar("T")

SETTINGS = fo.CrossEntropy(samples=1000, elite=50, iterations=100)
GAP_LIMIT = 1e-5
PRINTED_SAMPLES = 20
# Bisections of the printed algorithm stop at this part of their bracket: good to 1e-6 of the energy.
PRINTED_TOL = 1e-9
PRINTED_AGREEMENT = 1e-5


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    scenario = paper(seed=seed)
    optimum = fo.solve(*scenario)
    count = len(scenario.devices)
    print(f"{count} devices, certified optimum {optimum.energy:.9g} J, gap {optimum.gap:.1e}")
    print("method                            evaluations   us per device and sample   gap of its plan   seconds")
    fo.solve(*scenario, method="cross-entropy", search=fo.CrossEntropy(100, 10, 2))  # compile first
    plan, seconds = clocked(lambda: fo.solve(*scenario, method="cross-entropy", search=SETTINGS, rng=seed))
    if not 0 <= plan.gap <= GAP_LIMIT:
        print(f"cross-entropy: not timed, gap {plan.gap:.1e}")
        return 1
    row("cross-entropy, usable cores", len(plan.history) * SETTINGS.samples, count, plan.gap, seconds)
    plan, seconds = clocked(lambda: fo.solve(*scenario, method="cross-entropy", search=SETTINGS, rng=seed, workers=1))
    row("cross-entropy, one thread", len(plan.history) * SETTINGS.samples, count, plan.gap, seconds)
    if not printed_row(scenario, optimum):
        return 1
    pycma_row(scenario, optimum, seed)
    return 0


def printed_row(scenario: Scenario, optimum: fo.Plan) -> bool:
    """Time the printed algorithm on random splits, its energies held against the kernel's."""
    devices, limits, task = scenario
    instance = make_instance(devices, limits, task)
    rng = np.random.default_rng(0)
    share = optimum.compute_time / limits.max_latency
    splits = share + 0.02 * rng.standard_normal((PRINTED_SAMPLES, share.size))
    ours = energies(instance, splits)
    letters = printed.letters(devices, limits, task)
    theirs, seconds = clocked(lambda: [printed_energy(letters, eta * limits.max_latency) for eta in splits])
    worst = float(np.max(np.abs(np.array(theirs) / ours - 1)))
    if worst > PRINTED_AGREEMENT:
        print(f"printed algorithm: not timed, {worst:.1e} away from the kernel")
        return False
    row("printed algorithm, NumPy/SciPy", PRINTED_SAMPLES, share.size, math.nan, seconds)
    return True


def printed_energy(p: printed.Letters, t: Floats) -> float:
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


def pycma_row(scenario: Scenario, optimum: fo.Plan, seed: int) -> None:
    """Run pycma until it stops by itself, 20,000 evaluations at most."""
    try:
        import cma
    except ImportError:
        print("pycma                             not installed: pip install fimi-opt[bench]")
        return
    instance = make_instance(*scenario)
    low, high = split_box(instance)

    def objective(x: Floats) -> float:
        return float(energies(instance, np.atleast_2d(low + (high - low) * np.asarray(x)))[0])

    options = {"bounds": [0, 1], "seed": seed + 1, "maxfevals": 20_000, "verbose": -9, "tolfun": 1e-12}
    found, seconds = clocked(lambda: cma.fmin2(objective, np.full(low.size, 0.5), 0.25, options)[1].result)
    gap = (found.fbest - optimum.lower_bound) / found.fbest
    row("pycma, same objective", found.evaluations, low.size, gap, seconds)


def energies(instance: Instance, splits: Floats) -> Floats:
    """Energies (J) of the splits, rows of eta = t / T; infeasible ones are worse than all others by what they miss."""
    fleet, shared, supply, _ = instance
    energy, missed = np.empty(len(splits)), np.empty(len(splits))
    log_w = first_prices(fleet, shared, supply)[1]
    evaluate_splits(fleet, shared, supply, splits, log_w, 0, len(splits), energy, missed)
    return np.where(missed > 0, 1e6 * (1 + np.minimum(missed, 1e6)), energy)


def row(name: str, evaluations: int, devices: int, gap: float, seconds: float) -> None:
    """Print one row."""
    each = seconds / evaluations / devices * 1e6
    print(f"{name:32}  {evaluations:11}   {each:24.2f}   {gap:15.1e}   {seconds:7.2f}")


def clocked(call: Callable[[], T]) -> tuple[T, float]:
    """What the call returns, and its seconds."""
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
