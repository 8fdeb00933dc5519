"""The reference cases: the energy and the least bandwidth that an interior-point solver found, with tolerance 1e-11."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import measure

import fimi_opt as fo

ROOT = Path(__file__).resolve().parents[1]
BESIDE, COPY = ROOT.parent / "shared" / "cases", ROOT / "tests" / "cases"

# What a case must meet; the references are accurate to 1e-7, the least bandwidths are looser than what we promise.
ENERGY_TOL = 1e-6
VIOLATION_TOL = 1e-9
BOUND_TOL = 1e-7
MIN_BANDWIDTH_TOL = 1e-6
# On every case, and on those that are not one part in a thousand from infeasible.
GAP_TOL, REGULAR_GAP_TOL = 1e-8, 1e-9
# What rounding may put the bound above the energy.
NEGATIVE_GAP_TOL = 1e-12
# The same sums in another order.
SAME_ENERGY_TOL = 1e-12


def cases() -> dict[str, dict[str, Any]]:
    folder = BESIDE if BESIDE.is_dir() else COPY
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


CASES = cases()
FEASIBLE = [name for name, case in CASES.items() if not case["expected"].get("infeasible")]
INFEASIBLE = [name for name, case in CASES.items() if case["expected"].get("infeasible")]


def arguments(case: dict[str, Any]) -> tuple[fo.Devices, fo.Constraints, fo.Task]:
    columns: dict[str, Any] = {name: np.array(values) for name, values in case["devices"].items()}
    task = dict(case["task"], learning=fo.LearningCurve(**case["task"]["learning"]))
    return fo.Devices(**columns), fo.Constraints(**case["constraints"]), fo.Task(**task)


def test_there_are_cases_of_both_kinds() -> None:
    assert len(FEASIBLE) >= 19
    assert len(INFEASIBLE) >= 4


@pytest.mark.parametrize("name", FEASIBLE)
def test_optimum(name: str) -> None:
    expected = CASES[name]["expected"]
    plan = fo.solve(*arguments(CASES[name]))
    measured = measure(plan)
    assert measured.energy == pytest.approx(expected["energy"], rel=ENERGY_TOL)
    assert plan.energy == pytest.approx(measured.energy, rel=SAME_ENERGY_TOL)
    assert measured.violation <= VIOLATION_TOL
    assert fo.verify(plan).worst <= VIOLATION_TOL
    assert -NEGATIVE_GAP_TOL <= plan.gap <= (GAP_TOL if name.endswith("_tight") else REGULAR_GAP_TOL)
    assert plan.lower_bound <= expected["energy"] * (1 + BOUND_TOL)
    assert plan.status is fo.Status.OPTIMAL or plan.gap > REGULAR_GAP_TOL


@pytest.mark.parametrize("name", INFEASIBLE)
def test_infeasible(name: str) -> None:
    with pytest.raises(fo.InfeasibleError) as caught:
        fo.solve(*arguments(CASES[name]))
    assert caught.value.min_bandwidth == pytest.approx(CASES[name]["expected"]["min_bandwidth"], rel=MIN_BANDWIDTH_TOL)


@pytest.mark.parametrize("name", FEASIBLE)
def test_least_bandwidth_of_feasible_cases(name: str) -> None:
    devices, limits, task = arguments(CASES[name])
    expected = CASES[name]["expected"]["min_bandwidth"]
    narrow = fo.Constraints(
        limits.max_global_error, limits.rounds, limits.max_latency, 0.5 * expected, limits.max_synthetic
    )
    with pytest.raises(fo.InfeasibleError) as caught:
        fo.solve(devices, narrow, task)
    assert caught.value.min_bandwidth == pytest.approx(expected, rel=MIN_BANDWIDTH_TOL)


@pytest.mark.skipif(not BESIDE.is_dir(), reason="the reference cases are not beside the repository")
def test_the_copy_is_exact() -> None:
    theirs = {path.name: path.read_bytes() for path in BESIDE.glob("*.json")}
    assert {path.name: path.read_bytes() for path in COPY.glob("*.json")} == theirs
