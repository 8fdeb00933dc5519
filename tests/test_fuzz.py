"""The fuzz campaign: a fixed slice of it, the cases it found, and that its judge, shrinker and workers work."""

import functools
import math
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import fleets
import numba
import numpy as np
import pytest
from fleets import Problem
from fuzz import cases, judging, proofs
from fuzz.__main__ import main
from fuzz.drawing import CORNERS, draw
from fuzz.exact_dual import exact_dual
from fuzz.judging import Verdict, judge, judge_drawn
from fuzz.placing import Placement, place
from fuzz.report import page, summary
from fuzz.rows import Rows
from fuzz.running import NoAnswerError, Worker
from fuzz.shrinking import shrink
from oracles import constants, ipopt_least

import fimi_opt as fo
from fimi_opt.scenarios import paper

FOUND = Path(__file__).with_name("cases_found")

# Another seed than the campaign's, and small fleets, for the time: a few milliseconds an instance.
SEED, COUNT, CHUNK, LARGEST = 2, 2000, 100, 20
# Of the plans, so many are certified to the default tolerance.
SOLVED_SHARE = 0.999
# IPOPT's tolerance, with room, for the least band.
IPOPT_TOL = 1e-8
# The same sums in another order.
ROUNDING = 1e-12

needs_jit = pytest.mark.skipif(
    numba.config.DISABLE_JIT,  # type: ignore[attr-defined]
    reason="the judge takes any warning for a failure, and without JIT NumPy warns where kernels divide by zero",
)


@functools.cache
def verdicts(first: int) -> tuple[Verdict, ...]:
    return tuple(judge_drawn(SEED, index, LARGEST) for index in range(first, first + CHUNK))


# --- The slice, and what campaigns found ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_every_instance_ends_in_a_verified_plan_or_a_confirmed_refusal(first: int) -> None:
    wrong = {first + k: verdict for k, verdict in enumerate(verdicts(first)) if verdict.failure}
    assert not wrong, "\n".join(f"{SEED} {index}: {verdict}" for index, verdict in wrong.items())


@pytest.mark.slow
def test_nearly_every_plan_is_certified_to_the_default_tolerance() -> None:
    plans = [(v.gap, v) for first in range(0, COUNT, CHUNK) for v in verdicts(first) if v.gap is not None]
    assert len(plans) > COUNT / 2
    open_ = [(gap, v) for gap, v in plans if gap > judging.SOLVED_GAP]
    assert len(open_) <= (1 - SOLVED_SHARE) * len(plans), open_


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: path.stem)
def test_cases_that_campaigns_found(path: Path) -> None:
    verdict = judge(cases.problem_of(cases.read(path)))
    assert not verdict.failure, verdict


# In both the prices of the better bound are far from those of the search: either can tell what roundings are worth.
@pytest.mark.parametrize("index", [591, 1295])
def test_gaps_that_a_better_bound_with_other_prices_leaves(index: int) -> None:
    verdict = judge_drawn(11, index, 300)
    assert verdict.outcome == "plan"
    assert not verdict.failure, verdict


# --- What is drawn ----------------------------------------------------------------------------------------------------


def test_an_instance_is_the_same_whenever_it_is_drawn() -> None:
    assert draw(5, 17) == draw(5, 17)
    assert draw(5, 17) != draw(5, 18)
    assert draw(5, 17) != draw(6, 17)


def test_every_corner_both_sides_and_every_limit_are_drawn() -> None:
    drawn = [draw(SEED, index, LARGEST) for index in range(500)]
    assert {one.corner for one in drawn} == set(CORNERS)
    assert {one.placement.limit for one in drawn} == {"", "bandwidth", "max_latency", "max_global_error"}
    margins = [one.placement.margin for one in drawn]
    for near, far in ((1e-9, 1e-7), (1e-3, 1e-1)):
        assert any(near <= margin <= far for margin in margins)
        assert any(-far <= margin <= -near for margin in margins)
    assert max(len(one.loose.devices) for one in drawn) == LARGEST


def test_ranges_of_the_wide_fleets() -> None:
    every = (draw(SEED, index, 3) for index in range(3000))
    drawn = [one.loose for one in every if one.corner in ("wide", "nothing placed", "short uploads")]
    gains = np.log10([float(np.min(one.devices.channel_gain)) for one in drawn])
    data = np.log10([float(np.max(one.devices.local_samples)) for one in drawn])
    bits = np.log10([one.task.update_bits for one in drawn])
    betas = [one.task.learning.beta for one in drawn]
    assert np.ptp(gains) > 11
    assert np.ptp(data) > 5
    assert (min(bits), max(bits)) == pytest.approx((3, 10), abs=0.1)
    assert (min(betas), max(betas)) == pytest.approx((0.01, 3), rel=0.05)


def test_cases_keep_every_number() -> None:
    for index in range(200):
        given = draw(SEED, index, 5).loose
        again = cases.problem_of(cases.case_of(given))
        assert again.devices == given.devices
        assert again.task == given.task
        assert np.all(np.asarray(again.limits.max_synthetic) == given.limits.max_synthetic)


@needs_jit
@pytest.mark.parametrize("limit", ["bandwidth", "max_latency", "max_global_error"])
def test_limits_are_placed_on_either_side(limit: str) -> None:
    loose = fleets.paper_like(3, 4)
    assert judge(_placed(loose, Placement(limit, 1e-6, 0.5))).outcome == "plan"
    assert judge(_placed(loose, Placement(limit, -1e-6, 0.5))).outcome == "infeasible"


def _placed(loose: Problem, placement: Placement) -> Problem:
    problem = place(loose, placement)
    assert problem is not None
    return problem


# --- The judge --------------------------------------------------------------------------------------------------------


@pytest.fixture
def easy() -> Problem:
    return fleets.paper_like(3, 1)


@needs_jit
def test_a_plan_passes(easy: Problem) -> None:
    verdict = judge(easy)
    assert (verdict.outcome, verdict.failure, verdict.devices) == ("plan", "", 3)


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (lambda plan: {"power": plan.power * (1 - 1e-7)}, "violation"),
        (lambda plan: {"frequency": plan.frequency * (1 + 1e-6)}, "gap above 1e-7"),
        (lambda plan: {"lower_bound": plan.lower_bound * (1 + 1e-10)}, "bound above the energy"),
        (lambda plan: {"lower_bound": plan.lower_bound * (1 - 1e-6)}, "gap above 1e-7"),
        (lambda plan: {"lower_bound": plan.lower_bound * (1 - 1e-8)}, "status"),
        (lambda plan: {"prices": plan.prices._replace(error=2 * plan.prices.error)}, "gap not confirmed"),
    ],
)
def test_a_wrong_plan_is_seen(easy: Problem, monkeypatch: pytest.MonkeyPatch, change: Any, failure: str) -> None:
    plan = easy.solve()
    monkeypatch.setattr(Problem, "solve", lambda self: replace(plan, **change(plan)))
    assert judge(easy).failure == failure


@needs_jit
@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({"min_bandwidth": 1 - 1e-5}, "min_bandwidth does not admit a plan"),
        ({"min_bandwidth": 1 + 1e-5}, "min_bandwidth is not the least"),
        ({"min_latency": 1 - 1e-5}, "min_latency does not admit a plan"),
        ({"min_rounds": 1 + 1e-5}, "min_rounds is not the least"),
        ({"min_global_error": None}, "a min_global_error exists"),
        ({"devices": (1,)}, "devices misnamed"),
    ],
)
def test_a_wrong_refusal_is_seen(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], failure: str) -> None:
    narrow = _placed(fleets.paper_like(3, 4), Placement("bandwidth", -1e-2))
    right = Problem.solve
    assert judge(narrow).failure == ""

    def solve(self: Problem) -> fo.Plan:
        if self is not narrow:
            return right(self)
        try:
            return right(self)
        except fo.InfeasibleError as error:
            for name, factor in change.items():
                value = getattr(error, name)
                setattr(error, name, factor if factor is None or isinstance(factor, tuple) else value * factor)
            raise

    monkeypatch.setattr(Problem, "solve", solve)
    assert judge(narrow).failure == failure


@needs_jit
def test_a_plan_beyond_a_critical_value_and_a_refusal_before_it_are_seen(easy: Problem) -> None:
    assert judge(easy, Verdict(margin=-0.1)).failure == "planned beyond a critical value"
    narrow = _placed(easy, Placement("bandwidth", -1e-3))
    assert judge(narrow, Verdict(margin=0.1)).failure == "refused though a plan exists"


def test_warnings_and_other_errors_are_seen(easy: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Problem, "solve", lambda self: np.log(np.zeros(1)))
    assert judge(easy).failure == "RuntimeWarning"


def test_the_proof_of_infeasibility_is_as_sharp_as_ipopt() -> None:
    for seed in range(5):
        problem = fleets.paper_like(4, seed)
        least = ipopt_least(constants(*problem), "bandwidth")
        assert proofs.band_bound(problem, least / problem.limits.rounds) == pytest.approx(least, rel=IPOPT_TOL)


def test_the_proof_of_infeasibility_is_no_proof_where_a_plan_exists() -> None:
    for seed in range(5):
        problem = _placed(fleets.wild(3, seed), Placement("bandwidth", 1e-6))
        plan = problem.solve()
        price = plan.prices.error / 3 / plan.prices.bandwidth
        assert proofs.band_bound(problem, price) <= problem.limits.bandwidth
        assert proofs.room_without_band(problem) > 0


def test_energy_and_violations_are_the_models(easy: Problem) -> None:
    plan = easy.solve()
    decision = (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
    found = proofs.measured(easy, *decision)
    assert found.energy == pytest.approx(plan.energy, rel=ROUNDING)
    assert found.violation == pytest.approx(fo.verify(plan).worst, abs=ROUNDING)
    assert proofs.measured(easy, -2 * easy.devices.local_samples, *decision[1:]).violation == math.inf


def test_classes_are_judged() -> None:
    given = next(one.loose for one in (draw(SEED, index, 5) for index in range(300)) if one.corner == "class counts")
    assert given.devices.class_counts is not None
    plan = given.limited(bandwidth=1e20).solve()
    assert proofs.keeps_classes(plan, judging.CLASS_TOL)
    table = np.array(plan.synthetic_by_class, dtype=np.float64)
    table[0, 0] += 1 + 1e-3 * plan.samples[0]
    plan.__dict__["synthetic_by_class"] = table
    assert not proofs.keeps_classes(plan, judging.CLASS_TOL)


# --- The shrinker, the workers, the rows ------------------------------------------------------------------------------


def test_a_failure_shrinks_to_the_device_and_the_digits_that_make_it() -> None:
    case = cases.case_of(fleets.paper_like(20, 3))
    case["devices"]["max_power"][13] = 0.123456789

    def fails(smaller: cases.Case) -> bool:
        return any(0.1234 < power < 0.1235 for power in smaller["devices"]["max_power"])

    small = shrink(case, fails)
    assert small["devices"]["max_power"] == [0.12346]
    assert all(float(f"{value:.0e}") == value for value in small["task"]["learning"].values() if value)
    assert len(case["devices"]["max_power"]) == 20


def test_shrinking_ends() -> None:
    case = cases.case_of(fleets.paper_like(20, 3))
    tried: list[cases.Case] = []

    def never(smaller: cases.Case) -> bool:
        tried.append(smaller)
        return False

    assert shrink(case, never, tries=7) == case
    assert len(tried) == 7


def _hang(seconds: float) -> None:
    time.sleep(seconds)


def _crash() -> None:
    os.abort()


def test_a_worker_outlives_hangs_and_crashes() -> None:
    worker = Worker(limit=0.5)
    try:
        worker.begin(_hang, 600.0)
        with pytest.raises(NoAnswerError, match="hang"):
            worker.end()
        worker.limit = 60.0
        worker.begin(_crash)
        with pytest.raises(NoAnswerError, match="crash"):
            worker.end()
        worker.begin(math.sqrt, 2.0)
        assert worker.end() == math.sqrt(2.0)
    finally:
        worker.close()


def test_rows_outlive_an_interruption(tmp_path: Path) -> None:
    rows = Rows(tmp_path, "some")
    rows.add(3, {"failure": ""})
    rows.add(1, {"failure": "hang"})
    with rows.path.open("a", encoding="utf-8") as file:
        file.write('{"index": 2, "fail')
    again = Rows(tmp_path, "some")
    assert again.by_index == {3: {"index": 3, "failure": ""}, 1: {"index": 1, "failure": "hang"}}
    again.add(2, {"failure": ""})
    assert sorted(Rows(tmp_path, "some").by_index) == [1, 2, 3]


@needs_jit
def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--seed", "2", "--largest", "4", "--jobs", "1", "--shrink", "0", "--folder", str(tmp_path)]
    assert main([*command, "--count", "3"]) == 0
    (path,) = tmp_path.glob("*.jsonl")
    first = path.read_text(encoding="utf-8")
    assert main([*command, "--count", "5", "--page", str(tmp_path / "page.md")]) == 0
    assert path.read_text(encoding="utf-8").startswith(first)
    assert sorted(Rows(tmp_path, path.stem).by_index) == [0, 1, 2, 3, 4]
    assert "Seed 2, 5 instances" in (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "2 of 2" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--count", "0"), ("--jobs", "0"), ("--seed", "-1"), ("--limit", "nan")])
def test_impossible_orders_are_refused(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(list(option))
    assert option[0] in capsys.readouterr().err


def test_shares_are_never_rounded_up() -> None:
    rows = [Verdict("wide", devices=1, outcome="plan", gap=0.0, violation=0.0)._asdict()] * 99_999
    rows = [*rows, Verdict("wide", devices=1, failure="hang")._asdict()]
    figures = summary(rows, [], 1)
    assert figures["all"]["solved"] == 99_999
    assert "99.999 % of the instances" in page(figures)
    assert "| hang | 1 |" in page(figures)


def test_the_dual_to_forty_digits_is_the_optimum() -> None:
    problem = Problem(*paper(devices=2, bandwidth=2e6))
    plan = problem.solve()
    exact = exact_dual(problem, plan.prices.error, plan.prices.bandwidth)
    assert exact == pytest.approx(plan.energy, rel=1e-12)
    assert exact_dual(problem, 1.5 * plan.prices.error, plan.prices.bandwidth) < plan.energy
    assert exact_dual(problem, plan.prices.error, 0.7 * plan.prices.bandwidth) < plan.energy
