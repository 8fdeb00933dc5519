"""Prices: derivatives of the least energy, one-sided at kinks, bounds everywhere; and the pages about them."""

import contextlib
import io
import math
import pathlib
import re
from dataclasses import replace
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import Problem
from hypothesis import given
from hypothesis import strategies as st

import fimi_opt as fo

LIMITS = ("bandwidth", "max_latency", "max_global_error", "rounds")
# Central differences over a part h of a limit are off by h^2 times the third derivative: next to where a plan ceases to
# exist that is thousands of times the first.
STEP, CENTRAL_TOL = 1e-5, 1e-5
# Energies are certified to 1e-9 and mostly right to 1e-12: what that makes of a difference over 2 STEP.
NOISE = 1e-12 / STEP
# A bound from prices is a sum of two energies and three worths, each rounded, of plans certified to this.
CERTIFIED = 2e-9
# Two solves of the same problem in other units.
SAME = 1e-8


def price(plan: fo.Plan, limit: str) -> float:
    """What one unit more of this limit saves."""
    limits, zeta = plan.constraints, plan.task.learning.zeta
    if limit == "bandwidth":
        return plan.prices.bandwidth
    if limit == "max_latency":
        return plan.prices.latency
    if limit == "max_global_error":
        return plan.prices.error * zeta / (limits.rounds * limits.max_global_error)
    return plan.prices.error * zeta * math.log(1 / limits.max_global_error) / limits.rounds**2


def energy(problem: Problem, **changes: float) -> float:
    """Least energy with other limits; inf where there is no plan."""
    try:
        return problem.limited(**changes).solve().energy
    except fo.InfeasibleError:
        return math.inf


def one_sided(problem: Problem, limit: str, part: float = STEP) -> tuple[float, float]:
    """What more of a limit saves per unit, and what less of it costs."""
    given = getattr(problem.limits, limit)
    less, here, more = (energy(problem, **{limit: given * (1 + k * part)}) for k in (-1, 0, 1))
    return (here - more) / (part * given), (less - here) / (part * given)


SMOOTH = [
    "identical devices",
    "frequency just enough",
    "power just enough",
    "one device a million times stronger",
    "half of the devices take no synthetic data",
    "steep curve",
    "flat curve",
    "wide band",
    "narrow band",
]


def fleet(kind: str, count: int, seed: int) -> Problem:
    if kind in fleets.DEGENERATE:
        return fleets.degenerate(kind, count, seed)
    return {"paper-like": fleets.paper_like, "wild": fleets.wild}[kind](count, seed)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["paper-like", "wild", *SMOOTH])
@pytest.mark.parametrize("count", [1, 6])
def test_prices_are_derivatives(count: int, kind: str, seed: int, limit: str) -> None:
    problem = fleet(kind, count, seed)
    plan, given = problem.solve(), getattr(problem.limits, limit)
    right, left = one_sided(problem, limit)
    assert math.isfinite(left)
    noise = NOISE * plan.energy / given
    # The price lies between the two, and where they are the same but for h times the second derivative, in the middle.
    bend = left - right
    assert 0.5 * (right + left) == pytest.approx(price(plan, limit), rel=CENTRAL_TOL, abs=noise + 0.1 * bend)
    assert right - noise <= price(plan, limit) <= left + noise


@given(fleets.problems(4), st.lists(st.floats(-0.1, 0.5), min_size=3, max_size=3))
def test_prices_bound_what_any_change_of_limits_saves(problem: Problem, steps: list[float]) -> None:
    """The least energy is convex in the three limits together, kinks included."""
    plan, limits, curve = problem.solve(), problem.limits, problem.task.learning
    error, bandwidth, latency = plan.prices
    allowed = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error)
    moved = allowed + steps[2] * (1 - allowed)
    after = energy(
        problem,
        bandwidth=limits.bandwidth * (1 + steps[0]),
        max_latency=limits.max_latency * (1 + steps[1]),
        max_global_error=math.exp((moved - 1) * limits.rounds / curve.zeta),
    )
    worth = (
        bandwidth * limits.bandwidth * steps[0],
        latency * limits.max_latency * steps[1],
        error * (moved - allowed),
    )
    size = plan.energy + error * (1 + abs(curve.gamma)) + bandwidth * limits.bandwidth + latency * limits.max_latency
    assert after >= plan.lower_bound - sum(worth) - CERTIFIED * (plan.energy + sum(map(abs, worth))) - 1e-13 * size


@pytest.mark.parametrize("limit", ["max_global_error", "rounds"])
@pytest.mark.parametrize("seed", range(3))
def test_where_the_local_data_is_just_enough_the_price_is_the_right_derivative(seed: int, limit: str) -> None:
    problem = fleets.degenerate("no synthetic data allowed", 5, seed)
    problem = problem.limited(max_synthetic=1e3)
    plan = problem.limited(max_global_error=problem.limits.max_global_error * (1 + 1e-13)).solve()
    right, left = one_sided(problem, limit)
    assert plan.prices.error == 0
    noise = NOISE * plan.energy / getattr(problem.limits, limit)
    assert abs(right) <= noise
    assert left > 1e3 * noise


@pytest.mark.parametrize("limit", ["max_global_error", "rounds"])
@pytest.mark.parametrize("seed", range(3))
def test_where_less_admits_no_plan_the_price_is_the_right_derivative_or_more(seed: int, limit: str) -> None:
    problem = fleets.degenerate("every device at its cap", 5, seed)
    right, left = one_sided(problem, limit)
    assert math.isinf(left)
    assert price(problem.solve(), limit) >= right
    beside = problem.limited(**{limit: getattr(problem.limits, limit) * (1 + 1e-9)})
    # One-sided differences are off by h times the second derivative.
    assert price(beside.solve(), limit) == pytest.approx(right, rel=1e3 * STEP)


def kinked(off: float) -> Problem:
    """Two thrifty devices at max_synthetic and two that need no synthetic data yet, the error limit moved by `off`."""
    devices = fo.Devices([1000.0] * 4, [1e-28, 1e-28, 5e-27, 5e-27], 3e9, [1e-10, 2e-10, 1e-10, 3e-10], 0.2)
    curve = fo.PAPER_TASK.learning
    mean = float(np.mean(curve.alpha * np.array([1300.0, 1300.0, 1000.0, 1000.0]) ** -curve.beta)) - curve.gamma
    error = math.exp((mean + off - 1) * 200 / curve.zeta)
    return Problem(devices, fo.Constraints(error, 200, 60.0, 2e7, 300.0), fo.PAPER_TASK)


def test_at_a_kink_the_price_is_between_the_derivatives() -> None:
    right, left = one_sided(kinked(0.0), "max_global_error", 1e-6)
    assert left > 10 * right > 0
    for off, expected in ((1e-12, right), (-1e-12, left)):
        plan = kinked(off).solve()
        assert plan.status is fo.Status.OPTIMAL
        assert price(plan, "max_global_error") == pytest.approx(expected, rel=1e-3)
    at = price(kinked(0.0).solve(), "max_global_error")
    assert right * (1 - 1e-3) <= at <= left * (1 + 1e-3)


def test_rounds_pay_while_the_price_says_so() -> None:
    problem = fleets.paper_like(5, 3)
    plan, N = problem.solve(), problem.limits.rounds
    limit = 1 + problem.task.learning.zeta / N * math.log(problem.limits.max_global_error)
    whole = [(N * (1 + k * STEP)) * energy(problem, rounds=N * (1 + k * STEP)) for k in (-1, 1)]
    slope = (whole[1] - whole[0]) / (2 * STEP * N)
    assert slope == pytest.approx(plan.energy - plan.prices.error * (1 - limit), rel=CENTRAL_TOL)


def test_prices_scale_with_units() -> None:
    """Energy, hertz and bits, seconds, samples: each counted in another unit."""
    d, limits, task = fleets.paper_like(5, 2)
    curve, k = task.learning, 3.0
    most = limits.max_synthetic
    samples, eps, f, g, P, N0 = (
        d.local_samples,
        d.energy_coefficient,
        d.max_frequency,
        d.channel_gain,
        d.max_power,
        d.noise_density,
    )
    bits, cycles = task.update_bits, task.cycles_per_sample
    scaled_curve = replace(curve, alpha=curve.alpha * k**curve.beta)
    base = fo.solve(d, limits, task)
    cases: list[tuple[Problem, float, tuple[float, float, float]]] = [
        (Problem(fleets.devices(samples, k * eps, f, g, k * P, k * N0), limits, task), k, (k, k, k)),
        (
            Problem(fleets.devices(samples, eps, f, g, P, k * N0), limits, replace(task, update_bits=bits / k)).limited(
                bandwidth=limits.bandwidth / k
            ),
            1.0,
            (1.0, k, 1.0),
        ),
        (
            Problem(fleets.devices(samples, k * k * eps, f / k, g, P / k, N0), limits, task).limited(
                bandwidth=limits.bandwidth / k, max_latency=limits.max_latency * k
            ),
            1.0,
            (1.0, k, 1 / k),
        ),
        (
            Problem(
                fleets.devices(k * samples, eps, f, g, P, N0),
                limits,
                replace(task, learning=scaled_curve, cycles_per_sample=cycles / k),
            ).limited(max_synthetic=k * np.asarray(most)),
            1.0,
            (1.0, 1.0, 1.0),
        ),
    ]
    for problem, joules, prices in cases:
        plan = problem.solve()
        assert plan.energy == pytest.approx(joules * base.energy, rel=SAME)
        for ours, theirs, factor in zip(plan.prices, base.prices, prices, strict=True):
            assert ours == pytest.approx(factor * theirs, rel=SAME)


def test_prices_of_a_fleet_twice_as_large() -> None:
    problem = fleets.paper_like(5, 2)
    base = problem.solve()
    twice = problem.taken([*range(5), *range(5)]).limited(bandwidth=2 * problem.limits.bandwidth).solve()
    factors = (2.0, 1.0, 2.0)
    for ours, theirs, factor in zip(twice.prices, base.prices, factors, strict=True):
        assert ours == pytest.approx(factor * theirs, rel=SAME)


@pytest.mark.parametrize("page", ["prices", "infeasible"])
def test_the_pages_print_what_they_say(page: str) -> None:
    text = (pathlib.Path(__file__).parents[1] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {}
    printed, compared = "", 0
    for language, body in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        if language == "text":
            assert printed == body
            compared += 1
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(body, f"{page}.md", "exec"), space)
        printed = out.getvalue()
    assert compared == {"prices": 4, "infeasible": 2}[page]
