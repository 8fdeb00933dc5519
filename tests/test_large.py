"""Fleets that are solved in blocks: the same plan as any other, on any number of threads, in few evaluations."""

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt.scenarios import Scenario, paper
from fimi_opt.solvers.instance import make_instance, state_problem
from fimi_opt.solvers.joint import solve_joint
from fimi_opt.solvers.large import BLOCK, LARGE, solve_large

GAP_TOL = 1e-9
VIOLATION_TOL = 1e-9
# Tens of thousands of devices take minutes without JIT.
pytestmark = pytest.mark.slow

# Two searches for the same optimum end with prices that differ by their step tolerance, and energies by its square.
SAME_ENERGY = 1e-12
COUNT = LARGE + BLOCK // 2 + 17


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return paper(seed=3, devices=COUNT, bandwidth=1e6 * COUNT)


def test_the_plan_is_the_one_that_is_found_without_blocks(scenario: Scenario) -> None:
    plan = fo.solve(*scenario)
    assert -1e-12 <= plan.gap <= GAP_TOL
    assert max(fo.verify(plan)) <= VIOLATION_TOL
    plain = solve_joint(make_instance(*scenario))
    assert plain is not None
    assert plan.prices.bandwidth == pytest.approx(plain.w, rel=1e-6)
    devices, limits, task = scenario
    bound = fo.lower_bound(devices, limits, task, fo.Prices(plain.nu * COUNT, plain.w, 0.0), fo.Split(*plain.split))
    assert plan.energy == pytest.approx(bound, rel=SAME_ENERGY + plan.gap)


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_any_number_of_threads_gives_the_same_bits(scenario: Scenario, workers: int) -> None:
    assert fo.solve(*scenario, workers=workers) == fo.solve(*scenario, workers=1)


def test_no_synthetic_data_needed(scenario: Scenario) -> None:
    devices, limits, task = scenario
    easy = fo.Constraints(0.6, limits.rounds, limits.max_latency, limits.bandwidth, limits.max_synthetic)
    plan = fo.solve(devices, easy, task)
    assert np.all(plan.synthetic_samples == 0)
    assert plan.prices.error == 0
    assert plan.gap <= GAP_TOL


def test_few_evaluations_are_enough(scenario: Scenario) -> None:
    found = solve_large(state_problem(*scenario), workers=2)
    assert found is not None
    # Counted: 2 passes over the fleet and 3.1 steps a device, here and at a million devices.
    assert found.evaluations <= 3
    assert found.inner_steps <= 4 * COUNT


def test_a_fleet_that_is_not_easy_is_solved_all_the_same(scenario: Scenario) -> None:
    devices, _, task = scenario
    with pytest.raises(fo.InfeasibleError) as raised:
        fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 1e4 * COUNT, 2000), task)
    assert raised.value.min_bandwidth is not None
    narrow = fo.Constraints(0.2, 200, 60.0, 1.01 * raised.value.min_bandwidth, 2000)
    plan = fo.solve(devices, narrow, task)
    assert plan.gap <= GAP_TOL
    assert max(fo.verify(plan)) <= VIOLATION_TOL
