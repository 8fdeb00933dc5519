"""solve() against IPOPT, on every special case of the mathematics, and on bad input."""

import hashlib
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import DEGENERATE, PAPER_LIKE, Problem
from oracles import Constants, Optimum, constants, energy_of, ipopt_energy, least_bandwidth, measure, relative_prices

import fimi_opt as fo

# IPOPT stops with complementarity 1e-11 in every constraint, of which a fleet of 200 has a thousand.
IPOPT_TOL = 1e-7
GAP_TOL = 1e-9
# What sums of 200 rounded numbers are off by; the contract says 1e-9.
VIOLATION_TOL = 1e-9
# A bound may be above the energy by what rounding makes of a plan that meets its limits to 1e-15.
NEGATIVE_GAP_TOL = 1e-12
# Limits that leave 1e-m of room have prices of about 10^m times the energy: rounding of the limits alone, 2e-16 each,
# opens the gap by a few of them. Where the prices are moderate it is the promised 1e-8.
TIGHT_GAP_TOL, ROUNDING_OF_LIMITS, MOST_TIGHT_GAP = 1e-8, 1e-14, 1e-7
# A device is at a bound when it is as near as this; unbound ones are further from it in the fleets used here.
AT_BOUND = 1e-9


def check(plan: fo.Plan, gap: float = GAP_TOL) -> None:
    """What every plan must meet."""
    measured = measure(plan)
    assert -NEGATIVE_GAP_TOL <= plan.gap <= gap
    assert max(fo.verify(plan)) <= VIOLATION_TOL
    assert measured.violation <= VIOLATION_TOL
    assert plan.energy == pytest.approx(measured.energy, rel=1e-12)
    assert plan.status is (fo.Status.OPTIMAL if plan.gap <= GAP_TOL else fo.Status.FEASIBLE)
    assert min(plan.prices) >= 0


def check_against_ipopt(problem: Problem, gap: float = GAP_TOL) -> tuple[fo.Plan, Constants, Optimum]:
    plan, c = problem.solve(), constants(*problem)
    check(plan, gap)
    reference = ipopt_energy(c)
    # Where IPOPT stopped early its energy is above ours: then the certified bound judges.
    assert plan.energy <= reference.value * (1 + IPOPT_TOL)
    assert reference.value >= plan.lower_bound * (1 - IPOPT_TOL)
    return plan, c, reference


def tight_gap(plan: fo.Plan) -> float:
    # The prices are the plan's own: the cap keeps wrong, huge ones from excusing any gap.
    return min(max(TIGHT_GAP_TOL, ROUNDING_OF_LIMITS * relative_prices(plan)), MOST_TIGHT_GAP)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 2, 20, 200])
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_energy_is_ipopts(kind: Any, count: int, seed: int) -> None:
    plan, c, reference = check_against_ipopt(kind(count, seed))
    assert plan.energy == pytest.approx(reference.value, rel=IPOPT_TOL)
    # The oracle's own point keeps every limit, so its energy is one that a plan has.
    assert np.sum(reference.b) <= c.B * (1 + 1e-9)
    assert np.all(reference.t + reference.u <= c.T * (1 + 1e-9))


@pytest.mark.parametrize("count", [1, 2, 7, 20])
@pytest.mark.parametrize("name", sorted(DEGENERATE))
def test_degenerate_fleets(name: str, count: int) -> None:
    problem = fleets.degenerate(name, count, seed=11)
    check_against_ipopt(problem, tight_gap(problem.solve()))


@pytest.mark.parametrize("margin", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("count", [2, 6, 20])
@pytest.mark.parametrize("kind", ["paper-like", "wild", *sorted(DEGENERATE)])
def test_barely_feasible_fleets(kind: str, count: int, margin: float) -> None:
    seed = 100 + round(-math.log10(margin))
    if kind in DEGENERATE:
        problem = fleets.degenerate(kind, count, seed)
    else:
        problem = (fleets.wild if kind == "wild" else fleets.paper_like)(count, seed)
    problem = fleets.tightened(problem, margin)
    check_against_ipopt(problem, tight_gap(problem.solve()))


def test_no_synthetic_data_needed() -> None:
    problem = fleets.degenerate("no synthetic data needed", 6, 3)
    plan, c, _ = check_against_ipopt(problem)
    assert plan.prices.error == 0.0
    np.testing.assert_array_equal(plan.synthetic_samples, 0.0)
    assert np.sum(c.alpha * c.D_lo**-c.beta) < c.A


def test_error_limit_met_by_exactly_the_local_data() -> None:
    problem = fleets.degenerate("no synthetic data allowed", 6, 4)
    plan, c, _ = check_against_ipopt(problem)
    assert np.sum(c.alpha * c.D_lo**-c.beta) == pytest.approx(c.A, rel=1e-14)
    np.testing.assert_allclose(plan.samples, c.D_lo, rtol=1e-12)


def test_every_device_at_its_cap() -> None:
    plan, c, _ = check_against_ipopt(fleets.degenerate("every device at its cap", 6, 5))
    np.testing.assert_allclose(plan.samples, c.D_hi, rtol=1e-12)
    assert np.any(c.D_hi > 1.1 * c.D_lo)


def test_frequency_branch() -> None:
    style = replace(PAPER_LIKE, frequency_room=0.02, split=(0.8, 0.05))
    plan, c, _ = check_against_ipopt(fleets.make(fleets.table(8, 6), style))
    full = plan.frequency >= plan.devices.max_frequency * (1 - AT_BOUND)
    below_cap = plan.samples < c.D_hi * (1 - 1e-3)
    assert np.any(full & below_cap & (plan.samples > c.D_lo * (1 + 1e-3)))


def test_power_branch() -> None:
    style = replace(PAPER_LIKE, power_room=0.01, efficiency=(1.0, 1.0))
    plan, c, _ = check_against_ipopt(fleets.make(fleets.table(8, 7), style))
    full = plan.power >= c.P * (1 - AT_BOUND)
    assert np.any(full)
    assert not np.all(full)
    for i in np.flatnonzero(full):
        assert plan.bandwidth[i] == pytest.approx(least_bandwidth(c, int(i), float(plan.upload_time[i])), rel=1e-9)


def test_frequency_and_data_cap_at_once() -> None:
    plan, c, _ = check_against_ipopt(fleets.degenerate("narrow band", 5, 993))
    reach = c.F * plan.compute_time
    corner = (np.abs(plan.samples / c.D_hi - 1) < AT_BOUND) & (np.abs(plan.samples / reach - 1) < AT_BOUND)
    assert np.any(corner)


def test_one_device_alone_takes_the_whole_band() -> None:
    plan, c, _ = check_against_ipopt(fleets.paper_like(1, 8))
    assert plan.bandwidth[0] == pytest.approx(c.B, rel=1e-12)
    assert plan.samples[0] == pytest.approx((c.A / c.alpha) ** (-1 / c.beta), rel=1e-9)


def test_identical_devices_share_alike() -> None:
    plan, _, _ = check_against_ipopt(fleets.degenerate("identical devices", 9, 9))
    for rows in (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power):
        np.testing.assert_allclose(rows, rows[0], rtol=1e-9)


@pytest.mark.parametrize("room", [0.0, 1e-13, 1e-10, 1e-7])
@pytest.mark.parametrize("count", [1, 4])
def test_time_splits_that_are_a_single_point(count: int, room: float) -> None:
    """Every device computes at f_max from its local data and uploads at P_max: the band is enough for nothing else."""
    problem = fleets.degenerate("no synthetic data allowed", count, 10)
    problem = problem.limited(max_global_error=problem.limits.max_global_error * (1 + 1e-6))
    c = constants(*problem)
    t = c.D_lo / c.F
    b = np.array([least_bandwidth(c, int(i), float(c.T - t[i])) for i in range(count)])
    problem = problem.limited(bandwidth=float(np.sum(b)) * (1 + room))
    plan = problem.solve()
    energy = energy_of(c, c.D_lo, t, c.T - t, b)
    assert plan.energy == pytest.approx(energy, rel=max(1e-9, 100 * room))
    assert plan.lower_bound <= energy * (1 + 1e-12)
    assert max(fo.verify(plan)) <= VIOLATION_TOL
    assert measure(plan).violation <= VIOLATION_TOL
    np.testing.assert_allclose(plan.compute_time, t, rtol=max(1e-9, 100 * room))


def test_band_so_wide_that_its_price_is_rounding() -> None:
    problem = fleets.paper_like(5, 12)
    check_against_ipopt(problem.limited(bandwidth=problem.limits.bandwidth * 1e6))


def test_deadline_so_long_that_its_price_is_rounding() -> None:
    problem = fleets.paper_like(5, 13)
    check_against_ipopt(problem.limited(max_latency=problem.limits.max_latency * 1e4))


def test_paper_task_is_the_default() -> None:
    devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    limits = fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)
    assert fo.solve(devices, limits) == fo.solve(devices, limits, fo.PAPER_TASK, "exact")


def test_tolerance_decides_the_status() -> None:
    problem = fleets.paper_like(4, 14)
    loose, strict = problem.solve(), problem.solve(tol=1e-300)
    assert loose.status is fo.Status.OPTIMAL
    assert strict.status is (fo.Status.OPTIMAL if strict.gap <= 1e-300 else fo.Status.FEASIBLE)
    # More work for the same optimum: the bound in extended precision, and the limits as they stand.
    assert strict.gap <= loose.gap
    assert strict.energy == pytest.approx(loose.energy, rel=1e-12)
    assert "feasible" in fo.Status.FEASIBLE.message
    assert fo.Status.FEASIBLE.remedy


def test_input_is_not_changed_and_output_is_read_only() -> None:
    samples = np.array([1250.0, 900.0])
    devices = fo.Devices(samples, 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    samples[0] = 7.0
    assert devices.local_samples[0] == 1250.0
    plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    for name in ("synthetic_samples", "frequency", "bandwidth", "power", "compute_time", "upload_energy"):
        assert not getattr(plan, name).flags.writeable


DEVICES = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
LIMITS = fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"devices": None}, r"devices must be a fimi_opt.Devices, got NoneType"),
        ({"devices": LIMITS}, r"devices must be .* got Constraints"),
        ({"constraints": {"bandwidth": 1e6}}, r"constraints must be a fimi_opt.Constraints, got dict"),
        ({"task": "paper"}, r"task must be a fimi_opt.Task, got str"),
        ({"task": fo.PAPER_TASK.learning}, r"task must be .* got LearningCurve"),
        ({"method": "fast"}, r"method must be one of exact.*'fast'"),
        ({"method": None}, r"method must be one of .*None"),
        ({"tol": 0.0}, r"tol must be .* 0.0"),
        ({"tol": -1e-9}, r"tol must be .*-1e-09"),
        ({"tol": math.nan}, r"tol must be .*nan"),
        ({"tol": math.inf}, r"tol must be .*inf"),
        ({"tol": "1e-9"}, r"tol must be .*'1e-9'"),
        (
            {"constraints": fo.Constraints(0.2, 200, 60.0, 3e6, [1.0, 2.0, 3.0])},
            r"max_synthetic has shape \(3,\), but the devices need \(2,\)",
        ),
    ],
)
def test_bad_input(changed: dict[str, Any], named: str) -> None:
    arguments: dict[str, Any] = {"devices": DEVICES, "constraints": LIMITS, **changed}
    with pytest.raises(fo.InvalidInputError, match=named):
        fo.solve(**arguments)


BITS = """
import hashlib, sys
sys.path.insert(0, {tests!r})
import fleets
plan = fleets.wild(7, 21).solve()
rows = (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
text = b"".join(row.tobytes() for row in rows) + repr((plan.lower_bound, *plan.prices)).encode()
print(hashlib.sha256(text).hexdigest())
"""


def bits(plan: fo.Plan) -> str:
    rows = (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
    text = b"".join(row.tobytes() for row in rows) + repr((plan.lower_bound, *plan.prices)).encode()
    return hashlib.sha256(text).hexdigest()


def test_same_input_gives_the_same_bits_in_every_process() -> None:
    problem = fleets.wild(7, 21)
    here = bits(problem.solve())
    fleets.paper_like(20, 1).solve()  # nothing is kept between solves
    assert bits(problem.solve()) == here
    source = Path(fo.__file__).resolve().parents[1]
    elsewhere = subprocess.run(
        [sys.executable, "-c", BITS.format(tests=str(Path(__file__).parent))],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == here
