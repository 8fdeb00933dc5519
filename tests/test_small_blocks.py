"""The method of large fleets with blocks and a sample of a few hundred devices: what runs without JIT as well."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt._kernels.lanes import SIZE, STEP, WIDTH, V, load, load_logarithms
from fimi_opt._kernels.large import _begin_fitted
from fimi_opt.certificate import Split, judge
from fimi_opt.scenarios import Scenario, paper
from fimi_opt.solvers import large, smooth
from fimi_opt.solvers.instance import state_problem
from fimi_opt.solvers.joint import JointSolution, WarmStart

BLOCK, SAMPLE, COUNT = 128, 100, 3 * 128 + 17
# Sums of 400 rounded numbers.
GAP_TOL, VIOLATION_TOL = 1e-12, 1e-14
# Two searches for the same optimum end with prices that differ by their step tolerance.
SAME_PRICE = 1e-6


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "BLOCK", BLOCK)
        patch.setattr(large, "SAMPLE", SAMPLE)
        yield


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return paper(seed=3, devices=COUNT, bandwidth=1e6 * COUNT)


def check(scenario: Any, found: JointSolution | None) -> JointSolution:
    assert found is not None
    devices, limits, task = scenario
    prices = fo.Prices(found.nu * COUNT, found.w, found.latency_price)
    judged = judge(devices, limits, task, found.rows, prices, Split(*found.split))
    assert judged.violation <= VIOLATION_TOL
    assert abs(judged.energy - judged.lower_bound) <= GAP_TOL * judged.energy
    return found


def test_the_plan_is_certified_and_the_one_without_blocks(scenario: Scenario) -> None:
    found = check(scenario, large.solve_large(state_problem(*scenario), workers=1))
    plain = smooth.solve_smooth(state_problem(*scenario), workers=1)
    assert plain is not None
    assert (found.nu, found.w) == pytest.approx((plain.nu, plain.w), rel=SAME_PRICE)
    assert found.latency_price == pytest.approx(plain.latency_price, rel=SAME_PRICE)
    assert found.rows == pytest.approx(plain.rows, rel=1e-5)
    # Counted: 3 or 4 passes and 6.2 steps a device, from a sample that is 40 times smaller than a large fleet's.
    assert 3 <= found.evaluations <= 4
    assert COUNT <= found.inner_steps <= 7 * COUNT


def test_large_fleets_are_solved_in_blocks(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(smooth, "solve_large", lambda *arguments: calls.append(arguments[1:]))
    for least, in_blocks in ((COUNT, True), (COUNT + 1, False)):
        calls.clear()
        monkeypatch.setattr(smooth, "LARGE", least)
        assert (smooth.solve_smooth(state_problem(*scenario), 3) is None) == in_blocks
        assert calls == [(3, None)] * in_blocks


def test_any_number_of_threads_gives_the_same_bits(scenario: Scenario) -> None:
    one, two = (large.solve_large(state_problem(*scenario), workers) for workers in (1, 3))
    assert one is not None
    assert two is not None
    assert np.array_equal(one.rows, two.rows)
    assert (one.nu, one.w, one.inner_steps) == (two.nu, two.w, two.inner_steps)


def test_devices_that_share_a_feature_leave_the_fit_regular() -> None:
    devices, limits, task = paper(seed=3, devices=COUNT, bandwidth=1e6 * COUNT)
    alike = fo.Devices(
        np.full(COUNT, 1250.0), devices.energy_coefficient, devices.max_frequency, devices.channel_gain, 0.2
    )
    check((alike, limits, task), large.solve_large(state_problem(alike, limits, task), workers=1))


def test_from_the_times_of_an_earlier_plan(scenario: Scenario) -> None:
    cold = check(scenario, large.solve_large(state_problem(*scenario), workers=1))
    found = check(scenario, large.solve_large(state_problem(*scenario), 1, start_from(cold)))
    assert found.inner_steps <= cold.inner_steps
    assert found.rows == pytest.approx(cold.rows, rel=1e-6)


def start_from(found: JointSolution, log_nu: float | None = None) -> WarmStart:
    times = np.array(found.split[0])
    times.flags.writeable = False
    return WarmStart(math.log(found.nu) if log_nu is None else log_nu, math.log(found.w), times)


def easier(scenario: Scenario, error: float) -> tuple[fo.Devices, fo.Constraints, fo.Task]:
    devices, limits, task = scenario
    changed = fo.Constraints(error, limits.rounds, limits.max_latency, limits.bandwidth, limits.max_synthetic)
    return devices, changed, task


def test_no_synthetic_data_needed(scenario: Scenario) -> None:
    easy = easier(scenario, 0.6)
    found = check(easy, large.solve_large(state_problem(*easy), workers=1))
    assert found.nu == 0
    assert np.all(found.rows[0] == 0)
    # From the prices of a fleet that did need some, too.
    hard = check(scenario, large.solve_large(state_problem(*scenario), workers=1))
    again = check(easy, large.solve_large(state_problem(*easy), 1, start_from(hard)))
    assert again.nu == 0
    # The other way round there is no price of error to start from.
    warm = start_from(found, log_nu=-math.inf)
    assert large.solve_large(state_problem(*scenario), 1, warm) is None


def test_none_where_a_device_misses_the_deadline(scenario: Scenario) -> None:
    devices, limits, task = scenario
    sampled = set(np.linspace(0, COUNT - 1, SAMPLE).astype(int).tolist())
    slow = next(i for i in range(COUNT) if i not in sampled)
    frequency = np.array(devices.max_frequency)
    frequency[slow] = devices.local_samples[slow] * task.cycles_per_sample / limits.max_latency
    one_slow = fo.Devices(
        devices.local_samples, devices.energy_coefficient, frequency, devices.channel_gain, devices.max_power
    )
    assert large.solve_large(state_problem(one_slow, limits, task), workers=1) is None
    early = fo.Constraints(0.2, 200, 1.0, limits.bandwidth, 2000)
    assert large.solve_large(state_problem(devices, early, task), workers=1) is None


def test_none_where_the_sample_needs_no_data_and_the_fleet_does(scenario: Scenario) -> None:
    devices, limits, task = scenario
    sampled = np.linspace(0, COUNT - 1, SAMPLE).astype(int)
    samples = np.full(COUNT, 300.0)
    samples[sampled] = 3000.0
    lucky = fo.Devices(
        samples, devices.energy_coefficient, devices.max_frequency, devices.channel_gain, devices.max_power
    )
    assert large.solve_large(state_problem(lucky, limits, task), workers=1) is None
    assert fo.solve(lucky, limits, task).prices.error > 0


def test_the_samples_fit_is_close_for_every_device(scenario: Scenario) -> None:
    d, limits, task = scenario
    spread = 10 ** np.random.default_rng(4).uniform(-0.3, 0.3, COUNT)  # the paper's devices share one coefficient
    unlike = fo.Devices(d.local_samples, d.energy_coefficient * spread, d.max_frequency, d.channel_gain, d.max_power)
    problem = state_problem(unlike, limits, task)
    given, shared, _, cycles = problem
    sample, plain = large._sample(problem), smooth.solve_smooth(problem, 1)
    assert sample is not None
    assert plain is not None
    log_nu, log_w, fit = sample
    # Of the fleet's spread, as the sample is of a quarter of it.
    assert (log_nu, log_w) == pytest.approx((math.log(plain.nu), math.log(plain.w)), abs=0.05)
    lanes = np.empty(SIZE)
    load(lanes, given, 0, WIDTH, cycles, shared.s)
    load_logarithms(lanes, WIDTH)
    _begin_fitted(lanes, WIDTH, fit[0], fit[1], fit[2])
    _, u, b = plain.split
    right = shared.s / (u[:WIDTH] * b[:WIDTH])
    assert np.max(np.abs(np.log(lanes[V : V + WIDTH] / right))) <= 0.015  # measured 0.0122
    assert np.all(lanes[STEP : STEP + WIDTH] == 0)
