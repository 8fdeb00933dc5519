"""What the exact method does where the quick search is not enough, each step made to fail in turn."""

import math
from typing import Any

import pytest
from fleets import Problem

import fimi_opt as fo
from fimi_opt import exact
from fimi_opt.certificate import Judgement, Split, tightened
from fimi_opt.errors import NumericalError
from fimi_opt.scenarios import paper
from fimi_opt.solvers.instance import state_problem
from fimi_opt.solvers.joint import solve_joint


def exact_answer() -> tuple[Problem, exact._Answer]:
    problem = Problem(*paper(seed=7, devices=4, bandwidth=4e6))
    found, judged = exact._exact(*problem, 1e-9, 1, None)
    return problem, exact._Answer(found, judged, judged.lower_bound, exact._prices(problem.devices, found))


def test_a_bound_above_the_energy_is_a_fault_of_ours() -> None:
    problem, answer = exact_answer()
    limits, prices = (problem.limits, problem.task), answer.prices
    curve = problem.task.learning
    A = 1 + curve.zeta / limits[0].rounds * math.log(limits[0].max_global_error) + curve.gamma
    worth = prices.error * A + prices.bandwidth * limits[0].bandwidth + prices.latency * limits[0].max_latency
    for violation in (0.0, 1e-10):
        most = 1e-9 * 100.0 + 10 * max(violation, 16 * 2.0**-52) * worth
        exact._check_bound(Judgement(100.0, 100.0 + 0.99 * most, violation), prices, *limits)
        with pytest.raises(NumericalError, match="less than its bound"):
            exact._check_bound(Judgement(100.0, 100.0 + 1.01 * most, violation), prices, *limits)


@pytest.mark.parametrize("violation", [3.01e-12, math.nan])
def test_a_plan_that_misses_a_limit_is_not_returned(violation: float) -> None:
    exact.check_violation(3e-12)
    with pytest.raises(NumericalError, match="misses a limit by"):
        exact.check_violation(violation)


def test_an_open_gap_is_closed_by_a_better_bound_its_prices_and_the_limits_as_they_stand() -> None:
    problem, answer = exact_answer()
    weak = answer._replace(bound=0.5 * answer.bound)
    assert weak.gap == pytest.approx(1 - 0.5 * answer.bound / answer.judged.energy, rel=1e-12)
    better = exact._tightened(weak, *problem, 1e-9)
    assert abs(better.gap) <= 1e-12
    assert better.prices == answer.prices
    # Too much work for the largest fleets.
    assert exact._closed(weak, *problem, 1e-9).gap == better.gap
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "MOST_TIGHTENED", 3)
        assert exact._closed(weak, *problem, 1e-9) is weak


def test_prices_that_give_the_better_bound_are_the_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, answer = exact_answer()
    nu, w, latency = answer.prices
    other = tightened(*problem, answer.prices, Split(*answer.found.split), answer.judged.energy)
    monkeypatch.setattr(exact, "tightened", lambda *_: other._replace(error_price=2 * nu, bandwidth_price=3 * w))
    found = exact._tightened(answer._replace(bound=0.0), *problem, 1e-9)
    assert tuple(found.prices) == pytest.approx((2 * nu, 3 * w, 3 * latency), rel=1e-14)
    # A bound that is no better changes nothing.
    monkeypatch.setattr(exact, "tightened", lambda *_: other._replace(bound=answer.bound, error_price=2 * nu))
    assert exact._tightened(answer, *problem, 1e-9) == answer
    # By bisection where the gap is still open.
    monkeypatch.setattr(exact, "tightened", lambda *_: other._replace(bound=-1.0))
    bisected = exact._tightened(answer._replace(bound=0.0), *problem, 1e-9)
    assert abs(bisected.gap) <= 1e-9
    assert exact._tightened(answer._replace(bound=0.0), *problem, 1.0).bound == 0.0


@pytest.mark.parametrize("spoilt", ["refused", "nothing", "violated", "worse"])
def test_limits_that_are_loosened_by_a_rounding_help_or_change_nothing(
    spoilt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, answer = exact_answer()
    weak = answer._replace(bound=0.9 * answer.bound)
    monkeypatch.setattr(exact, "_tightened", lambda answer, *_: answer)
    assert exact._closed(weak, *given, 1e-9) is weak  # a rounding of these limits is worth nothing
    monkeypatch.setattr(exact, "_SMALL_PART", 1.0)
    judge, parts = exact._judge, []

    def stated(devices: Any, limits: Any, task: Any, inside: float) -> Any:
        parts.append(inside)
        return state_problem(devices, limits, task, inside)

    monkeypatch.setattr(exact, "state_problem", stated)
    whole = exact._closed(weak, *given, 1e-9)
    assert abs(whole.gap) <= 1e-12
    assert parts == [1.0]  # the limits as they stand were enough
    monkeypatch.setattr(exact, "_judge", lambda *args: judge(*args)._replace(lower_bound=0.95 * answer.bound))
    assert exact._closed(weak, *given, 1e-9).bound == 0.95 * answer.bound
    assert parts[1:] == [1.0, 1.0 + 4e-15, 1.0 + 6e-14, 1.0 + 1e-12]

    def refused(*_: Any) -> Any:
        raise fo.InfeasibleError("by a rounding")

    if spoilt == "refused":
        monkeypatch.setattr(exact, "check", refused)
    if spoilt == "nothing":
        monkeypatch.setattr(exact, "solve_joint", lambda *_: None)
    if spoilt == "violated":
        monkeypatch.setattr(exact, "_judge", lambda *args: judge(*args)._replace(violation=1.1e-9))
    if spoilt == "worse":
        monkeypatch.setattr(exact, "_judge", lambda *args: judge(*args)._replace(lower_bound=0.8 * answer.bound))
    assert exact._closed(weak, *given, 1e-9) is weak


@pytest.mark.parametrize("spoilt", ["violated", "open"])
def test_the_quick_plan_is_taken_only_where_it_is_good(spoilt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, answer = exact_answer()
    judge, calls = exact._judge, []

    def spoils_the_first(*arguments: Any) -> Judgement:
        calls.append(arguments)
        judged = judge(*arguments)
        if len(calls) > 1:
            return judged
        return (
            judged._replace(violation=1.1e-9)
            if spoilt == "violated"
            else judged._replace(lower_bound=judged.energy * (1 - 1.1e-9))
        )

    monkeypatch.setattr(exact, "_judge", spoils_the_first)
    found, judged = exact._exact(*given, 1e-9, 1, None)
    assert len(calls) == 2
    assert judged.energy == pytest.approx(answer.judged.energy, rel=1e-12)
    assert found.evaluations > 0
    # Where the next search finds nothing either, the slow one does; and where that ends in nothing it is said.
    calls.clear()
    plain = solve_joint
    monkeypatch.setattr(exact, "solve_joint", lambda *args: plain(*args) if len(args) > 1 else None)
    assert exact._exact(*given, 1e-9, 1, None)[1].energy == pytest.approx(answer.judged.energy, rel=1e-12)
    calls.clear()
    monkeypatch.setattr(exact, "solve_joint", lambda *_: None)
    with pytest.raises(NumericalError, match="the search ended without a plan"):
        exact._exact(*given, 1e-9, 1, None)
