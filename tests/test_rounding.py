"""Plans in whole samples against enumeration of all of them, and what they cost above the continuous bound."""

import itertools
import math
import warnings
from dataclasses import replace
from typing import Any

import fleets
import numpy as np
import pytest
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt import baselines, scenarios
from fimi_opt.errors import NumericalError
from fimi_opt.plan import Status
from fimi_opt.rounding import halves, rounded
from fimi_opt.rounding.search import Search
from fimi_opt.solvers.instance import make_instance

Floats = NDArray[np.float64]

# What whole samples may cost on the paper's fleet: its curvature alone costs some 2e-7 on average.
PAPER_GAP = 5e-6
# Two plans of solve() for the same amounts, each with a gap of at most 1e-12.
SAME_ENERGY = 1e-10
# A learning limit is kept in whole samples but for rounding of the sum over devices.
SUM_ROUNDING = 1e-14
VIOLATION = 1e-9
# Critical values are right to this.
CRITICAL = 1e-6


def in_whole(plan: fo.Plan) -> fo.Plan:
    return rounded(plan, fo.solve)


def check_whole(plan: fo.Plan, continuous: fo.Plan) -> None:
    """Every limit kept, whole amounts within whole limits, the continuous bound kept and not undercut."""
    violations = fo.verify(plan)
    assert max(violations) <= VIOLATION
    assert violations.learning <= SUM_ROUNDING
    assert violations.synthetic <= 0
    assert np.array_equal(plan.synthetic_samples, np.floor(plan.synthetic_samples))
    assert plan.lower_bound == continuous.lower_bound
    assert plan.prices == continuous.prices
    assert plan.energy >= continuous.lower_bound
    assert plan.status in (Status.INTEGER, continuous.status)


def for_amounts(problem: fleets.Problem, amounts: Floats) -> float:
    """Least energy with these amounts, inf where they miss a limit: a fleet that has them and may add none."""
    d, limits, curve = problem.devices, problem.limits, problem.task.learning
    samples = d.local_samples + amounts
    allowed = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error) + curve.gamma
    if np.mean(curve.alpha * samples**-curve.beta) > allowed * (1 + SUM_ROUNDING):
        return math.inf
    columns = (d.energy_coefficient, d.max_frequency, d.channel_gain, d.max_power, d.noise_density)
    given = problem.limited(max_synthetic=0.0, max_global_error=math.sqrt(limits.max_global_error))
    try:
        return given._replace(devices=fleets.devices(samples, *columns)).solve().energy
    except fo.InfeasibleError:
        return math.inf


def enumerated(problem: fleets.Problem) -> float:
    """Least energy over all whole amounts."""
    most = np.broadcast_to(np.floor(problem.limits.max_synthetic), len(problem.devices)).astype(int)
    every = itertools.product(*(range(top + 1) for top in most))
    return min(for_amounts(problem, np.array(amounts, float)) for amounts in every)


def few_samples(seed: int, margin: float | None = None) -> fleets.Problem:
    """Problem of 1 to 4 devices with 3 to 20 samples; with `margin`, its band is so little above the least."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    local = rng.uniform(3, 20, n) if seed % 2 else rng.integers(3, 21, n).astype(float)
    most = rng.uniform(2, (60, 20, 9, 5)[n - 1], n)
    most = most if seed % 3 else np.floor(most)
    alpha, beta = rng.uniform(0.5, 3), rng.uniform(0.2, 1)
    none, full = (float(np.mean(alpha * D**-beta)) for D in (local, local + most))
    gamma = full + rng.uniform(0.05, 0.95) * (none - full) - 0.5  # the limit on the mean error is 0.5
    zeta = 200 * 0.5 / math.log(1 / 0.2)
    columns = (local, rng.uniform(4e-27, 6e-27, n), rng.uniform(1e9, 2e9, n), 10 ** rng.uniform(-12, -9, n), 0.2)
    task = fo.Task(fo.LearningCurve(alpha, beta, gamma, zeta), 10 ** rng.uniform(7, 8), 1, 1e7)
    limits = (0.2, 200, 10 ** rng.uniform(0.7, 1.7), n * 10 ** rng.uniform(6.5, 7.5), most)
    given = fleets.problem(columns, limits, task)
    return given if margin is None else fleets.tightened(given, margin)


def check_against_enumeration(problem: fleets.Problem) -> bool:
    """Return whether there is a plan in whole samples."""
    plan, least = problem.solve(), enumerated(problem)
    if math.isinf(least):
        with pytest.raises(fo.InfeasibleError):
            in_whole(plan)
        return False
    found = in_whole(plan)
    check_whole(found, plan)
    assert found.energy == pytest.approx(least, rel=SAME_ENERGY)
    return True


@pytest.mark.parametrize("seed", range(4))
def test_equals_enumeration(seed: int) -> None:
    assert check_against_enumeration(few_samples(seed))


@pytest.mark.slow
def test_equals_enumeration_of_many() -> None:
    for seed in range(4, 60):
        check_against_enumeration(few_samples(seed))


@pytest.mark.slow
def test_equals_enumeration_where_the_band_is_hardly_enough() -> None:
    found = [check_against_enumeration(few_samples(seed, 10.0 ** -(1 + seed % 4))) for seed in range(40)]
    assert 5 <= sum(found) <= 35  # of both kinds


@pytest.mark.parametrize("seed", range(10))
def test_paper_fleet(seed: int) -> None:
    plan = fo.solve(*scenarios.paper(seed))
    found = in_whole(plan)
    check_whole(found, plan)
    assert found.status is Status.INTEGER
    assert found.gap <= PAPER_GAP
    table = found.synthetic_by_class
    assert table is not None
    assert table.dtype == np.int64
    assert np.array_equal(table.sum(axis=1), found.synthetic_samples)


def test_rounding_up_costs_more_than_a_thousand_times_as_much() -> None:
    scenario = scenarios.paper(seed=0)
    plan = fo.solve(*scenario)
    up = for_amounts(fleets.Problem(*scenario), np.ceil(plan.synthetic_samples))
    assert up - plan.energy > 1e3 * (in_whole(plan).energy - plan.energy)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 24, 25, 26, 49, 400])
def test_any_number_of_devices(count: int) -> None:
    plan = fo.solve(*scenarios.paper(seed=3, devices=count, bandwidth=1e6 * count))
    found = in_whole(plan)
    check_whole(found, plan)
    # No more than one sample, and nothing that can be seen where there are devices enough to choose from.
    one = plan.prices.error / count * float(np.max(_steps(plan))) / plan.energy
    assert found.gap <= (PAPER_GAP if count >= 10 else 1.01 * one + PAPER_GAP)


def _steps(plan: fo.Plan) -> Floats:
    """What one sample less adds to the sum of errors, (I,)."""
    curve = plan.task.learning
    return np.asarray(curve.alpha * ((plan.samples - 1) ** -curve.beta - plan.samples**-curve.beta))


@pytest.mark.slow
def test_large_fleet() -> None:
    plan = fo.solve(*scenarios.paper(seed=0, devices=50_000, bandwidth=50e9))
    found = in_whole(plan)
    check_whole(found, plan)
    assert found.gap <= PAPER_GAP


def test_same_input_same_bits() -> None:
    plan = fo.solve(*scenarios.paper(seed=5, devices=30, bandwidth=30e6))
    one, other = in_whole(plan), in_whole(plan)
    assert one == other


def test_fractional_most_is_rounded_down() -> None:
    scenario = scenarios.paper(seed=0, max_synthetic=400.75)
    plan = fo.solve(*scenario)
    assert np.max(plan.synthetic_samples) > 400
    found = in_whole(plan)
    check_whole(found, plan)
    assert np.max(found.synthetic_samples) == 400


def test_every_device_at_a_fractional_cap_is_infeasible() -> None:
    problem = fleets.degenerate("nearly at its cap", 6, seed=0)
    with pytest.raises(fo.InfeasibleError, match="max_synthetic rounded down") as caught:
        in_whole(problem.solve())
    least = caught.value.min_global_error
    assert least is not None
    top = np.floor(problem.limits.max_synthetic)
    problem.limited(max_global_error=least, max_synthetic=top).solve()
    with pytest.raises(fo.InfeasibleError):
        problem.limited(max_global_error=least * (1 - CRITICAL), max_synthetic=top).solve()


def check_critical_values(problem: fleets.Problem) -> None:
    """Just inside each there is a plan in whole samples, and it is found; just outside there is none."""
    with pytest.raises(fo.InfeasibleError, match="admits one") as caught:
        in_whole(problem.solve())
    critical = {"bandwidth": caught.value.min_bandwidth, "max_global_error": caught.value.min_global_error}
    for name, least in critical.items():
        assert least is not None
        inside, outside = problem.limited(**{name: least}), problem.limited(**{name: least * (1 - CRITICAL)})
        plan = inside.solve()
        check_whole(in_whole(plan), plan)
        assert math.isinf(enumerated(outside))


def test_critical_values_of_whole_samples() -> None:
    check_critical_values(few_samples(6, 1e-4))


@pytest.mark.slow
def test_critical_values_of_whole_samples_of_many() -> None:
    for seed in (3, 9, 12, 15, 18, 21, 27, 33, 39, 45):
        check_critical_values(few_samples(seed, 1e-4))


def test_amounts_that_miss_a_limit_have_no_plan() -> None:
    problem = fleets.Problem(*scenarios.paper(seed=0))
    plan = problem.solve()
    search = Search(plan, make_instance(*problem), fo.solve)
    assert search.found(np.ceil(plan.synthetic_samples)) is not None
    assert search.found(np.floor(plan.synthetic_samples)) is None  # error
    assert search.found(np.full(20, 1e6)) is None  # deadline


@pytest.mark.parametrize(("count", "seed"), [(20, 5), (8, 12), (8, 127), (40, 26)])
def test_amounts_of_many_magnitudes(count: int, seed: int) -> None:
    plan = fleets.wild(count, seed).solve()
    samples = plan.samples[plan.synthetic_samples > 0]
    assert np.max(samples) > 8 * np.min(samples)
    check_whole(in_whole(plan), plan)


def far_apart(seed: int) -> fleets.Problem:
    """Problem of 2 devices that have some 4 and some 400 samples."""
    rng = np.random.default_rng(seed)
    local, most = np.array([4.0, 400.0]) * rng.uniform(0.5, 2, 2), np.array([3, 200])
    full, part = 2.0 * (local + most) ** -0.5, 2.0 * (local + 0.4 * most) ** -0.5
    gamma = float(np.mean(0.5 * (full + part))) - 0.5
    task = fo.Task(fo.LearningCurve(2.0, 0.5, gamma, 200 * 0.5 / math.log(1 / 0.2)), 1e7, 1, 1e7)
    columns = (local, rng.uniform(4e-27, 6e-27, 2), rng.uniform(1e9, 2e9, 2), 10 ** rng.uniform(-12, -9, 2), 0.2)
    return fleets.problem(columns, (0.2, 200, 30.0, 5e6, most), task)


@pytest.mark.slow
def test_equals_enumeration_where_samples_are_worth_more_on_one_device() -> None:
    for seed in range(10):
        check_against_enumeration(far_apart(seed))


def test_no_room_for_whole_samples() -> None:
    plan = fleets.tightened(fleets.wild(20, seed=5), 1e-9).solve()
    with pytest.raises(NumericalError, match=r"max_global_error = .* admits one|max_global_error = .* instead"):
        in_whole(plan)


def test_whole_already() -> None:
    plan = fo.solve(*scenarios.paper(seed=0, max_global_error=0.3))
    assert not plan.synthetic_samples.any()
    assert in_whole(plan) is plan


def test_odd_values_are_not_warned_of_again() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        scenario = scenarios.paper(seed=0)
        odd = replace(scenario.devices, max_power=np.full(20, 11.0))
    plan = fo.solve(odd, scenario.constraints)
    check_whole(in_whole(plan), plan)


def test_schemes_with_the_same_amounts_keep_their_classes() -> None:
    plan = baselines.heuristic(*scenarios.paper(seed=0))
    found = in_whole(plan)
    assert found.scheme == plan.scheme
    assert found.synthetic_samples.tolist() == in_whole(fo.solve(*scenarios.paper(seed=0))).synthetic_samples.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "cross-entropy"}, "method"),
        ({"scheme": replace(fo.plan.FIMI, problem="another")}, "another"),
    ],
)
def test_refuses_other_plans(change: dict[str, Any], message: str) -> None:
    plan = replace(fo.solve(*scenarios.paper(seed=0)), **change)
    with pytest.raises(ValueError, match=message):
        in_whole(plan)


def test_refuses_what_is_no_plan() -> None:
    with pytest.raises(ValueError, match="plan must be"):
        rounded(None, fo.solve)  # type: ignore[arg-type]


def some_halves(seed: int) -> tuple[list[Floats], list[Floats]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, int(rng.integers(1, 6)))
    errors = [np.sort(rng.uniform(0, 1, k))[::-1] for k in sizes]
    return errors, [np.sort(rng.uniform(0, 1, k)) for k in sizes]


@pytest.mark.parametrize("seed", range(30))
def test_halves_meet_as_enumeration_does(seed: int) -> None:
    errors, costs = some_halves(seed)
    middle = len(errors) // 2
    first, second = halves.half(errors[:middle], costs[:middle]), halves.half(errors[middle:], costs[middle:])
    limit, most = 0.5 * len(errors), 0.6 * len(errors)
    every = {
        places: sum(costs[k][j] for k, j in enumerate(places))
        for places in itertools.product(*(range(row.size) for row in errors))
        if sum(errors[k][j] for k, j in enumerate(places)) <= limit
    }
    joined = halves.cheapest(first, second, limit)
    assert bool(joined.costs.size) == bool(every)
    if every:
        assert joined.costs[0] == pytest.approx(min(every.values()), rel=SAME_ENERGY)
        assert every[tuple(halves.taken(first, second, joined, 0).tolist())] == pytest.approx(joined.costs[0])
    for price in (0.1, 1.0, 10.0):
        listed = halves.below(first, second, limit, price, most)
        found = {tuple(halves.taken(first, second, listed, k).tolist()) for k in range(listed.costs.size)}
        assert found == {places for places, cost in every.items() if cost < most}
        assert np.all(np.diff(listed.costs) >= 0)


def test_too_many_pairs_leave_the_cheapest(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    errors, costs = list(rng.uniform(0, 1, (8, 3))), list(rng.uniform(0, 1, (8, 3)))
    first, second = halves.half(errors[:4], costs[:4]), halves.half(errors[4:], costs[4:])
    every = halves.below(first, second, 4.0, 1.0, math.inf)
    monkeypatch.setattr(halves, "_MOST_PAIRS", every.costs.size // 4)
    some = halves.below(first, second, 4.0, 1.0, 4.0)
    assert 0 < some.costs.size < np.sum(every.costs < 4.0)
    assert np.all(np.diff(some.costs) >= 0)
    assert np.isin(some.costs, every.costs).all()
    assert some.costs[0] == every.costs[0]
