"""The benchmark: its peers find what `solve` finds, an answer that is not good enough has no time, numbers as text."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from speed import table
from speed.aims import aims
from speed.conic import Clarabel
from speed.contenders import CERTIFIED, EVALUATION, IPOPT, PEER, SEARCH, many
from speed.evaluation import Evaluation
from speed.fleets import draw, next_round
from speed.interior import Ipopt
from speed.judging import Decision, Goal, Verdict, judge, measure
from speed.measuring import Contender, Taken, clocked
from speed.measuring import measure as measure_times
from speed.page import fill
from speed.picture import draw as draw_picture
from speed.rows import BASE, Memory, Results, Row, Start, group_of, load
from speed.scaled import scale
from speed.searches import Pycma, cross_entropy
from speed.sequential import Slsqp

import fimi_opt as fo
from fimi_opt.scenarios import Scenario

DEVICES = 4
# The same sums in another order differ by rounding.
ROUNDING = 1e-12
MACHINE: dict[str, Any] = {
    "processor": "one",
    "cores": 2,
    "memory_gib": 1.0,
    "system": "s",
    "python": "3",
    "packages": {},
    "load_before": 0,
}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return next_round(draw(DEVICES))


@pytest.fixture(scope="module")
def plan(scenario: Scenario) -> fo.Plan:
    return fo.solve(*scenario)


def decision(plan: fo.Plan) -> Decision:
    return Decision(plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "benchmarks" / "results.json", MACHINE)


# Peers


@pytest.mark.parametrize("build", [lambda p: Ipopt(p, 60.0), Clarabel, Slsqp], ids=["IPOPT", "Clarabel", "SLSQP"])
def test_peers_find_the_optimum(build: Callable[[Any], Any], scenario: Scenario, plan: fo.Plan) -> None:
    found = build(scale(scenario)).solve()
    assert judge(scenario, found.decision, plan.lower_bound, PEER).fault == ""
    assert found.seconds > 0


def test_a_peer_that_is_out_of_time_says_so(scenario: Scenario) -> None:
    with pytest.raises(RuntimeError, match="WallTime"):
        Ipopt(scale(scenario), 1e-9).solve()


@pytest.mark.slow
def test_searches_find_the_optimum(scenario: Scenario, plan: fo.Plan) -> None:
    assert judge(scenario, Pycma(scenario).solve().decision, plan.lower_bound, SEARCH).fault == ""
    assert judge(scenario, decision(cross_entropy(scenario)), plan.lower_bound, SEARCH).fault == ""


def test_one_evaluation_is_the_models(scenario: Scenario, plan: fo.Plan) -> None:
    evaluation = Evaluation(scenario, plan, workers=3)
    sums = evaluation()
    assert evaluation.check(sums).fault == ""
    assert sums.energy == pytest.approx(plan.energy, rel=ROUNDING)
    assert "1.0e-06 away" in evaluation.check(sums._replace(error=sums.error * (1 + 1e-6))).fault


def test_a_batch_is_judged_fleet_by_fleet() -> None:
    loop, batch = many(3, DEVICES)
    plans = batch.call().answer
    assert batch.judge(plans).fault == loop.judge(loop.call().answer).fault == ""
    error = fo.InfeasibleError("no room")
    assert batch.judge([plans[0], error, plans[2]]).fault == "fleet 1: no room"
    assert "fleet 1: gap" in batch.judge([plans[0], plans[2], plans[2]]).fault


# Judging


def test_a_plan_is_measured_as_it_measures_itself(scenario: Scenario, plan: fo.Plan) -> None:
    energy, violation = measure(scenario, decision(plan))
    assert energy == pytest.approx(plan.energy, rel=ROUNDING)
    assert violation <= CERTIFIED.violation
    assert judge(scenario, decision(plan), plan.lower_bound, CERTIFIED).fault == ""


def test_a_dear_plan_is_refused(scenario: Scenario, plan: fo.Plan) -> None:
    less = replace(scenario.constraints, bandwidth=0.9 * scenario.constraints.bandwidth)
    dear = fo.solve(scenario.devices, less, scenario.task)
    verdict = judge(scenario, decision(dear), plan.lower_bound, PEER)
    assert verdict.fault.startswith("gap")
    assert verdict.violation <= PEER.violation


@pytest.mark.parametrize("field", Decision._fields)
def test_a_plan_that_misses_a_limit_is_refused(field: str, scenario: Scenario, plan: fo.Plan) -> None:
    # Each of these, scaled down or up, breaks some limit: error, deadline, band, or a device's power.
    good = decision(plan)
    lenient = Goal(gap=1.0, violation=CERTIFIED.violation)
    for factor in (0.9, 1.5):
        verdict = judge(scenario, good._replace(**{field: getattr(good, field) * factor}), plan.lower_bound, lenient)
        if verdict.fault:
            break
    assert "violation" in verdict.fault


def test_less_energy_than_there_is_is_refused(scenario: Scenario, plan: fo.Plan) -> None:
    cheap = decision(plan)._replace(f=plan.frequency * 0.99)
    assert "gap -" in judge(scenario, cheap, plan.lower_bound, Goal(1e-6, 1.0)).fault


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 0.0])
def test_nonsense_is_refused(bad: float, scenario: Scenario, plan: fo.Plan) -> None:
    for field in Decision._fields:
        row = getattr(decision(plan), field).copy()
        row[1] = bad
        if not (field == "gen" and bad == 0.0):
            assert judge(scenario, decision(plan)._replace(**{field: row}), plan.lower_bound, PEER).fault


# Timing


def contender(name: str, fault: str = "", **settings: Any) -> Contender:
    return Contender(name, lambda: clocked(lambda: 1), lambda _: Verdict(1e-12, 0.0, fault), CERTIFIED, **settings)


def test_an_answer_that_is_refused_has_no_time(results: Results) -> None:
    measure_times([contender(BASE), contender(IPOPT, "gap 1e-3")], 20, group_of(20), 3, 1.0, results)
    good, bad = results.rows
    assert good.runs > 1
    assert good.median is not None
    assert (bad.median, bad.runs, bad.fault) == (None, 0, "gap 1e-3")
    assert results.failures() == ["IPOPT, 20 devices: gap 1e-3"]
    assert table.cells(results, bad)[2] == "not timed: gap 1e-3"
    assert results.find(IPOPT, 20) is None


def test_the_last_answer_is_judged_too(results: Results) -> None:
    answers = iter(["", "later"])
    late = Contender(BASE, lambda: clocked(lambda: 1), lambda _: Verdict(0.0, 0.0, next(answers)), CERTIFIED)
    measure_times([late], 20, "g", 5, 1.0, results)
    assert results.failures() == ["solve, 20 devices: later"]


def test_a_peer_that_fails_is_a_row(results: Results) -> None:
    def fail() -> Taken:
        raise RuntimeError("Restoration_Failed")

    measure_times([Contender(IPOPT, fail, lambda _: Verdict(0, 0), PEER)], 20, "g", 2, 1.0, results)
    assert results.failures() == ["IPOPT, 20 devices: it failed: Restoration_Failed"]


def test_what_is_called_once_counts(results: Results) -> None:
    answers = iter([Taken(None, 2.5)])
    once = contender(IPOPT, once=True)
    once.call = lambda: next(answers)
    measure_times([once], 20, "g", 4, 1.0, results)
    assert results.rows[0].runs == 1
    assert results.rows[0].median == 2.5


def test_a_budget_ends_the_slow_before_the_quick(results: Results) -> None:
    slow = contender(IPOPT)
    slow.spent = 2.0
    measure_times([contender(BASE), slow], 20, "g", 2, 1.0, results)
    assert [row.method for row in results.rows] == [BASE]


def test_an_interruption_leaves_what_was_measured(results: Results) -> None:
    calls = 0

    def interrupted() -> Taken:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise KeyboardInterrupt
        return Taken(None, 1.0)

    second = contender(IPOPT)
    second.call = interrupted
    with pytest.raises(KeyboardInterrupt):
        measure_times([contender(BASE), second], 20, "g", 1000, 60.0, results)
    saved = load(results.path)
    assert not saved.complete
    # Of the second method's calls two were its preparation and one its turn's first, which does not count.
    assert [(entry.method, entry.runs > 1) for entry in saved.rows] == [(BASE, True), (IPOPT, False)]
    assert saved.rows[1].runs == 1
    assert saved.rows == results.rows


# Text


def row(method: str, median: float | None, **changes: Any) -> Row:
    made = Row(method, 20, group_of(20), BASE, median, median, median, 7, None, 1e-12, 1e-9, 0.0)
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.52e-5, "95.2 us"),
        (9.999e-4, "1.00 ms"),
        (1.5721, "1.57 s"),
        (1370.0, "1,370 s"),
        (1e-9, "0.00100 us"),
        (None, "-"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    assert table.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.95, "0.950"), (24.18, "24.2"), (999.6, "1,000"), (13_420_000, "13,400,000")]
)
def test_three_digits(value: float, text: str) -> None:
    assert table.digits(value) == text


def test_the_table_says_ratios_gaps_and_set_up(results: Results) -> None:
    results.rows = [row(BASE, 1e-4), row(IPOPT, 2.42e-3, setup=0.5, gap=1.2e-9, violation=3e-10)]
    peer = ("IPOPT", "20", "2.42 ms", "2.42 ms to 2.42 ms", "24.2", "1.2e-09", "3.0e-10", "500 ms", "7", "")
    assert table.cells(results, results.rows[1]) == peer
    text = table.plain(table.HEADER, [table.cells(results, entry) for entry in results.rows])
    assert len({line.index("20 ") for line in text.splitlines()[1:]}) == 1
    assert table.markdown(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x/y | z |"


def test_page_and_picture_follow_the_json(results: Results) -> None:
    million = {"devices": 1_000_000, "group": group_of(1_000_000)}
    results.rows = [row(BASE, 1e-4), row(IPOPT, 4e-3), row(BASE, 0.1, **million), row(EVALUATION, 0.01, **million)]
    results.memory = [Memory(1_000_000, peak=300, inputs=100, plan=64, gap=0.0)]
    results.starts = [Start("import and first solve, cache filled", 0.8, 0.7, 0.9, 3)]
    results.save()
    again = load(results.path)
    assert again == results
    met = {aim.what: aim.met for aim in aims(again)}
    assert met["IPOPT's solve over ours, 20 devices"] is False
    assert met["our solve over one evaluation, 1,000,000 devices"] is True
    assert met["IPOPT's solve over ours, 1,000 devices"] is None
    page = fill(again)
    assert "1,000,000 devices take 10.0 times one evaluation" in page
    assert "$" not in page
    json.dumps(again.machine)
    file = results.path.with_name("time.png")
    draw_picture(again, file)
    assert file.read_bytes().startswith(b"\x89PNG")


def test_next_rounds_gains_alone_differ() -> None:
    before, now = draw(50).devices, next_round(draw(50)).devices
    decibels = 10 * np.log10(now.channel_gain / before.channel_gain)
    assert 0.5 < np.std(decibels) < 1.5
    assert np.array_equal(before.max_power, now.max_power)
