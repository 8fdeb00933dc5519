"""The jitted inner loops against brute force: one device's answer in every branch, sums and slopes, P6 and P7."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import fleets
import mpmath
import numpy as np
import pytest
from fleets import PAPER_LIKE, Problem
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import (
    Constants,
    clarabel_bandwidth,
    clarabel_data,
    constants,
    device_best,
    least_bandwidth,
    naive_bandwidth,
    naive_data,
)

import fimi_opt as fo
from fimi_opt._kernels.device import respond
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.fleet import Price, device_of, empty_answer, evaluate
from fimi_opt._kernels.subproblems import SOLVED, fill_data, share_band
from fimi_opt.solvers.instance import Instance, make_instance

Floats = NDArray[np.float64]

EPS = 2.0**-52
# Values of nested brute-force minimisations; the kernel may be lower by what they miss.
VALUE_TOL = 1e-10
# The kernel's answer costs what its value says, to rounding of terms that partly cancel.
SAME_TOL = 1e-12
# Where a sum's slope is smooth, central differences over 1e-5 in the logarithm of a price.
STEP, SLOPE_TOL = 1e-5, 1e-6
# Naive bisections go to the last digit; P6 and P7 add up a few numbers.
NAIVE_TOL = 1e-10
# Clarabel stops at 1e-9; what is left of a decision that is flat in energy is the square root of that.
CLARABEL_TOL, CLARABEL_DECISION_TOL = 1e-8, 3e-5


def lagrangian(c: Constants, i: int, nu: float, w: float, D: float, t: float, b: float, u: float) -> float:
    v = c.s / (b * u)
    return float(c.a[i] * D**3 / t**2 + c.h[i] * math.expm1(v) / v + nu * c.alpha * D**-c.beta + w * b)


def branch(c: Constants, i: int, D: float, t: float, b: float, u: float) -> str:
    near = 1e-9
    reach, floor = float(c.F[i] * t), least_bandwidth(c, i, u)
    at_local, at_cap, at_reach = (abs(D / at - 1) <= near for at in (c.D_lo[i], c.D_hi[i], reach))
    names = {"corner": at_cap and at_reach, "local": at_local, "cap": at_cap, "f_max": at_reach, "free": True}
    data = next(name for name, here in names.items() if here)
    return f"{data}, {'full power' if b <= floor * (1 + near) else 'power left'}"


def prices_around(problem: Problem, error: float, bandwidth: float) -> tuple[float, float]:
    plan = problem.solve()
    nu = max(plan.prices.error, 1e-3 * plan.energy) / len(problem.devices)
    return math.log(nu) + error, math.log(plan.prices.bandwidth) + bandwidth


def check_response(problem: Problem, log_nu: float, log_w: float, start: float) -> list[str]:
    """Compare every device's answer to the prices with trying; return the branches seen."""
    instance, c = make_instance(*problem), constants(*problem)
    nu, w = math.exp(log_nu), math.exp(log_w)
    seen = []
    for i in range(c.a.size):
        answer, steps = respond(device_of(instance.fleet, i), instance.shared, log_nu, w, start)
        u = float(c.h[i] / c.P[i]) + answer.y
        best = device_best(c, i, nu, w)
        said = lagrangian(c, i, nu, w, answer.D, answer.t, answer.b, u)
        assert said <= best.value * (1 + VALUE_TOL)
        assert said >= best.value * (1 - VALUE_TOL)
        # The answer keeps the device's own limits.
        assert answer.t + u == pytest.approx(c.T, rel=SAME_TOL)
        assert c.D_lo[i] * (1 - SAME_TOL) <= answer.D <= min(c.D_hi[i], c.F[i] * answer.t) * (1 + SAME_TOL)
        assert answer.b >= least_bandwidth(c, i, u) * (1 - 1e-9)
        assert answer.e == pytest.approx(c.alpha * answer.D**-c.beta, rel=SAME_TOL)
        assert steps <= 60
        seen.append(branch(c, i, answer.D, answer.t, answer.b, u))
    return seen


@given(fleets.problems(3), st.floats(-4, 4), st.floats(-4, 4), st.floats(-5, 5))
def test_device_answers_prices_with_its_best(problem: Problem, error: float, bandwidth: float, start: float) -> None:
    check_response(problem, *prices_around(problem, error, bandwidth), start)


BRANCHES = [
    f"{data}, {power}" for data in ("local", "free", "cap", "f_max", "corner") for power in ("full power", "power left")
]


def test_device_is_right_in_every_branch() -> None:
    """Prices swept over fleets with tight and with loose radios: each branch is met and compared with trying."""
    seen: Counter[str] = Counter()
    for seed, power_room in enumerate((0.01, 30.0)):
        style = replace(PAPER_LIKE, frequency_room=0.2, power_room=power_room, synthetic_room=0.3)
        problem = fleets.make(fleets.table(6, 50 + seed), style)
        for error in (-9.0, -2.0, 0.0, 1.5, 3.0, 6.0):
            for bandwidth in (-6.0, 0.0, 4.0):
                seen.update(check_response(problem, *prices_around(problem, error, bandwidth), 0.5))
    assert set(BRANCHES) <= set(seen), seen


def totals(instance: Instance, log_nu: float, log_w: float) -> tuple[float, ...]:
    n = instance.fleet.a.size
    price = Price(log_nu, log_w, 0.0, 0.0)
    return tuple(evaluate(instance.fleet, instance.shared, price, empty_answer(n), 0, n))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_sums_and_their_slopes(kind: Any, seed: int) -> None:
    problem = kind(5, 60 + seed)
    instance, c = make_instance(*problem), constants(*problem)
    log_nu, log_w = prices_around(problem, 0.3, -0.2)
    nu, w = math.exp(log_nu), math.exp(log_w)
    e, b, e_nu, e_w, b_w, _ = totals(instance, log_nu, log_w)
    bests = [device_best(c, i, nu, w) for i in range(5)]
    assert e == pytest.approx(sum(c.alpha * best.D**-c.beta for best in bests), rel=1e-5)
    assert b == pytest.approx(sum(best.b for best in bests), rel=1e-5)

    def slope(which: int, at_nu: float, at_w: float) -> float:
        up = totals(instance, log_nu + STEP * at_nu, log_w + STEP * at_w)[which]
        down = totals(instance, log_nu - STEP * at_nu, log_w - STEP * at_w)[which]
        return (up - down) / (2 * STEP)

    assert nu * e_nu == pytest.approx(slope(0, 1, 0), rel=SLOPE_TOL, abs=SLOPE_TOL * e)
    assert w * e_w == pytest.approx(slope(0, 0, 1), rel=SLOPE_TOL, abs=SLOPE_TOL * e)
    assert nu * e_w == pytest.approx(slope(1, 1, 0), rel=SLOPE_TOL, abs=SLOPE_TOL * b)  # db/dnu = de/dw
    assert w * b_w == pytest.approx(slope(1, 0, 1), rel=SLOPE_TOL, abs=SLOPE_TOL * b)
    assert e_nu <= 0
    assert b_w < 0


def test_starts_are_only_starts() -> None:
    """What the evaluation before left behind, and how far the prices have moved, changes steps and not answers."""
    problem = fleets.wild(9, 71)
    instance = make_instance(*problem)
    log_nu, log_w = prices_around(problem, 0.4, -0.3)
    answer = empty_answer(9)
    evaluate(instance.fleet, instance.shared, Price(log_nu - 0.7, log_w + 0.5, 0.0, 0.0), answer, 0, 9)
    again = evaluate(instance.fleet, instance.shared, Price(log_nu, log_w, 0.7, -0.5), answer, 0, 9)
    fresh = totals(instance, log_nu, log_w)
    np.testing.assert_allclose(again[:2], fresh[:2], rtol=SAME_TOL)
    np.testing.assert_allclose(again[2:5], fresh[2:5], rtol=SLOPE_TOL)


def test_sums_over_parts_of_the_fleet_add_up() -> None:
    problem = fleets.wild(9, 70)
    instance = make_instance(*problem)
    log_nu, log_w = prices_around(problem, 0.0, 0.0)
    price, answer = Price(log_nu, log_w, 0.0, 0.0), empty_answer(9)
    parts = [evaluate(instance.fleet, instance.shared, price, answer, first, first + 3) for first in range(0, 9, 3)]
    whole = totals(instance, log_nu, log_w)
    for which in range(5):
        assert sum(part[which] for part in parts) == pytest.approx(whole[which], rel=SAME_TOL)


@pytest.mark.parametrize(
    "v", [0.0, *(10.0**-m for m in range(0, 300, 13)), 0.3, 0.4999999, 0.5, 0.5000001, 3.0, 50.0, 700.0]
)
def test_exponentials(v: float) -> None:
    growth, marginal = exponentials(v)
    with mpmath.workdps(660):
        x = mpmath.mpf(v)
        right_growth, right_marginal = mpmath.expm1(x), mpmath.exp(x) * (x - 1) + 1
        # e^v rounds v itself v times; a result below the least float is 0.
        tolerance = EPS * (4 + v)
        assert abs(growth - right_growth) <= tolerance * right_growth
        assert abs(marginal - right_marginal) <= tolerance * right_marginal + 5e-324


def splits(problem: Problem, seed: int, reach: float) -> tuple[Floats, Floats]:
    """Compute and upload times near the optimal ones."""
    plan = problem.solve()
    x = np.log(plan.compute_time / plan.upload_time)
    x = x + reach * np.random.default_rng(seed).uniform(-1, 1, x.size)
    T = problem.limits.max_latency
    return T / (1 + np.exp(-x)), T / (1 + np.exp(x))


def joules_of_data(c: Constants, D: Floats, t: Floats) -> float:
    return float(np.sum(c.a * D**3 / t**2))


def joules_of_band(c: Constants, b: Floats, u: Floats) -> float:
    v = c.s / (b * u)
    return float(np.sum(c.h * np.expm1(v) / v))


@given(fleets.problems(6), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.1, 1.0]))
def test_data_amounts_are_the_naive_ones(problem: Problem, seed: int, reach: float) -> None:
    t, _ = splits(problem, seed, reach)
    instance, c = make_instance(*problem), constants(*problem)
    top = np.minimum(c.D_hi, c.F * t)
    assume(np.all(c.F * t >= c.D_lo) and np.sum(c.alpha * top**-c.beta) < c.A * (1 - 1e-9))
    D = np.empty(c.a.size)
    log_nu, code = fill_data(instance.fleet, instance.shared, t, c.A, D)
    assert code == SOLVED
    naive = naive_data(c, t)
    assert joules_of_data(c, D, t) == pytest.approx(joules_of_data(c, naive, t), rel=NAIVE_TOL)
    assert np.sum(c.alpha * D**-c.beta) <= c.A * (1 + SAME_TOL)
    assert np.all(c.D_lo <= D)
    assert np.all(top * (1 + SAME_TOL) >= D)
    free = (c.D_lo * (1 + 1e-6) < D) & (top * (1 - 1e-6) > D)
    # The multiplier is what a free device's data is worth.
    own = np.log(3 * c.a * D ** (c.beta + 3) / (c.alpha * c.beta * t**2))
    np.testing.assert_allclose(own[free], log_nu, atol=1e-7 * (1 + 1 / c.beta))
    if np.sum(c.alpha * c.D_lo**-c.beta) <= c.A:
        assert log_nu == -math.inf


@given(fleets.problems(6), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.1, 1.0]))
def test_bandwidths_are_the_naive_ones(problem: Problem, seed: int, reach: float) -> None:
    _, u = splits(problem, seed, reach)
    instance, c = make_instance(*problem), constants(*problem)
    y = u - c.h / c.P
    assume(np.all(y > 1e-6 * u))
    floor = np.array([least_bandwidth(c, i, float(u[i])) for i in range(u.size)])
    assume(np.sum(floor) < c.B * (1 - 1e-9))
    b = np.empty(u.size)
    log_w, code = share_band(instance.fleet, instance.shared, y, c.B, -10.0, b)
    assert code == SOLVED
    naive = naive_bandwidth(c, u)
    assert joules_of_band(c, b, u) == pytest.approx(joules_of_band(c, naive, u), rel=NAIVE_TOL)
    assert np.sum(b) == pytest.approx(c.B, rel=SAME_TOL)
    assert np.all(b >= floor * (1 - 1e-9))
    for i in np.flatnonzero(b > floor * (1 + 1e-6)):
        v = c.s / (b[i] * u[i])
        _, marginal = exponentials(v)
        assert math.log(c.h[i] * u[i] * marginal / c.s) == pytest.approx(log_w, abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 4, 12])
def test_data_amounts_are_clarabels(count: int, seed: int) -> None:
    problem = fleets.paper_like(count, 80 + seed)
    t, _ = splits(problem, seed, 0.05)
    t = t * 1.02  # so that the caps leave room
    c, found = constants(*problem), fo.allocate_data(*problem[:2], t, problem.task)
    D, joules = clarabel_data(c, t)
    mine = problem.devices.local_samples + found.synthetic_samples
    assert joules_of_data(c, mine, t) == pytest.approx(joules, rel=CLARABEL_TOL)
    np.testing.assert_allclose(mine, D, rtol=CLARABEL_DECISION_TOL)
    cycles = problem.task.local_epochs * problem.task.cycles_per_sample
    np.testing.assert_allclose(found.frequency, cycles * mine / t, rtol=SAME_TOL)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 4, 12])
def test_bandwidths_are_clarabels(count: int, seed: int) -> None:
    problem = fleets.paper_like(count, 90 + seed)
    _, u = splits(problem, seed, 0.05)
    u = u * 1.05  # so that the powers leave room
    c, found = constants(*problem), fo.allocate_bandwidth(*problem[:2], u, problem.task)
    b, joules = clarabel_bandwidth(c, u)
    assert joules_of_band(c, found.bandwidth, u) == pytest.approx(joules, rel=CLARABEL_TOL)
    np.testing.assert_allclose(found.bandwidth, b, rtol=CLARABEL_DECISION_TOL)
    rate = fo.models.rate(found.bandwidth, found.power, problem.devices.channel_gain, problem.devices.noise_density)
    np.testing.assert_allclose(problem.task.update_bits / rate, u, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_multipliers_are_slopes(seed: int) -> None:
    problem = fleets.paper_like(5, 95 + seed)
    t, u = splits(problem, seed, 0.05)
    t, u = t * 1.02, u * 1.05
    c, step = constants(*problem), 1e-4

    def data(A: float) -> float:
        return joules_of_data(c, naive_data(c._replace(A=A), t), t)

    def band(B: float) -> float:
        return joules_of_band(c, naive_bandwidth(c._replace(B=B), u), u)

    nu = (data(c.A * (1 - step)) - data(c.A * (1 + step))) / (2 * step * c.A)
    w = (band(c.B * (1 - step)) - band(c.B * (1 + step))) / (2 * step * c.B)
    assert fo.allocate_data(*problem[:2], t, problem.task).multiplier == pytest.approx(nu, rel=1e-5)
    assert fo.allocate_bandwidth(*problem[:2], u, problem.task).multiplier == pytest.approx(w, rel=1e-5)


def test_subproblems_say_why_they_refuse() -> None:
    problem = fleets.paper_like(4, 99)
    c, arguments, task = constants(*problem), problem[:2], problem.task
    t, u = splits(problem, 0, 0.0)
    short = t.copy()
    short[2] = 0.9 * float(c.D_lo[2] / c.F[2])
    with pytest.raises(fo.InfeasibleError, match=r"can't train their local data.*device 2 needs") as slow:
        fo.allocate_data(*arguments, short, task)
    assert slow.value.devices == (2,)
    with pytest.raises(fo.InfeasibleError, match="mean local error falls to"):
        fo.allocate_data(*arguments, c.D_lo / c.F * 1.0001, task)
    hurried = u.copy()
    hurried[1] = 0.9 * float(c.h[1] / c.P[1])
    with pytest.raises(fo.InfeasibleError, match=r"device 1 needs more than") as loud:
        fo.allocate_bandwidth(*arguments, hurried, task)
    assert loud.value.devices == (1,)
    least = sum(least_bandwidth(c, i, float(u[i]) * 0.3) for i in range(4))
    with pytest.raises(fo.InfeasibleError, match=r"least bandwidths .* sum to") as narrow:
        fo.allocate_bandwidth(*problem.limited(bandwidth=0.5 * least)[:2], 0.3 * u, task)
    assert narrow.value.min_bandwidth == pytest.approx(least * (1 + 1e-9), rel=1e-10)  # on the admitting side
    for bad in ([1.0, 2.0, 3.0], [1.0, math.nan, 1.0, 1.0], [1.0, -1.0, 1.0, 1.0], "soon", [1.0, math.inf, 1.0, 1.0]):
        with pytest.raises(ValueError, match="compute_time"):
            fo.allocate_data(*arguments, bad, task)
        with pytest.raises(ValueError, match="upload_time"):
            fo.allocate_bandwidth(*arguments, bad, task)
