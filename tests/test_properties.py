"""What must hold for every fleet, whatever the numbers."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import fleets
import numpy as np
import pytest
from fleets import Problem
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import (
    Constants,
    constants,
    energy_of,
    least_bandwidth,
    measure,
    naive_bandwidth,
    naive_data,
    relative_prices,
)

import fimi_opt as fo

Floats = NDArray[np.float64]

GAP_TOL = 1e-9
VIOLATION_TOL = 1e-9
NEGATIVE_GAP_TOL = 1e-12
# Rounding of the limits, a few 1e-16 each, times their prices in energies: all that may open the gap further.
ROUNDING_OF_LIMITS = 1e-14
# Two energies of one problem, each within its certified gap of the optimum.
SAME_ENERGY_TOL = 2 * GAP_TOL
# A decision is as good as the square root of its gap where the energy is flat.
SAME_DECISION_TOL = math.sqrt(GAP_TOL)
# Central differences over steps of 1e-4: their square, times third derivatives of the paper's fleets.
STEP, DIFFERENCE_TOL = 1e-4, 1e-5

seeds = st.integers(0, 2**32 - 1)
MORE = settings(max_examples=4 * settings().max_examples)  # what matters most, and is cheap


def allowed_gap(plan: fo.Plan) -> float:
    return max(GAP_TOL, ROUNDING_OF_LIMITS * relative_prices(plan))


@MORE
@given(fleets.problems())
def test_every_plan_is_feasible_and_certified(problem: Problem) -> None:
    plan = problem.solve()
    assert -NEGATIVE_GAP_TOL <= plan.gap <= allowed_gap(plan)
    assert max(fo.verify(plan)) <= VIOLATION_TOL
    assert measure(plan).violation <= VIOLATION_TOL
    assert min(plan.prices) >= 0
    assert plan.mean_error <= 1
    assert plan.latency <= problem.limits.max_latency * (1 + VIOLATION_TOL)
    assert float(np.sum(plan.aggregation_weights)) == pytest.approx(1, rel=1e-14)


@MORE
@given(fleets.problems(), st.sampled_from([1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]))
def test_every_barely_feasible_plan_is_certified(problem: Problem, margin: float) -> None:
    plan = fleets.tightened(problem, margin).solve()
    assert plan.gap <= max(10 * GAP_TOL, ROUNDING_OF_LIMITS * relative_prices(plan))
    assert plan.gap >= -NEGATIVE_GAP_TOL
    assert max(fo.verify(plan)) <= VIOLATION_TOL


@given(fleets.problems(), st.randoms(use_true_random=False))
def test_permuting_devices_permutes_the_plan(problem: Problem, random: st.DataObject) -> None:
    order = list(range(len(problem.devices)))
    random.shuffle(order)  # type: ignore[attr-defined]
    plan, permuted = problem.solve(), problem.taken(order).solve()
    assert permuted.energy == pytest.approx(plan.energy, rel=SAME_ENERGY_TOL)
    assume(relative_prices(plan) < 1e3)  # a decision is only as definite as its problem
    np.testing.assert_allclose(permuted.samples, plan.samples[order], rtol=SAME_DECISION_TOL)
    np.testing.assert_allclose(permuted.frequency, plan.frequency[order], rtol=SAME_DECISION_TOL)
    np.testing.assert_allclose(permuted.bandwidth, plan.bandwidth[order], rtol=SAME_DECISION_TOL)
    np.testing.assert_allclose(permuted.power, plan.power[order], rtol=SAME_DECISION_TOL)


@given(fleets.problems())
def test_twice_the_fleet_with_twice_the_band_takes_twice_the_energy(problem: Problem) -> None:
    order = [*range(len(problem.devices))] * 2
    plan, double = problem.solve(), problem.taken(order).limited(bandwidth=2 * problem.limits.bandwidth).solve()
    assert double.energy == pytest.approx(2 * plan.energy, rel=SAME_ENERGY_TOL)


def with_devices(problem: Problem, **changes: Floats) -> Problem:
    d = problem.devices
    names = ("local_samples", "energy_coefficient", "max_frequency", "channel_gain", "max_power", "noise_density")
    return problem._replace(devices=fleets.devices(*(changes.get(name, getattr(d, name)) for name in names)))


LOOSENED: dict[str, Callable[[Problem, float], Problem]] = {
    "max_latency": lambda p, k: p.limited(max_latency=p.limits.max_latency * k),
    "bandwidth": lambda p, k: p.limited(bandwidth=p.limits.bandwidth * k),
    "max_global_error": lambda p, k: p.limited(max_global_error=p.limits.max_global_error ** (1 / k)),
    "rounds": lambda p, k: p.limited(rounds=p.limits.rounds * k),
    "max_synthetic": lambda p, k: p.limited(max_synthetic=p.limits.max_synthetic * k),
    "max_power": lambda p, k: with_devices(p, max_power=p.devices.max_power * k),
    "max_frequency": lambda p, k: with_devices(p, max_frequency=p.devices.max_frequency * k),
    "channel_gain": lambda p, k: with_devices(p, noise_density=p.devices.noise_density / k),
}


@pytest.mark.parametrize("limit", sorted(LOOSENED))
@given(problem=fleets.problems(), factor=st.floats(1.0, 10.0))
def test_energy_never_rises_as_a_limit_is_loosened(limit: str, problem: Problem, factor: float) -> None:
    loosened = LOOSENED[limit](problem, factor)
    assert loosened.solve().energy <= problem.solve().energy * (1 + SAME_ENERGY_TOL)


class Units(NamedTuple):
    """Factors by which the numbers grow when the unit shrinks: of time, bits, energy, gain, samples and cycles."""

    time: float
    bit: float
    joule: float
    gain: float
    sample: float
    cycle: float


def in_units(problem: Problem, by: Units) -> Problem:
    """Return the same problem in other units.

    log2(1 + g P / (N0 b)) keeps its value: a change of the bit changes b with it, and N0 the other
    way; g and N0 may share a factor.
    """
    d, limits, task = problem
    curve = task.learning
    return fleets.problem(
        (
            d.local_samples * by.sample,
            d.energy_coefficient * by.joule * by.time**2 / by.cycle**3,
            d.max_frequency * by.cycle / by.time,
            d.channel_gain * by.gain,
            d.max_power * by.joule / by.time,
            d.noise_density * by.gain * by.joule / by.bit,
        ),
        (
            limits.max_global_error,
            limits.rounds,
            limits.max_latency * by.time,
            limits.bandwidth * by.bit / by.time,
            limits.max_synthetic * by.sample,
        ),
        fo.Task(
            replace(curve, alpha=curve.alpha * by.sample**curve.beta),
            task.cycles_per_sample * by.cycle / by.sample,
            task.local_epochs,
            task.update_bits * by.bit,
        ),
    )


@pytest.mark.parametrize("unit", Units._fields)
@given(problem=fleets.problems(), factor=st.floats(0.1, 10.0))
def test_change_of_units_scales_the_answer(unit: str, problem: Problem, factor: float) -> None:
    by = Units(1, 1, 1, 1, 1, 1)._replace(**{unit: factor})
    if unit == "gain":
        assume(np.max(problem.devices.channel_gain) * factor < 1)
    plan, other = problem.solve(), in_units(problem, by).solve()
    assert other.energy == pytest.approx(plan.energy * by.joule, rel=SAME_ENERGY_TOL)
    assume(relative_prices(plan) < 1e3)
    np.testing.assert_allclose(other.samples, plan.samples * by.sample, rtol=SAME_DECISION_TOL)
    np.testing.assert_allclose(other.frequency, plan.frequency * by.cycle / by.time, rtol=SAME_DECISION_TOL)
    np.testing.assert_allclose(other.bandwidth, plan.bandwidth * by.bit / by.time, rtol=SAME_DECISION_TOL)
    np.testing.assert_allclose(other.power, plan.power * by.joule / by.time, rtol=SAME_DECISION_TOL)


def mean_limited(problem: Problem, change: float) -> Problem:
    """Return the problem with its limit on the mean local error, 1 + (zeta / N) ln Delta, raised by `change`."""
    per_log = problem.task.learning.zeta / problem.limits.rounds
    return problem.limited(max_global_error=problem.limits.max_global_error * math.exp(change / per_log))


@pytest.mark.parametrize("seed", range(12))
def test_prices_are_the_slopes_of_the_optimal_energy(seed: int) -> None:
    problem = fleets.paper_like(1 + seed, seed)
    plan, limits = problem.solve(), problem.limits
    mean = measure_limit(problem)

    def slope(at: Callable[[float], Problem], scale: float) -> float:
        return (at(-STEP * scale).solve().energy - at(STEP * scale).solve().energy) / (2 * STEP * scale)

    error = slope(lambda h: mean_limited(problem, h), mean)
    bandwidth = slope(lambda h: problem.limited(bandwidth=limits.bandwidth + h), limits.bandwidth)
    latency = slope(lambda h: problem.limited(max_latency=limits.max_latency + h), limits.max_latency)
    assert plan.prices.error == pytest.approx(error, rel=DIFFERENCE_TOL)
    assert plan.prices.bandwidth == pytest.approx(bandwidth, rel=DIFFERENCE_TOL)
    assert plan.prices.latency == pytest.approx(latency, rel=DIFFERENCE_TOL)


def measure_limit(problem: Problem) -> float:
    c = constants(*problem)
    return c.A / c.a.size


@given(fleets.problems(4), seeds, st.sampled_from([1e-4, 1e-2, 0.3, 3.0]))
def test_no_random_plan_goes_below_the_bound(problem: Problem, seed: int, reach: float) -> None:
    """Random time splits near the plan's; for each the best data and bands, then random ones that keep the limits."""
    rng, c, plan = np.random.default_rng(seed), constants(*problem), problem.solve()
    x = np.log(plan.compute_time / plan.upload_time) + reach * rng.uniform(-1, 1, c.a.size)
    t, u = c.T / (1 + np.exp(-x)), c.T / (1 + np.exp(x))
    assume(feasible_split(c, t, u))
    D, b = naive_data(c, t), naive_bandwidth(c, u)
    assert energy_of(c, D, t, u, b) >= plan.lower_bound * (1 - NEGATIVE_GAP_TOL * (1 + relative_prices(plan)))
    more = D + rng.uniform(0, 1, c.a.size) * (np.maximum(np.minimum(c.D_hi, c.F * t), D) - D)
    floor = np.array([least_bandwidth(c, i, float(u[i])) for i in range(c.a.size)])
    shares = floor + (c.B - np.sum(floor)) * rng.dirichlet(np.ones(c.a.size))
    assert energy_of(c, more, t, u, shares) >= plan.lower_bound * (1 - NEGATIVE_GAP_TOL)


def feasible_split(c: Constants, t: Floats, u: Floats) -> bool:
    if np.any(c.F * t < c.D_lo) or np.any(u <= c.h / c.P):
        return False
    top = np.minimum(c.D_hi, c.F * t)
    floor = sum(least_bandwidth(c, i, float(u[i])) for i in range(c.a.size))
    return bool(np.sum(c.alpha * top**-c.beta) <= c.A and floor < c.B)


@given(fleets.problems(), st.floats(-8, 8), st.floats(-8, 8))
def test_any_prices_give_a_lower_bound(problem: Problem, error: float, bandwidth: float) -> None:
    plan = problem.solve()
    prices = fo.Prices(plan.prices.error * math.exp(error), plan.prices.bandwidth * math.exp(bandwidth), 0.0)
    assert fo.lower_bound(*problem, prices) <= plan.energy * (1 + NEGATIVE_GAP_TOL * (1 + relative_prices(plan)))


@given(fleets.problems())
def test_the_prices_alone_prove_the_bound(problem: Problem) -> None:
    plan = problem.solve()
    alone = fo.lower_bound(*problem, plan.prices)
    assert alone == pytest.approx(plan.lower_bound, rel=allowed_gap(plan))


@given(fleets.problems())
def test_worthless_prices_prove_nothing_wrong(problem: Problem) -> None:
    plan = problem.solve()
    assert 0 <= fo.lower_bound(*problem, fo.Prices(0.0, 0.0, 0.0)) <= plan.energy
    assert fo.lower_bound(*problem, fo.Prices(-1.0, -1.0, -1.0)) == fo.lower_bound(*problem, fo.Prices(0.0, 0.0, 0.0))
