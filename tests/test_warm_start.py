"""A warm start saves steps and changes nothing else."""

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt.scenarios import paper
from fimi_opt.solve import _warm
from fimi_opt.solvers.instance import state_problem
from fimi_opt.solvers.large import LARGE
from fimi_opt.solvers.smooth import solve_smooth

# Both plans are within their certified gaps of the same optimum.
SAME_ENERGY = 1e-11


def faded(seed: int, devices: int) -> tuple[fo.Devices, fo.Constraints, fo.Task]:
    """Return the fleet of `paper(seed)` in the next round: every channel has moved by about 20 %."""
    fleet, limits, task = paper(seed=seed, devices=devices, bandwidth=1e6 * devices)
    moved = fleet.channel_gain * np.exp(0.2 * np.random.default_rng(seed).standard_normal(devices))
    next_round = fo.Devices(
        fleet.local_samples,
        fleet.energy_coefficient,
        fleet.max_frequency,
        moved,
        fleet.max_power,
        fleet.noise_density,
    )
    return next_round, limits, task


@pytest.mark.parametrize("devices", [1, 20, 300, pytest.param(LARGE + 5, marks=pytest.mark.slow)])
def test_the_plan_is_as_good_as_a_cold_one(devices: int) -> None:
    before = fo.solve(*paper(seed=4, devices=devices, bandwidth=1e6 * devices))
    cold, warm = fo.solve(*faded(4, devices)), fo.solve(*faded(4, devices), warm_start=before)
    assert warm.status is fo.Status.OPTIMAL
    assert warm.energy == pytest.approx(cold.energy, rel=SAME_ENERGY)


def test_it_takes_fewer_evaluations() -> None:
    devices, limits, task = faded(4, 20)
    problem = state_problem(devices, limits, task)
    cold = solve_smooth(problem, 1)
    warm = solve_smooth(problem, 1, _warm(devices, fo.solve(*paper(seed=4))))
    assert cold is not None
    assert warm is not None
    # Counted: 5 evaluations cold, 4 warm.
    assert warm.evaluations < cold.evaluations


@pytest.mark.parametrize("limit", [0.5, 0.2])
def test_from_a_plan_without_a_price_of_error_and_back(limit: float) -> None:
    devices, limits, task = paper(seed=2)
    easy = fo.Constraints(0.7 - limit, limits.rounds, limits.max_latency, limits.bandwidth, limits.max_synthetic)
    hard = fo.Constraints(limit, limits.rounds, limits.max_latency, limits.bandwidth, limits.max_synthetic)
    warm = fo.solve(devices, hard, task, warm_start=fo.solve(devices, easy, task))
    assert warm.energy == pytest.approx(fo.solve(devices, hard, task).energy, rel=SAME_ENERGY)


def test_a_start_far_off_is_only_slower() -> None:
    devices, limits, task = paper(seed=5)
    rushed = fo.Constraints(0.2, limits.rounds, 30.0, 10 * limits.bandwidth, limits.max_synthetic)
    warm = fo.solve(devices, limits, task, warm_start=fo.solve(devices, rushed, task))
    assert warm.energy == pytest.approx(fo.solve(devices, limits, task).energy, rel=SAME_ENERGY)
    back = fo.solve(devices, rushed, task, warm_start=fo.solve(devices, limits, task))
    assert back.energy == pytest.approx(fo.solve(devices, rushed, task).energy, rel=SAME_ENERGY)


def test_a_plan_for_other_devices_is_refused() -> None:
    with pytest.raises(ValueError, match="warm_start plans 3 devices, but there are 20"):
        fo.solve(*paper(), warm_start=fo.solve(*paper(devices=3)))
    with pytest.raises(ValueError, match="warm_start must be"):
        fo.solve(*paper(), warm_start=3)  # type: ignore[arg-type]
