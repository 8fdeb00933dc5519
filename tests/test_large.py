"""Fleets that are solved in blocks: the same plan as any other, on any number of threads, in few evaluations."""

import subprocess
import sys

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


POISONED = """
import sys
import numpy as np
import fimi_opt as fo
from fimi_opt.scenarios import paper
devices, limits, task = paper(seed=3, devices=40_000, bandwidth=3e6 * 40_000)
power = devices.max_power * np.where(np.arange(40_000) % 2, 1.0, 0.02)
mixed = fo.Devices(
    devices.local_samples, devices.energy_coefficient, devices.max_frequency, devices.channel_gain, power
)
for _ in range(2):
    heap = [np.full(2944, float(sys.argv[1])) for _ in range(500)]
    del heap
    plan = fo.solve(mixed, limits, task, workers=1)
    print(plan.power.tobytes().hex(), plan.lower_bound.hex())
"""


def test_what_memory_held_before_changes_nothing() -> None:
    """Devices at full power read rows of their lanes that others do not: all must have been filled."""
    plans = set()
    for poison in ("1e300", "-1.0"):
        done = subprocess.run([sys.executable, "-c", POISONED, poison], capture_output=True, text=True, check=True)
        plans.update(done.stdout.split("\n")[:-1])
    assert len(plans) == 1


def test_one_device_that_hardly_computes_keeps_no_fleet_from_the_quick_way(scenario: Scenario) -> None:
    devices, limits, task = scenario
    samples = np.array(devices.local_samples)
    most = np.full(COUNT, 2000.0)
    samples[7], most[7] = 1.0, 0.0
    odd = fo.Devices(
        samples, devices.energy_coefficient, devices.max_frequency, devices.channel_gain, devices.max_power
    )
    easier = fo.Constraints(0.201, limits.rounds, limits.max_latency, limits.bandwidth, most)
    found = solve_large(state_problem(odd, easier, task), workers=2)
    assert found is not None
    assert found.inner_steps <= 6 * COUNT
    assert fo.solve(odd, easier, task).gap <= GAP_TOL
