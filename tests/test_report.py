"""The table that a plan is shown as: complete, aligned, narrow, and true."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fimi_opt as fo
from fimi_opt.plan.cells import numbers
from fimi_opt.report import table
from fimi_opt.scenarios import Scenario, mixed, paper

# Numbers are shown with three digits or more: half a unit of the third one.
SHOWN = 5e-3
WIDTH = 120


def plan_of(devices: int, **options: Any) -> fo.Plan:
    return fo.solve(*paper(devices=devices, bandwidth=1e6 * devices, **options))


def device_rows(text: str) -> list[str]:
    return text.split("\n\n", 1)[0].split("\n")[2:]


def totals(text: str) -> dict[str, str]:
    return {line[:14].strip(): line[14:] for line in text.split("\n\n")[1].split("\n")}


def savings(text: str) -> list[tuple[float, float]]:
    """Steps and what they save at most, in the order of the text."""
    lines = text.split("\n\n")[2].split("\n")[1:]
    return [(float(line.split()[0]), float(line.split(": ")[1].removesuffix(" J").replace(",", ""))) for line in lines]


@pytest.mark.parametrize("devices", [1, 20, 40])
def test_every_device_has_a_row_with_its_numbers(devices: int) -> None:
    plan = plan_of(devices)
    rows = device_rows(table(plan))
    assert len(rows) == devices
    expected = np.column_stack(
        [
            plan.synthetic_samples,
            plan.frequency / 1e9,
            plan.bandwidth / 1e3,
            plan.power * 1e3,
            plan.compute_time,
            plan.upload_time,
            plan.compute_energy,
            plan.upload_energy,
        ]
    )
    shown = np.array([row.split()[1:] for row in rows], np.float64)
    assert shown == pytest.approx(expected, rel=SHOWN)
    assert [row.split()[0] for row in rows] == [str(i) for i in range(devices)]


def test_long_fleets_are_cut_unless_all_is_asked_for() -> None:
    plan = plan_of(1200)
    rows = device_rows(table(plan))
    assert [row.split()[0] for row in rows] == [*map(str, range(15)), "...", *map(str, range(1195, 1200))]
    assert rows[15] == "... 1,180 more devices (--all shows them) ..."
    assert len(device_rows(table(plan, all_rows=True))) == 1200
    assert len(device_rows(table(plan_of(41)))) == 21


@pytest.mark.parametrize("scenario", [paper(devices=1, bandwidth=1e6), paper(devices=101, bandwidth=1e8), mixed(8)])
def test_rows_are_aligned_and_narrow(scenario: Scenario) -> None:
    text = table(fo.solve(*scenario), all_rows=True)
    head = text.split("\n")[:2]
    assert len({len(row) for row in [*head, *device_rows(text)]}) == 1
    assert max(map(len, text.split("\n"))) <= WIDTH
    assert not any(line != line.rstrip() for line in text.split("\n"))


def test_totals_say_what_the_plan_says() -> None:
    plan = plan_of(20)
    said = totals(table(plan))
    assert list(said) == [
        "energy",
        "lower bound",
        "status",
        "latency",
        "local error",
        "global error",
        "synthetic",
        "band",
    ]
    assert said["energy"].startswith(f"{plan.energy:.6g} J per round: computing ")
    assert said["lower bound"].startswith(f"{plan.lower_bound:.6g} J, no plan takes less: certified gap ")
    assert said["status"] == "optimal: no plan takes less energy, to the certified gap"
    assert said["latency"] == "60 s per round, deadline 60 s"
    assert said["global error"] == "0.2 after 200 rounds, limit 0.2"
    assert said["band"] == "20 MHz in use of 20 MHz"
    total = plan.synthetic_samples.sum()
    assert said["synthetic"] == f"{total:,.1f} samples in total, {total / 20:,.1f} per device"


def test_an_open_gap_says_what_to_do() -> None:
    plan = replace(plan_of(2), status=fo.Status.FEASIBLE, lower_bound=0.0)
    text = table(plan)
    words = " ".join(text.split())
    assert f" status {fo.Status.FEASIBLE.message}; {fo.Status.FEASIBLE.remedy} latency " in words
    assert totals(text)["lower bound"] == "0 J, no plan takes less: certified gap 1.0e+00"
    assert max(map(len, text.split("\n"))) <= WIDTH


def test_savings_are_what_looser_limits_save_at_most() -> None:
    devices, limits, task = paper()
    plan = fo.solve(devices, limits, task)
    (band, for_band), (time, for_time), (error, for_error) = savings(table(plan))
    assert (band, time, error) == (1.0, 1.0, 0.01)
    local = fo.models.mean_error_limit(limits.max_global_error, limits.rounds, task.learning.zeta)
    looser = fo.models.global_error(limits.rounds, local + error, task.learning.zeta)
    assert f"0.01 more local error, as max_global_error = {looser:.4g} allows: " in table(plan)
    for claim, other in (
        (for_band, fo.Constraints(0.2, 200, 60.0, 21e6, 2000)),
        (for_time, fo.Constraints(0.2, 200, 61.0, 20e6, 2000)),
        (for_error, fo.Constraints(looser, 200, 60.0, 20e6, 2000)),
    ):
        saved = plan.energy - fo.solve(devices, other, task).energy
        assert 0.8 * claim <= saved <= claim * (1 + SHOWN)


def test_savings_of_barely_feasible_limits_stay_below_all_that_there_is() -> None:
    devices, _, task = paper()
    with pytest.raises(fo.InfeasibleError) as caught:
        fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 1e5, 2000), task)
    assert caught.value.min_bandwidth is not None
    plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, caught.value.min_bandwidth * 1.0001, 2000), task)
    assert plan.prices.latency > plan.energy
    assert max(saved for _, saved in savings(table(plan))) <= plan.energy * (1 + SHOWN)


def test_enough_local_data_needs_no_looser_error() -> None:
    plan = plan_of(3, max_global_error=0.9)
    text = table(plan)
    assert "  more error: nothing, the local data alone is good enough" in text
    assert {row.split()[1] for row in device_rows(text)} == {"0"}


def test_ids_are_shown_on_one_line_each() -> None:
    devices, limits, task = paper(devices=5)
    names = ["plain", "two words", "line\nfeed", "x" * 100, "手机"]
    text = table(fo.solve(replace(devices, ids=names), limits, task))
    rows = device_rows(text)
    assert [row[:24].rstrip() for row in rows[:4]] == ["plain", "two words", r"'line\nfeed'", "x" * 21 + "..."]
    # Each of the two characters takes two columns.
    assert len({len(row) for row in rows[:4]}) == 1
    assert len(rows[4]) == len(rows[0]) - 2


@example([2.55e-5])
@given(st.lists(st.floats(0, 1e300, allow_nan=False), min_size=1, max_size=5))
def test_numbers_are_short_and_true(values: list[float]) -> None:
    texts = numbers(np.array(values))
    assert max(map(len, texts)) <= 9
    for value, text in zip(values, texts, strict=True):
        assert math.isclose(float(text), value, rel_tol=SHOWN)
