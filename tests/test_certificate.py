"""The certificate: verify() against the formulas in high precision, the bound against the dual function by trying."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import fleets
import mpmath
import numpy as np
import pytest
from fleets import Problem
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import constants, dual_value, relative_prices

import fimi_opt as fo
from fimi_opt.certificate import Split, judge

# verify() forms each violation with fewer than ten roundings and subtracts one.
VERIFY_TOL = 5e-15
# The brute-force dual: nested minimisations whose values are good to 1e-11, less at the ends of intervals.
DUAL_TOL = 1e-9
# Terms of the bound that cancel (nu A against nu e, w B against w b) may be this many times the bound itself.
ROUNDING_TOL = 1e-14
PRECISION = 40
FEWER = settings(max_examples=settings().max_examples // 2)  # nested minimisation is slow


def exact(plan: fo.Plan) -> dict[str, Any]:
    """The violations with 40 digits, from the decision as it stands in float64."""
    with mpmath.workdps(PRECISION):
        d, limits, task = plan.devices, plan.constraints, plan.task
        curve = task.learning
        most = np.broadcast_to(limits.max_synthetic, len(d))
        number = mpmath.mpf
        rows = []
        for i in range(len(d)):
            gen, f, b, P = (
                number(float(row[i])) for row in (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
            )
            D_loc = number(float(d.local_samples[i]))
            samples = D_loc + gen
            compute = number(task.local_epochs) * number(task.cycles_per_sample) * samples / f
            snr = number(float(d.channel_gain[i])) * P / (number(float(d.noise_density[i])) * b)
            upload = number(task.update_bits) / (b * mpmath.log(1 + snr, 2))
            rows.append(
                {
                    "error": number(curve.alpha) * samples ** -number(curve.beta),
                    "latency": (compute + upload) / number(limits.max_latency) - 1,
                    "bandwidth": b,
                    "frequency": f / number(float(d.max_frequency[i])) - 1,
                    "power": P / number(float(d.max_power[i])) - 1,
                    "synthetic": max(-gen, gen - number(float(most[i]))) / D_loc,
                }
            )
        mean = sum(row["error"] for row in rows) / len(d)
        log_error = mpmath.log(number(limits.max_global_error))
        allowed = 1 + number(curve.zeta) / number(limits.rounds) * log_error + number(curve.gamma)
        largest = {key: max(row[key] for row in rows) for key in ("latency", "frequency", "power", "synthetic")}
        band = sum(row["bandwidth"] for row in rows) / number(limits.bandwidth) - 1
        return largest | {"learning": 1 - allowed / mean, "bandwidth": band}


@pytest.mark.parametrize("kind", ["paper-like", "wild", "broken"])
def test_verify_is_exact(kind: str) -> None:
    plan = (fleets.wild if kind == "wild" else fleets.paper_like)(6, 2).solve()
    if kind == "broken":
        plan = dataclasses.replace(plan, power=np.full(6, 0.05), bandwidth=np.full(6, 3e5))
    said, right = fo.verify(plan)._asdict(), exact(plan)
    assert said.keys() == right.keys()
    for name, value in said.items():
        assert value == pytest.approx(float(right[name]), abs=VERIFY_TOL), name


TAMPERED = {
    "power": ("power", 1.001, "power"),
    "less power": ("power", 0.999, "latency"),
    "bandwidth": ("bandwidth", 1.001, "bandwidth"),
    "less bandwidth": ("bandwidth", 0.999, "latency"),
    "frequency": ("frequency", 1.5, "frequency"),
    "less frequency": ("frequency", 0.999, "latency"),
    "less data": ("synthetic_samples", 0.99, "learning"),
    "too much data": ("synthetic_samples", 10.0, "synthetic"),
    "negative data": ("synthetic_samples", -0.1, "synthetic"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_verify_sees_a_wrong_plan(what: str) -> None:
    # At least one device is at each limit, so that a change of all of them breaks it.
    style = dataclasses.replace(fleets.PAPER_LIKE, power_room=0.02, frequency_room=0.05)
    plan = fleets.make(fleets.table(8, 3), style).solve()
    assert max(fo.verify(plan)) <= 1e-12
    field, factor, limit = TAMPERED[what]
    wrong = dataclasses.replace(plan, **{field: getattr(plan, field) * factor})
    violations = fo.verify(wrong)
    assert getattr(violations, limit) > 1e-5
    assert violations.worst == max(violations)


def test_verify_sees_one_wrong_device() -> None:
    plan = fleets.paper_like(5, 4).solve()
    bandwidth = plan.bandwidth.copy()
    bandwidth[3] *= 0.99
    assert fo.verify(dataclasses.replace(plan, bandwidth=bandwidth)).latency > 1e-4


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1e9])
@pytest.mark.parametrize("field", ["synthetic_samples", "frequency", "bandwidth", "power"])
def test_verify_sees_nonsense(field: str, value: float) -> None:
    """What is no number is no plan: max() over a tuple would hide a NaN that does not come first."""
    plan = fleets.paper_like(3, 4).solve()
    wrong = getattr(plan, field).copy()
    wrong[1] = value
    violations = fo.verify(dataclasses.replace(plan, **{field: wrong}))
    assert not any(math.isnan(violation) for violation in violations)
    assert violations.worst > 1e-3
    assert max(violations) > 1e-3


def test_energy_and_gap_are_formed_from_the_decision() -> None:
    """A plan that takes more energy than it must has a gap that says so, whatever it was called."""
    problem = fleets.paper_like(5, 5)
    plan = problem.solve()
    wasteful = dataclasses.replace(plan, frequency=np.minimum(plan.frequency * 1.1, plan.devices.max_frequency))
    assert max(fo.verify(wasteful)) <= 1e-9
    assert wasteful.energy > plan.energy * 1.01
    assert wasteful.gap == pytest.approx(1 - plan.lower_bound / wasteful.energy, rel=1e-12)
    assert wasteful.gap > 0.009


@given(fleets.problems(3), st.floats(-3, 3), st.floats(-3, 3))
@FEWER
def test_bound_is_the_dual_function(problem: Problem, error: float, bandwidth: float) -> None:
    plan, c = problem.solve(), constants(*problem)
    prices = fo.Prices(plan.prices.error * math.exp(error), plan.prices.bandwidth * math.exp(bandwidth), 0.0)
    nu, w = prices.error / c.a.size, prices.bandwidth
    right, said = dual_value(c, nu, w), fo.lower_bound(*problem, prices)
    size = nu * c.A + w * c.B + plan.energy
    assert said <= max(right, 0.0) + DUAL_TOL * size
    assert said >= right - DUAL_TOL * size


@given(fleets.problems(3), st.integers(0, 2**32 - 1), st.floats(0.0, 2.0))
@FEWER
def test_any_split_gives_a_bound_below_the_dual_function(problem: Problem, seed: int, reach: float) -> None:
    """A tangent plane touches the convex inner function somewhere: its least value never overstates the minimum."""
    rng, plan, c = np.random.default_rng(seed), problem.solve(), constants(*problem)
    x = np.log(plan.compute_time / plan.upload_time) + reach * rng.uniform(-1, 1, c.a.size)
    t, u = c.T / (1 + np.exp(-x)), c.T / (1 + np.exp(x))
    b = plan.bandwidth * np.exp(reach * rng.uniform(-1, 1, c.a.size))
    said = fo.lower_bound(*problem, plan.prices, Split(t, u, b))
    nu, w = plan.prices.error / c.a.size, plan.prices.bandwidth
    assert said <= dual_value(c, nu, w) + DUAL_TOL * (nu * c.A + w * c.B + plan.energy)
    assert said <= plan.energy * (1 + ROUNDING_TOL * (1 + relative_prices(plan)))


def test_bound_reads_two_prices_only() -> None:
    problem = fleets.paper_like(4, 6)
    prices = problem.solve().prices
    assert fo.lower_bound(*problem, prices._replace(latency=0.0)) == fo.lower_bound(*problem, prices)
    assert fo.lower_bound(*problem, prices._replace(error=0.9 * prices.error)) < fo.lower_bound(*problem, prices)


# Imports the certificate alone, without the package's __init__, and refuses the solver and its kernels. (plan.py
# imports the category allocator, for `synthetic_by_class`; it and its kernel are no part of the search.)
ALONE = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("fimi_opt", sys.argv[1] + "/__init__.py")
sys.modules["fimi_opt"] = importlib.util.module_from_spec(spec)  # the package, its own imports not run

class Refuse:
    def find_spec(self, name, path=None, target=None):
        solver = name.startswith(("fimi_opt._kernels.", "fimi_opt.solve", "fimi_opt.feasibility"))
        if solver and name != "fimi_opt._kernels.categories":
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
from fimi_opt.certificate import lower_bound, verify
from fimi_opt.plan import Plan, Prices, Status
from fimi_opt.types import Constraints, Devices, LearningCurve, Task
given = json.load(sys.stdin)
devices, limits = Devices(*given["devices"]), Constraints(*given["limits"])
task = Task(LearningCurve(*given["curve"]), *given["task"])
prices = Prices(*given["prices"])
rows = [__import__("numpy").array(row) for row in given["decision"]]
plan = Plan(*rows, 0.0, prices, Status.OPTIMAL, "exact", devices, limits, task)
print(json.dumps([lower_bound(devices, limits, task, prices), verify(plan)]))
"""


def test_certificate_works_without_the_solver() -> None:
    problem = fleets.paper_like(4, 7)
    plan, d, curve = problem.solve(), problem.devices, problem.task.learning
    decision = (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
    columns = (d.local_samples, d.energy_coefficient, d.max_frequency, d.channel_gain, d.max_power, d.noise_density)
    most = np.asarray(problem.limits.max_synthetic)
    given = {
        "devices": [column.tolist() for column in columns],
        "limits": [*dataclasses.astuple(problem.limits)[:-1], most.tolist()],
        "curve": dataclasses.astuple(curve),
        "task": [problem.task.cycles_per_sample, problem.task.local_epochs, problem.task.update_bits],
        "prices": plan.prices,
        "decision": [row.tolist() for row in decision],
    }
    command = [sys.executable, "-c", ALONE, str(Path(fo.__file__).resolve().parent)]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bound, violations = json.loads(done.stdout)
    assert bound == fo.lower_bound(*problem, plan.prices)
    assert tuple(violations) == fo.verify(plan)


@pytest.mark.parametrize("room", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
def test_bound_is_below_the_optimum_where_the_deadline_is_all_but_used(room: float) -> None:
    """One device without synthetic data has one variable left: its optimum by mpmath, f_max leaving `room` of T."""
    T, samples, band = 60.0, 1250.0, 1e6
    task = fo.Task(fo.LearningCurve(3.0, 0.25, 0.1, 77.6), 5e6, 1.0, 1e5)
    frequency = 5e6 * samples / (T * (1 - room))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        eps, gain, power = 10 ** rng.uniform(-30, -26), 10 ** rng.uniform(-8, -5), 10 ** rng.uniform(-1, 0.5)
        devices = fo.Devices([samples], eps, frequency, gain, power)
        try:
            plan = fo.solve(devices, fo.Constraints(0.9, 200, T, band, 0), task)
        except fo.InfeasibleError:
            continue
        with mpmath.workdps(50):
            best = _least_energy(samples, eps, frequency, gain, power, T, band, float(devices.noise_density[0]), task)
            assert plan.lower_bound <= best * (1 + mpmath.mpf(10) ** -15)
            assert plan.energy >= best * (1 - mpmath.mpf(10) ** -12)


def _least_energy(
    D: float, eps: float, f: float, g: float, P: float, T: float, B: float, N0: float, task: fo.Task
) -> Any:
    D, eps, f, g, P, T, B, N0 = map(mpmath.mpf, (D, eps, f, g, P, T, B, N0))
    work = mpmath.mpf(task.cycles_per_sample) * D
    s = mpmath.mpf(task.update_bits) * mpmath.log(2)

    def energy(t: Any) -> Any:
        v = s / (B * (T - t))
        return eps * work**3 / t**2 + N0 * s / g * mpmath.expm1(v) / v

    # Least upload time: full power over the whole band.
    low, high = work / f, T - s / (B * mpmath.log1p(g * P / (N0 * B)))
    for _ in range(400):  # golden section
        a, b = low + (high - low) * mpmath.mpf("0.382"), low + (high - low) * mpmath.mpf("0.618")
        low, high = (low, b) if energy(a) < energy(b) else (a, high)
    return min(energy(low), energy(high))


@pytest.mark.parametrize("row", [1, 2, 3])
def test_judge_refuses_a_decision_that_is_no_plan(row: int) -> None:
    """A negative frequency, band or power would else pass for one that keeps every upper limit."""
    problem = fleets.paper_like(3, 5)
    plan = problem.solve()
    rows = np.array([plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power])
    split = Split(np.array(plan.compute_time), np.array(plan.upload_time), np.array(plan.bandwidth))
    assert judge(*problem, rows, plan.prices, split).violation <= VERIFY_TOL
    rows[row, 1] = -rows[row, 1]
    assert judge(*problem, rows, plan.prices, split).violation == math.inf
