"""Steps of many devices side by side: they lead to the answers of `respond`, and their totals' slopes are right."""

import math
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import Problem
from hypothesis import given
from hypothesis import strategies as st

import fimi_opt as fo
from fimi_opt._kernels import lanes as L  # noqa: N812
from fimi_opt._kernels.fleet import Price, empty_answer, evaluate
from fimi_opt._kernels.settling import answer as answer_rows
from fimi_opt.certificate import Split, judge
from fimi_opt.scenarios import paper
from fimi_opt.solvers.instance import make_instance, state_problem
from fimi_opt.solvers.joint import solve_joint
from fimi_opt.solvers.large import LARGE
from fimi_opt.solvers.smooth import solve_smooth

# Steps from anywhere: quadratic at the end, halving before.
STEPS = 60
# Devices that have arrived are at the answer of `respond` to its own tolerance.
SAME = 1e-9
GAP_TOL = 1e-9


def settled_lanes(problem: Problem, log_nu: float, log_w: float, mark: bool) -> tuple[Any, Any]:
    """Lanes after many steps at fixed prices, and the totals of the last."""
    given_, shared, _, cycles = state_problem(*problem)
    n = given_.samples.size
    lanes = np.empty(L.SIZE)
    L.load(lanes, given_, 0, n, cycles, shared.s)
    L.load_logarithms(lanes, n)
    for j in range(n):
        lanes[L.UPLOAD + j] = 0.3 * shared.T
    L.begin(lanes, n, shared.s, math.exp(log_w))
    for _ in range(STEPS):
        totals = L.step(lanes, n, shared, log_nu, math.exp(log_w), 0.0, 0.0, mark)
    return lanes, totals


def prices_of(problem: Problem) -> tuple[float, float]:
    plan = problem.solve()
    nu = max(plan.prices.error, 1e-3 * plan.energy) / len(problem.devices)
    return math.log(nu), math.log(plan.prices.bandwidth)


@given(fleets.problems(6), st.floats(-1, 1), st.floats(-1, 1))
def test_steps_lead_to_the_answers_to_the_prices(problem: Problem, error: float, bandwidth: float) -> None:
    log_nu, log_w = prices_of(problem)
    log_nu, log_w = log_nu + error, log_w + bandwidth
    instance, n = make_instance(*problem), len(problem.devices)
    lanes, totals = settled_lanes(problem, log_nu, log_w, mark=True)
    if totals.off > SAME:  # near a limit that is not marked: the search would not end here
        return
    answer = empty_answer(n)
    answer.x[:] = 0.85
    e, b, e_nu, e_w, b_w, _ = evaluate(instance.fleet, instance.shared, Price(log_nu, log_w, 0, 0), answer, 0, n)
    nu, w = math.exp(log_nu), math.exp(log_w)
    assert totals.e == pytest.approx(e, rel=SAME)
    assert totals.b == pytest.approx(b, rel=SAME)
    slopes = (totals.e_1, totals.e_2, totals.b_2)
    assert slopes == pytest.approx((nu * e_nu, w * e_w, w * b_w), rel=1e-5, abs=1e-7 * (e + b))
    answer_rows(lanes, n, instance.shared, log_nu, w, 0.0, 0.0)
    assert lanes[L.TIME : L.TIME + n] == pytest.approx(answer.t, rel=1e-7)
    assert lanes[L.DATA : L.DATA + n] == pytest.approx(answer.D, rel=1e-7)
    assert lanes[L.BAND : L.BAND + n] == pytest.approx(answer.b, rel=1e-6)


def test_most_fleets_arrive() -> None:
    """The early return above must not be the rule."""
    arrived = 0
    for seed in range(20):
        problem = fleets.paper_like(6, seed)
        _, totals = settled_lanes(problem, *prices_of(problem), mark=True)
        arrived += totals.off <= SAME
    assert arrived >= 18


def test_totals_slopes_are_finite_differences() -> None:
    problem = Problem(*paper(seed=1))
    log_nu, log_w = prices_of(problem)
    h = 1e-5
    totals = [
        settled_lanes(problem, log_nu + d1, log_w + d2, mark=False)[1] for d1, d2 in ((h, 0), (-h, 0), (0, h), (0, -h))
    ]
    _, at = settled_lanes(problem, log_nu, log_w, mark=False)
    assert at.e_1 == pytest.approx((totals[0].e - totals[1].e) / (2 * h), rel=1e-6)
    assert at.e_2 == pytest.approx((totals[2].e - totals[3].e) / (2 * h), rel=1e-6)
    assert at.b_2 == pytest.approx((totals[2].b - totals[3].b) / (2 * h), rel=1e-6)


def test_a_device_has_the_same_bits_in_every_lane() -> None:
    devices, limits, task = paper(seed=1, devices=9)
    log_nu, log_w = prices_of(Problem(devices, limits, task))
    turned = fo.Devices(*(np.roll(row, 1) for row in state_columns(devices)))
    lanes, _ = settled_lanes(Problem(devices, limits, task), log_nu, log_w, mark=True)
    other, _ = settled_lanes(Problem(turned, limits, task), log_nu, log_w, mark=True)
    for row in (L.V, L.STEP, L.BY_NU, L.BY_W, L.E, L.B):
        assert np.array_equal(np.roll(lanes[row : row + 9], 1), other[row : row + 9])


def state_columns(devices: fo.Devices) -> tuple[Any, ...]:
    return (
        devices.local_samples,
        devices.energy_coefficient,
        devices.max_frequency,
        devices.channel_gain,
        devices.max_power,
        devices.noise_density,
    )


@pytest.mark.parametrize("devices", [1, 5, 20, 127, 128, 129, 1000])
def test_plan_is_that_of_the_search_that_finishes_each_device(devices: int) -> None:
    scenario = paper(seed=devices, devices=devices, bandwidth=1e6 * devices)
    found, plain = solve_smooth(state_problem(*scenario), 1), solve_joint(make_instance(*scenario))
    assert found is not None
    assert plain is not None
    prices = fo.Prices(found.nu * devices, found.w, found.latency_price)
    judged = judge(*scenario, found.rows, prices, Split(*found.split))
    assert judged.violation <= 1e-15
    assert judged.energy - judged.lower_bound <= 1e-12 * judged.energy
    assert (found.nu, found.w) == pytest.approx((plain.nu, plain.w), rel=1e-8)
    assert found.rows == pytest.approx(plain.rows, rel=1e-6)


# Passes over the fleet and steps a device, as counted; work that grows is a fault where clocks can't tell.
@pytest.mark.parametrize(
    ("scenario", "evaluations", "steps"),
    [
        (paper(seed=0), 4, 5),
        (paper(seed=0, devices=1000, bandwidth=1e9), 4, 5.1),
        (paper(seed=0, max_latency=45.0), 4, 5),
        (paper(seed=0, max_global_error=0.5), 4, 5),
        pytest.param(paper(seed=0, devices=LARGE, bandwidth=1e6 * LARGE), 2, 3.2, marks=pytest.mark.slow),
    ],
)
def test_work_that_a_fleet_takes(scenario: Any, evaluations: int, steps: float) -> None:
    found = solve_smooth(state_problem(*scenario), 1)
    assert found is not None
    assert found.evaluations <= evaluations
    assert found.inner_steps <= steps * len(scenario.devices)


def test_none_where_no_split_is_open_or_no_data_is_enough() -> None:
    devices, limits, task = paper(seed=0)
    early = fo.Constraints(0.2, 200, 1.0, limits.bandwidth, 2000)
    assert solve_smooth(state_problem(devices, early, task), 1) is None
    floor = fo.Constraints(1e-9, 1, 60.0, limits.bandwidth, 2000)
    assert solve_smooth(state_problem(devices, floor, task), 1) is None
