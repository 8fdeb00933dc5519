"""The certificate: verify() against the formulas in high precision, the bound against the dual function by trying."""

import dataclasses
import json
import math
import os
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
from fimi_opt import certificate
from fimi_opt.certificate import Split

# verify() forms each violation with fewer than ten roundings and subtracts one.
VERIFY_TOL = 5e-15
# The brute-force dual: nested minimisations whose values are good to 1e-11, less where one is at the end of its interval.
DUAL_TOL = 1e-9
# Terms of the bound that cancel (nu A against nu e, w B against w b) may be this many times the bound itself.
ROUNDING_TOL = 1e-14
PRECISION = 40


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


@pytest.mark.parametrize(
    "plan",
    [
        fleets.paper_like(6, 1).solve(),
        fleets.wild(6, 2).solve(),
        dataclasses.replace(fleets.paper_like(6, 1).solve(), power=np.full(6, 0.05), bandwidth=np.full(6, 3e5)),
    ],
)
def test_verify_is_exact(plan: fo.Plan) -> None:
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
    problem = fleets.make(fleets.table(8, 3), dataclasses.replace(fleets.PAPER_LIKE, power_room=0.02, frequency_room=0.05))
    plan = problem.solve()
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
@settings(max_examples=25)  # nested minimisation is slow
def test_bound_is_the_dual_function(problem: Problem, error: float, bandwidth: float) -> None:
    plan, c = problem.solve(), constants(*problem)
    prices = fo.Prices(plan.prices.error * math.exp(error), plan.prices.bandwidth * math.exp(bandwidth), 0.0)
    nu, w = prices.error / c.a.size, prices.bandwidth
    right, said = dual_value(c, nu, w), fo.lower_bound(*problem, prices)
    size = nu * c.A + w * c.B + plan.energy
    assert said <= max(right, 0.0) + DUAL_TOL * size
    assert said >= right - DUAL_TOL * size


@given(fleets.problems(3), st.integers(0, 2**32 - 1), st.floats(0.0, 2.0))
@settings(max_examples=25)
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


def test_certificate_uses_no_kernel_at_run_time() -> None:
    """The function that bounds is compiled from this module's own functions."""
    own = {name for name, value in vars(certificate).items() if hasattr(value, "py_func")}
    assert own
    assert all(getattr(certificate, name).py_func.__module__ == "fimi_opt.certificate" for name in own)


ALONE = """
import json, sys
import fimi_opt as fo
plan = fo.solve(fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2), fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
names = [name for name in sys.modules if name.startswith(("fimi_opt._kernels", "fimi_opt.solvers"))]
for name in names:
    for key in list(vars(sys.modules[name])):
        delattr(sys.modules[name], key)
bound = fo.lower_bound(plan.devices, plan.constraints, plan.task, plan.prices)
print(json.dumps([bound, plan.lower_bound, fo.verify(plan).worst, len(names)]))
"""


def test_certificate_works_after_the_solver_is_gone() -> None:
    source = Path(fo.__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    bound, lower_bound, worst, gone = json.loads(done.stdout)
    assert bound == pytest.approx(lower_bound, rel=1e-9)
    assert worst <= 1e-9
    assert gone >= 5
