"""suggest_relaxation: its answer admits a plan, less of it does not, and two oracles find no smaller change."""

import copy
import itertools
import math
import pickle
from typing import Any

import casadi
import fleets
import numpy as np
import pytest
from fleets import Problem
from fuzz.drawing import draw
from fuzz.placing import place
from hypothesis import given
from hypothesis import strategies as st
from oracles import Constants, _ipopt_start, _run_ipopt, constants

import fimi_opt as fo
from fimi_opt.relaxing import DEFAULT_WEIGHTS

# IPOPT's tolerance of 1e-11 on its own scaling, and the 1e-9 that relaxed limits are on the admitting side.
IPOPT_TOL = 2e-7
# A grid that is zoomed in on its best point until it is this fine; the objective is flat there.
GRID_TOL = 1e-4
# The limits are given 1e-9 on the admitting side: 1 + change is at most so much too large.
ADMIT_TOL = 2e-9
# Of the way to the relaxed limits: what falls short of it by more than what they are rounded up by admits no plan.
SHORT = 1e-6
TRADES: list[dict[str, float | None]] = [
    {"bandwidth": 1.0, "max_latency": 1.0, "max_global_error": 1.0},
    {"bandwidth": 1.0, "max_latency": 0.1, "max_global_error": None},
    {"bandwidth": 0.01, "max_global_error": 1.0},
    {"max_latency": 1.0, "max_global_error": 3.0},
    {"bandwidth": 1.0, "max_latency": 1.0, "rounds": 1.0},
    {"max_latency": 2.0, "rounds": 1.0, "bandwidth": math.inf},
]


def tight(problem: Problem, band: float, time: float, error: float) -> Problem:
    """The problem with its limits multiplied by these."""
    limits = problem.limits
    return problem.limited(
        bandwidth=limits.bandwidth * band,
        max_latency=limits.max_latency * time,
        max_global_error=limits.max_global_error * error,
    )


def ipopt_relaxed(c: Constants, problem: Problem, weights: dict[str, float]) -> float:
    """Least weighted change by an interior-point method, over logarithms of times, bands, B and T, and over A."""
    n, curve, limits = c.a.size, problem.task.learning, problem.limits
    lnD, lnt, lnu, lnb = (casadi.MX.sym(name, n) for name in "Dtub")
    band, time, m = (casadi.MX.sym(name) for name in ("band", "time", "m"))
    steep = limits.rounds / curve.zeta
    given_m = -math.log(limits.max_global_error) / steep  # of 1 + gamma - A / I
    v = c.s * n / (c.B * c.T) * casadi.exp(-lnu - lnb)
    ln_phi = v + casadi.log(-casadi.expm1(-v)) - casadi.log(v)
    errors = casadi.DM(c.alpha * c.D_lo**-c.beta) * casadi.exp(-c.beta * lnD)
    rows = [
        casadi.sum1(errors) / n - (1 + curve.gamma - m),
        casadi.log(casadi.sum1(casadi.exp(lnb)) / n) - band,
        casadi.log(casadi.exp(lnt) + casadi.exp(lnu)) - time,
        lnD - lnt - casadi.DM(np.log(c.F * c.T / c.D_lo)),
        ln_phi - lnu - casadi.DM(np.log(c.P * c.T / c.h)),
    ]
    goal = weights.get("bandwidth", 0.0) * (casadi.exp(band) - 1) + weights.get("max_latency", 0.0) * (
        casadi.exp(time) - 1
    )
    goal += weights.get("max_global_error", 0.0) * (casadi.exp(steep * (given_m - m)) - 1)
    goal += weights.get("rounds", 0.0) * (given_m / m - 1)
    D, t, u, b = _ipopt_start(c)
    top = [math.inf if name in weights else 0.0 for name in ("bandwidth", "max_latency")]
    least_m = 0.0 if "max_global_error" in weights or "rounds" in weights else given_m
    z = _run_ipopt(
        {"x": casadi.vertcat(lnD, lnt, lnu, lnb, band, time, m), "f": goal, "g": casadi.vertcat(*rows)},
        np.concatenate(
            [np.log(D / c.D_lo), np.log(t / c.T), np.log(u / c.T), np.log(b * n / c.B), [0.0, 0.0, given_m / 2]]
        ),
        np.concatenate([np.zeros(n), np.full(3 * n, -np.inf), [0.0, 0.0, least_m]]),
        np.concatenate([np.log(c.D_hi / c.D_lo), np.full(3 * n, np.inf), top, [given_m]]),
    )
    changes = {
        "bandwidth": math.expm1(z[-3]),
        "max_latency": math.expm1(z[-2]),
        "max_global_error": math.expm1(steep * (given_m - z[-1])),
        "rounds": given_m / z[-1] - 1,
    }
    return float(sum(weight * changes[name] for name, weight in weights.items()))


def finite(weights: dict[str, float | None]) -> dict[str, float]:
    return {name: weight for name, weight in weights.items() if weight is not None and weight < math.inf}


@pytest.mark.parametrize("weights", TRADES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
@pytest.mark.parametrize("count", [1, 4, 12])
def test_least_change_is_ipopts(kind: Any, count: int, seed: int, weights: dict[str, float | None]) -> None:
    problem = tight(kind(count, seed), 0.2, 0.5, 0.95)
    try:
        found = fo.suggest_relaxation(*problem, weights=weights)
    except fo.InfeasibleError:
        with pytest.raises(RuntimeError):  # IPOPT finds none either
            ipopt_relaxed(constants(*problem), problem, finite(weights))
        return
    expected = ipopt_relaxed(constants(*problem), problem, finite(weights))
    slack = sum(finite(weights).values())
    assert found.objective == pytest.approx(expected, rel=IPOPT_TOL, abs=slack * IPOPT_TOL)
    assert found.objective >= expected - slack * IPOPT_TOL


def test_least_change_by_trying() -> None:
    """A grid over deadline and error, and for each the least band that solve names; zoomed in on its best point."""
    problem = tight(fleets.paper_like(3, 5), 0.1, 0.4, 0.9)
    limits, weights = problem.limits, {"bandwidth": 1.0, "max_latency": 2.0, "max_global_error": 4.0}
    found = fo.suggest_relaxation(*problem, weights=weights)

    def change(time: float, error: float) -> float:
        if error * limits.max_global_error >= 1:
            return math.inf
        hopeless = tight(problem, 1e-9, time, error)
        with pytest.raises(fo.InfeasibleError) as caught:
            hopeless.solve()
        least: float | None = caught.value.min_bandwidth
        if least is None:
            return math.inf
        return max(least / limits.bandwidth - 1, 0) + 2 * (time - 1) + 4 * (error - 1)

    centre, width, best = (2.5, 1.5), (1.5, 0.5), math.inf
    for _ in range(8):
        points = [
            tuple(max(m + w * k, 1.0) for m, w, k in zip(centre, width, steps, strict=True))
            for steps in itertools.product(np.linspace(-1, 1, 11), repeat=2)
        ]
        values = [change(*point) for point in points]
        assert min(values) >= found.objective * (1 - ADMIT_TOL)
        best, centre = min(values), points[int(np.argmin(values))]
        width = (width[0] * 0.4, width[1] * 0.4)
    assert found.objective == pytest.approx(best, rel=GRID_TOL)
    assert len(found.changes) == 3


def confirm(problem: Problem, weights: dict[str, float | None] | None = None) -> fo.Relaxation | None:
    """The relaxed limits admit a plan, none is stricter, and a little less of the change admits none."""
    try:
        found = fo.suggest_relaxation(*problem, weights=weights)
    except fo.InfeasibleError:
        return None
    limits = problem.limits
    problem._replace(limits=found.constraints).solve()
    nearly = {}
    for change in found.changes:
        assert (
            getattr(found.constraints, change.limit) == change.relaxed > change.given == getattr(limits, change.limit)
        )
        assert change.relative == pytest.approx(change.relaxed / change.given - 1)
        nearly[change.limit] = change.given + (1 - SHORT) * (change.relaxed - change.given)
    if nearly and found.objective > 1e-2:  # SHORT of less is not beyond rounding up by 1e-9
        with pytest.raises(fo.InfeasibleError):
            problem.limited(**nearly).solve()
    return found


@pytest.mark.parametrize("weights", TRADES)
@pytest.mark.parametrize("kind", sorted(fleets.DEGENERATE))
def test_degenerate_fleets(kind: str, weights: dict[str, float | None]) -> None:
    confirm(tight(fleets.degenerate(kind, 4, 50), 0.3, 0.6, 0.97), weights)


@given(
    fleets.problems(4),
    st.floats(1e-3, 1.5),
    st.floats(1e-2, 1.5),
    st.floats(0.8, 1.0),
    st.sampled_from(TRADES),
)
def test_random_fleets(
    problem: Problem, band: float, time: float, error: float, weights: dict[str, float | None]
) -> None:
    confirm(tight(problem, band, time, error), weights)


@pytest.mark.parametrize(
    ("limit", "attribute"),
    [
        ("bandwidth", "min_bandwidth"),
        ("max_latency", "min_latency"),
        ("max_global_error", "min_global_error"),
        ("rounds", "min_rounds"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_one_free_limit_gets_its_critical_value(seed: int, limit: str, attribute: str) -> None:
    problem = fleets.tightened(fleets.paper_like(5, seed), -0.05)
    with pytest.raises(fo.InfeasibleError) as caught:
        problem.solve()
    least = getattr(caught.value, attribute)
    if least is None:
        with pytest.raises(fo.InfeasibleError, match=f"^no change of {limit} admits a plan; no plan meets"):
            fo.suggest_relaxation(*problem, weights={limit: 3.0})
        return
    found = fo.suggest_relaxation(*problem, weights={limit: 3.0})
    assert [change.limit for change in found.changes] == [limit]
    assert found.changes[0].relaxed == pytest.approx(least, rel=ADMIT_TOL)
    assert found.objective == 3.0 * found.changes[0].relative


def test_a_limit_that_weighs_more_changes_less() -> None:
    problem = tight(fleets.paper_like(6, 3), 0.1, 0.4, 0.9)
    for limit in ("bandwidth", "max_latency", "max_global_error"):
        last = math.inf
        for weight in (0.1, 1.0, 10.0, 100.0):
            found = fo.suggest_relaxation(*problem, weights={**DEFAULT_WEIGHTS, limit: weight})
            relative = sum(change.relative for change in found.changes if change.limit == limit)
            assert relative <= last * (1 + IPOPT_TOL) + ADMIT_TOL
            last = relative


def test_scaled_weights_do_not_matter() -> None:
    problem = tight(fleets.wild(6, 3), 0.1, 0.4, 0.9)
    one = fo.suggest_relaxation(*problem)
    other = fo.suggest_relaxation(*problem, weights=dict.fromkeys(DEFAULT_WEIGHTS, 1e5))
    assert other.objective == pytest.approx(1e5 * one.objective, rel=IPOPT_TOL)


def test_where_a_plan_exists_nothing_changes() -> None:
    problem = fleets.paper_like(4, 1)
    found = fo.suggest_relaxation(*problem)
    assert found == fo.Relaxation(problem.limits, (), 0.0)
    assert found.constraints is problem.limits
    assert str(found) == "a plan meets all limits as they are"


# What is short of the band is a rounding of the error limit, or the other way round.
@pytest.mark.filterwarnings("ignore::fimi_opt.ImplausibleInputWarning")
@pytest.mark.parametrize(("seed", "index"), [(3, 1155), (4, 108), (7, 1459)])
def test_a_shortage_of_roundings(seed: int, index: int) -> None:
    drawn = draw(seed, index, 300)
    placed = place(drawn.loose, drawn.placement)
    assert placed is not None
    with pytest.raises(fo.InfeasibleError):
        fo.solve(*placed)
    found = fo.suggest_relaxation(*placed)
    assert 0 < found.objective < SHORT
    assert fo.solve(placed.devices, found.constraints, placed.task).status is fo.Status.OPTIMAL


# Every device at its most meets the error limit by a rounding, and only the deadline can give way.
@pytest.mark.filterwarnings("ignore::fimi_opt.ImplausibleInputWarning")
@pytest.mark.parametrize("index", [192, 452])
def test_a_rounding_that_only_the_deadline_could_make_up_for(index: int) -> None:
    problem = draw(11, index, 40).loose
    short = problem.limited(bandwidth=1e-6 * problem.limits.bandwidth)
    found = fo.suggest_relaxation(*short, weights={"max_latency": 1.0})
    assert [change.limit for change in found.changes] == ["max_latency"]
    # The error may give way too, but need not.
    more = fo.suggest_relaxation(*short, weights={"max_latency": 1.0, "max_global_error": 1e12})
    assert [change.limit for change in more.changes] == ["max_latency"]
    assert fo.solve(short.devices, found.constraints, short.task).status is fo.Status.OPTIMAL


def test_in_words() -> None:
    problem = tight(fleets.paper_like(4, 1), 0.05, 0.5, 1.0)
    found = fo.suggest_relaxation(*problem, weights={"bandwidth": 1.0, "max_latency": 1.0})
    assert [change.limit for change in found.changes] == ["bandwidth", "max_latency"]
    said = str(found)
    assert " Hz instead of " in said
    assert " s instead of " in said
    assert said.endswith(" admit a plan")
    for change in found.changes:
        printed = float(said.split(f"{change.limit} = ")[1].split()[0])
        assert change.relaxed <= printed <= change.relaxed * (1 + 1e-6)


def test_pickling_and_copying() -> None:
    found = fo.suggest_relaxation(*tight(fleets.paper_like(4, 1), 0.05, 0.5, 1.0))
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other == found


def test_no_relaxation_helps_where_nothing_is_learnt() -> None:
    devices = fo.Devices([2.0, 3.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    task = fo.Task(fo.LearningCurve(3.0, 0.25, 0.1, 77.6), 5e6, 1, 1e6)
    with pytest.raises(fo.InfeasibleError, match=r"admits a plan: max_synthetic = \d") as caught:
        fo.suggest_relaxation(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 10.0), task)
    assert caught.value.reasons == ("data",)


def test_no_band_helps_a_device_that_is_too_slow() -> None:
    problem = fleets.paper_like(4, 43)
    c = constants(*problem)
    problem = problem.limited(max_latency=0.99 * float(np.max(c.D_lo / c.F)))
    with pytest.raises(fo.InfeasibleError, match=r"no change of bandwidth and max_global_error.* cannot even train"):
        fo.suggest_relaxation(*problem, weights={"bandwidth": 1.0, "max_global_error": 1.0})


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0], "weights must be a mapping"),
        ({"band": 1.0}, "weights has 'band': the limits are bandwidth"),
        ({"bandwidth": "1"}, r"weights\['bandwidth'\] must be a real number or None, got '1'"),
        ({"bandwidth": True}, r"weights\['bandwidth'\] must be a real number or None, got True"),
        ({"bandwidth": 0.0}, r"weights\['bandwidth'\] must be from 1e-12 to 1e12, or inf, got 0.0"),
        ({"bandwidth": math.nan}, r"weights\['bandwidth'\] must be from 1e-12 to 1e12, or inf, got nan"),
        ({}, "weights leaves no limit free"),
        ({"rounds": None, "bandwidth": math.inf}, "weights leaves no limit free"),
        ({"rounds": 1.0, "max_global_error": 1.0}, "weights frees max_global_error and rounds"),
    ],
)
def test_mistakes_are_named(weights: Any, words: str) -> None:
    problem = fleets.paper_like(2, 1)
    with pytest.raises(fo.InvalidInputError, match=words):
        fo.suggest_relaxation(*problem, weights=weights)
