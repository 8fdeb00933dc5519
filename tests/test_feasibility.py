"""InfeasibleError: every number in it is confirmed by solving on either side of it, and by two oracles."""

import copy
import dataclasses
import math
import pickle
import re
import warnings
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import Problem
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import Constants, constants, ipopt_least, least_bandwidth
from scipy import optimize

import fimi_opt as fo

Floats = NDArray[np.float64]

# The contract: each critical value right to 1e-6 relative; tested by solving this far on either side.
CRITICAL_TOL = 1e-6
# IPOPT's least band, deadline and error come from a tolerance of 1e-11 on sums of up to 20 devices' constraints.
IPOPT_TOL = 1e-7
# A scalar minimisation is good to the last digits; the library states critical values 1e-9 on the admitting side.
NAIVE_TOL = 2e-9
# As much as a limit may be loosened without leaving what the library computes with.
MUCH = 1e6
NEAR_ONE = 1 - 1e-9
GOOD_ENOUGH = 1e3  # an offset with which any error of these fleets is below any limit
MOST_OF_A_DEVICE = {"max_frequency": 1e18, "max_power": 1e12}
NUMBER = r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?"
LIMITS = ("bandwidth", "max_latency", "max_global_error", "rounds")
FIELD = {
    "bandwidth": "min_bandwidth",
    "max_latency": "min_latency",
    "max_global_error": "min_global_error",
    "rounds": "min_rounds",
}


def refusal(problem: Problem) -> fo.InfeasibleError | None:
    try:
        problem.solve()
    except fo.InfeasibleError as error:
        return error
    return None


def confirm(problem: Problem, error: fo.InfeasibleError) -> None:
    """Solve at each critical value and on either side of it; where there is none, far beyond."""
    for limit in LIMITS:
        value = getattr(error, FIELD[limit])
        if value is None:
            most = NEAR_ONE if limit == "max_global_error" else MUCH * getattr(problem.limits, limit)
            assert refusal(problem.limited(**{limit: most})) is not None, limit
            continue
        assert value > getattr(problem.limits, limit), limit
        above, below = value * (1 + CRITICAL_TOL), value * (1 - CRITICAL_TOL)
        assert refusal(problem.limited(**{limit: value})) is None, (limit, value)  # the cure works as it is printed
        if limit != "max_global_error" or above < 1:
            assert refusal(problem.limited(**{limit: above})) is None, (limit, value)
        assert refusal(problem.limited(**{limit: below})) is not None, (limit, value)


def too_tight(problem: Problem, how: str, by: float) -> Problem:
    """Return the problem with one limit so tight that no plan is left; `by` in (0, 1) is how far beyond."""
    if how == "bandwidth":
        problem = fleets.tightened(problem, 0.0)
        return problem.limited(bandwidth=problem.limits.bandwidth * (1 - by))
    if how == "max_latency":
        error = refusal(problem.limited(max_latency=problem.limits.max_latency * 1e-3))
        assert error is not None
        assert error.min_latency is not None
        return problem.limited(max_latency=error.min_latency * (1 - by))
    # The learning limit below what the caps reach: mean of alpha D^-beta `by` lower.
    c = constants(*problem)
    least = float(np.mean(c.alpha * np.minimum(c.D_hi, c.F * c.T) ** -c.beta))
    curve, rounds = problem.task.learning, problem.limits.rounds
    target = least * (1 - 0.1 * by) - curve.gamma
    return problem.limited(max_global_error=math.exp((target - 1) * rounds / curve.zeta))


@pytest.mark.parametrize("by", [1e-5, 1e-2, 0.5, 0.99])
@pytest.mark.parametrize("how", ["bandwidth", "max_latency", "error"])
@pytest.mark.parametrize("kind", ["paper-like", "wild", *sorted(fleets.DEGENERATE)])
def test_critical_values(kind: str, how: str, by: float) -> None:
    if kind in fleets.DEGENERATE:
        problem = fleets.degenerate(kind, 4, 31)
    else:
        problem = (fleets.wild if kind == "wild" else fleets.paper_like)(6, 32)
    problem = too_tight(problem, how, by)
    error = refusal(problem)
    assert error is not None
    confirm(problem, error)


@given(fleets.problems(4), st.sampled_from(["bandwidth", "max_latency", "error"]), st.floats(1e-5, 0.95))
def test_critical_values_of_random_fleets(problem: Problem, how: str, by: float) -> None:
    problem = too_tight(problem, how, by)
    error = refusal(problem)
    assert error is not None
    confirm(problem, error)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_critical_values_are_ipopts(kind: Any, count: int, seed: int) -> None:
    problem = too_tight(kind(count, seed), "bandwidth", 0.2)
    error, c, curve = refusal(problem), constants(*problem), problem.task.learning
    assert error is not None
    assert error.min_bandwidth == pytest.approx(ipopt_least(c, "bandwidth"), rel=IPOPT_TOL)
    assert error.min_latency == pytest.approx(ipopt_least(c, "latency"), rel=IPOPT_TOL)
    if error.min_global_error is not None:
        mean = ipopt_least(c, "error") / count - curve.gamma
        assert error.min_global_error == pytest.approx(
            math.exp((mean - 1) * problem.limits.rounds / curve.zeta),
            rel=IPOPT_TOL * problem.limits.rounds / curve.zeta,
        )
        rounds = -curve.zeta * math.log(problem.limits.max_global_error) / (1 - mean)
        assert error.min_rounds == pytest.approx(rounds, rel=IPOPT_TOL / (1 - mean))


def naive_least_bandwidth(c: Constants) -> float:
    """Two devices: for each split of the first, the second takes the least time that still meets the learning limit."""

    def error(i: int, t: float) -> float:
        return float(c.alpha * min(c.D_hi[i], c.F[i] * t) ** -c.beta)

    def latest(i: int) -> float:
        return float(min(c.D_hi[i] / c.F[i], c.T - c.h[i] / c.P[i]))

    def total(t: float) -> float:
        left = c.A - error(0, t)
        if left < error(1, latest(1)):
            return math.inf
        needed = max((left / c.alpha) ** (-1 / c.beta), c.D_lo[1]) / c.F[1]
        return least_bandwidth(c, 0, c.T - t) + least_bandwidth(c, 1, c.T - needed)

    # The times of the first device with which the second can still make up: found by bisection, then searched.
    least = c.D_lo[0] / c.F[0]
    if c.A - error(0, least) < error(1, latest(1)):
        least = optimize.brentq(lambda t: c.A - error(0, t) - error(1, latest(1)), least, latest(0), xtol=1e-15)
        least *= 1 + 1e-13
    found = optimize.minimize_scalar(total, bounds=(least, latest(0)), method="bounded", options={"xatol": 1e-12})
    return float(min(found.fun, total(least), total(latest(0) * (1 - 1e-13))))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_least_bandwidth_of_two_devices(kind: Any, seed: int) -> None:
    problem = kind(2, seed)
    error = refusal(fleets.tightened(problem, -0.5))
    assert error is not None
    assert error.min_bandwidth == pytest.approx(naive_least_bandwidth(constants(*problem)), rel=NAIVE_TOL)


def alone(c: Constants) -> Floats:
    """Seconds that each device needs with the whole band, full power and its local data only."""
    return np.asarray(c.D_lo / c.F + c.s / (c.B * np.log1p(c.P * c.s / (c.h * c.B))))


def amount_allowed(problem: Problem, least: float) -> Problem:
    """The problem with every device allowed to add this much at least."""
    return problem.limited(max_synthetic=np.maximum(problem.limits.max_synthetic, least))


@pytest.mark.parametrize("how", ["bandwidth", "max_latency", "error", "none allowed"])
@pytest.mark.parametrize("kind", ["paper-like", "wild", *sorted(fleets.DEGENERATE)])
def test_least_synthetic_data(kind: str, how: str) -> None:
    if kind in fleets.DEGENERATE:
        problem = fleets.degenerate(kind, 4, 33)
    else:
        problem = (fleets.wild if kind == "wild" else fleets.paper_like)(5, 34)
    problem = problem.limited(max_synthetic=0.0) if how == "none allowed" else too_tight(problem, how, 0.02)
    error = refusal(problem)
    if error is None:
        assert how == "none allowed"
        return
    if error.min_synthetic is None:
        assert refusal(amount_allowed(problem, 1e18)) is not None
        assert "max_synthetic =" not in str(error)
        return
    assert refusal(amount_allowed(problem, error.min_synthetic)) is None
    assert refusal(amount_allowed(problem, error.min_synthetic * (1 - CRITICAL_TOL))) is not None
    assert re.search(rf"max_synthetic = {NUMBER} samples", str(error))


def stronger(problem: Problem, i: int, **changes: Any) -> Problem:
    """Device i alone, its local data good enough, with something stronger than it has."""
    curve = dataclasses.replace(problem.task.learning, gamma=GOOD_ENOUGH)
    mine = problem.taken([i])._replace(task=dataclasses.replace(problem.task, learning=curve))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        return mine._replace(devices=dataclasses.replace(mine.devices, **changes))


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_what_devices_need(kind: Any, seed: int, part: float) -> None:
    problem = kind(7, seed)
    problem = problem.limited(max_latency=part * float(np.max(alone(constants(*problem)))))
    error = refusal(problem)
    assert error is not None
    assert "devices" in error.reasons
    assert [need.device for need in error.needs] == list(error.devices)
    for i, seconds, frequency, power in error.needs:
        mine = stronger(problem, i)
        assert refusal(mine.limited(max_latency=seconds)) is None
        assert refusal(mine.limited(max_latency=seconds * (1 - CRITICAL_TOL))) is not None
        for name, value in (("max_frequency", frequency), ("max_power", power)):
            if value is None:
                assert refusal(stronger(problem, i, **{name: MOST_OF_A_DEVICE[name]})) is not None
            else:
                assert refusal(stronger(problem, i, **{name: value})) is None
                assert refusal(stronger(problem, i, **{name: value * (1 - CRITICAL_TOL)})) is not None


def test_devices_are_told_by_what_keeps_them() -> None:
    """One trains too long, one uploads too long, one does both, and one has time for either, but not for both."""
    devices = fo.Devices(
        [1e4, 1e2, 1e4, 1e3],
        5e-27,
        [1e9, 1e9, 1e9, 1.5e8],
        [1e-10, 1e-18, 1e-18, 1.2e-13],
        0.2,
        ids=["a", "b", "c", "d"],
    )
    task = fo.Task(fo.LearningCurve(3.0, 0.25, 0.1, 77.6), 5e6, 1, 1e8)
    error = refusal(Problem(devices, fo.Constraints(0.2, 200, 40.0, 2e7, 2000), task))
    assert error is not None
    assert error.devices == (0, 1, 2, 3)
    told = str(error).split(". Any one")[0].split(": ", 1)[1].split("; ")
    number = rf"{NUMBER} (?:[GMkmu])?"
    for clause, pattern in zip(
        sorted(told[:4], key=lambda words: words.split()[1]),
        (
            rf"device a cannot even train its own data by the deadline of 40 s: it needs {number}s, or {number}Hz",
            rf"device b cannot even upload by the .* with the whole band: it needs {number}s, or {number}W",
            rf"device c can neither train its own data nor upload by .* band: it needs {number}s",
            rf"device d cannot train its own data and then upload .*: it needs {number}s, or {number}Hz, or {number}W",
        ),
        strict=True,
    ):
        assert re.fullmatch(pattern, clause), clause


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "device 7 "),
        (2, "devices 7 and 8 "),
        (5, "devices 7, 8, 9, 10 and 11 "),
        (42, r"devices 7, 8 and 40 others \(42 of 60\) "),
    ],
)
def test_many_devices_are_summarised(count: int, words: str) -> None:
    samples = np.full(60, 1e3)
    samples[7 : 7 + count] = 1e5
    devices = fo.Devices(samples, 5e-27, 1.5e9, 1e-10, 0.2)
    with pytest.raises(fo.InfeasibleError, match=rf"^no plan meets all limits: {words}cannot even train"):
        fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 2e7, 2000))
    with pytest.raises(fo.InfeasibleError, match=r"^no plan meets all limits: all 60 devices cannot even train"):
        fo.solve(devices, fo.Constraints(0.2, 200, 3.0, 2e9, 2000))


@pytest.mark.parametrize(
    ("reason", "how"), [("band", "bandwidth"), ("data", "error"), ("curve", "curve"), ("time", "time")]
)
def test_the_reason_is_told(reason: str, how: str) -> None:
    problem = fleets.paper_like(4, 41)
    curve, c = problem.task.learning, constants(*problem)
    allowed = c.A / c.a.size - curve.gamma
    if how == "curve":
        problem = problem.limited(max_global_error=1e-20)
        allowed = 1 + curve.zeta / problem.limits.rounds * math.log(1e-20)
    elif how == "time":  # a band without end, and a deadline that leaves time for the local data and a little more
        problem = problem.limited(bandwidth=1e20, max_latency=1.01 * float(np.max(c.D_lo / c.F + c.h / c.P)))
        c = constants(*problem)
    else:
        problem = too_tight(problem, how, 0.3)
    error = refusal(problem)
    assert error is not None
    assert error.reasons == (reason,)
    why, said = str(error).split(". Any one")[0], constants(*problem)
    least = np.minimum(said.D_hi, said.F * (said.T - said.h / said.P))
    reached = float(np.mean(said.alpha * (said.D_hi if how == "error" else least) ** -said.beta)) - curve.gamma
    expected = {
        "bandwidth": [(error.min_bandwidth or 0.0) - problem.limits.bandwidth],
        "error": [reached, said.A / said.a.size - curve.gamma],
        "curve": [allowed, -curve.gamma],
        "time": [said.T, reached, allowed],
    }[how]
    found = numbers(why.replace(" MHz", "e6 ").replace(" kHz", "e3 "))
    assert len(found) == len(expected)
    for number, value in zip(found, expected, strict=True):
        assert number == pytest.approx(value, rel=CRITICAL_TOL)


def test_a_short_band_is_told_apart_from_a_band_too_short_for_local_data() -> None:
    problem = fleets.paper_like(4, 41)
    error = refusal(fleets.tightened(problem, -0.001))
    assert error is not None
    assert "the band is " in str(error)
    assert "too narrow even" not in str(error)
    error = refusal(fleets.tightened(problem, -0.5))
    assert error is not None
    assert error.reasons == ("band",)
    assert "short, and too narrow even without synthetic data. Any one of these" in str(error)


def test_a_cure_is_printed_with_enough_digits() -> None:
    problem = fleets.tightened(fleets.paper_like(4, 41), -3e-9)
    error = refusal(problem)
    assert error is not None
    printed = re.findall(rf"bandwidth = ({NUMBER}) Hz instead of ({NUMBER})", str(error))
    assert len(printed) == 1
    new, old = map(float, printed[0])
    assert new > old
    assert refusal(problem.limited(bandwidth=new)) is None
    assert new - old == pytest.approx((error.min_bandwidth or 0.0) - problem.limits.bandwidth, rel=0.2)


def test_a_deadline_far_above_that_of_the_slowest_upload_is_found() -> None:
    """The band allows a deadline 1e-13 above the least there is, but the data needs a longer one."""
    devices = fo.Devices([1e4, 10.0], 5e-27, 1e9, 1e-3, 1.0)
    task = fo.Task(fo.LearningCurve(3.0, 0.25, 0.1, 77.6), 5e6, 1, 1e3)
    mean = float(np.mean(3.0 * np.array([1e4, 1e4 + 300.0]) ** -0.25)) - 0.1
    limits = fo.Constraints(math.exp((mean - 1) * 200 / 77.6), 200, 50.0, 1e14, 1e5)
    error = refusal(Problem(devices, limits, task))
    assert error is not None
    confirm(Problem(devices, limits, task), error)
    assert error.min_latency is not None
    assert error.min_latency > 50.5


def test_devices_that_cannot_take_part_are_named() -> None:
    problem = fleets.paper_like(12, 40)
    seconds = np.sort(alone(constants(*problem)))
    problem = problem.limited(max_latency=0.5 * (seconds[8] + seconds[9]))
    d = problem.devices
    ids = [f"phone-{i}" for i in range(12)]
    problem = problem._replace(devices=dataclasses.replace(d, ids=ids))
    error = refusal(problem)
    assert error is not None
    slow = np.flatnonzero(alone(constants(*problem)) > problem.limits.max_latency)
    assert error.devices == tuple(int(i) for i in slow)
    assert len(slow) == 3
    for i in slow:
        assert ids[i] in str(error)
    assert [need.device for need in error.needs] == slow.tolist()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 5, 9])
def test_devices_against_each_devices_own_least_time(count: int, seed: int) -> None:
    problem = too_tight(fleets.wild(count, seed), "max_latency", 0.5)
    error = refusal(problem)
    assert error is not None
    c = constants(*problem)
    assert error.devices == tuple(int(i) for i in np.flatnonzero(alone(c) > c.T))
    for i in error.devices:  # infeasible whatever the others do: alone with the whole band and no learning limit
        mine = problem.taken([i]).limited(max_global_error=NEAR_ONE)
        assert refusal(mine) is not None


def numbers(message: str) -> list[float]:
    return [float(word) for word in re.findall(NUMBER, message)]


@pytest.mark.parametrize("how", ["bandwidth", "max_latency", "error"])
def test_message_contains_the_numbers(how: str) -> None:
    problem = too_tight(fleets.paper_like(4, 41), how, 0.3)
    error = refusal(problem)
    assert error is not None
    said = numbers(str(error))
    for limit in LIMITS:
        value = getattr(error, FIELD[limit])
        if value is None:
            assert f"{limit} =" not in str(error)
        else:
            assert f"{limit} =" in str(error)
            for number in (value, getattr(problem.limits, limit)):
                assert any(math.isclose(number, word, rel_tol=CRITICAL_TOL) for word in said), (limit, number, said)


def test_no_single_limit_helps() -> None:
    problem = too_tight(fleets.paper_like(4, 42), "error", 1.0)
    problem = problem.limited(max_latency=1e-3)
    error = refusal(problem)
    assert error is not None
    values = (error.min_bandwidth, error.min_latency, error.min_global_error, error.min_rounds)
    assert values == (None, None, None, None)
    assert error.devices == (0, 1, 2, 3)
    assert "No change of a single limit" in str(error)
    confirm(problem, error)


def test_no_band_helps_a_device_that_is_too_slow() -> None:
    problem = fleets.paper_like(4, 43)
    c = constants(*problem)
    problem = problem.limited(max_latency=0.99 * float(np.max(c.D_lo / c.F)))
    error = refusal(problem)
    assert error is not None
    assert error.min_bandwidth is None
    assert error.min_global_error is None
    assert error.min_rounds is None
    assert error.min_latency is not None
    confirm(problem, error)


def test_no_time_or_band_helps_where_data_is_missing() -> None:
    problem = too_tight(fleets.paper_like(4, 44), "error", 0.5)
    error = refusal(problem)
    assert error is not None
    assert error.min_bandwidth is None
    assert error.min_latency is None
    assert error.min_global_error is not None
    assert error.min_rounds is not None
    assert error.devices == ()
    confirm(problem, error)


def test_no_rounds_help_where_nothing_is_learnt() -> None:
    """With a mean local error of 1 or more that no data lowers, training never converges."""
    devices = fo.Devices([2.0, 3.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    task = fo.Task(fo.LearningCurve(3.0, 0.25, 0.1, 77.6), 5e6, 1, 1e6)
    problem = Problem(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 10.0), task)
    error = refusal(problem)
    assert error is not None
    assert (error.min_global_error, error.min_rounds) == (None, None)
    confirm(problem, error)


def test_pickling_and_copying_keep_every_field() -> None:
    error = refusal(too_tight(fleets.paper_like(4, 45), "bandwidth", 0.3))
    assert error is not None
    assert isinstance(error, ValueError)
    assert isinstance(error, fo.FimiError)
    error.add_note("round 7")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert other == error
        assert str(other) == str(error)
        assert other.__notes__ == ["round 7"]
        for name in (*FIELD.values(), "min_synthetic", "devices", "needs", "reasons"):
            assert getattr(other, name) == getattr(error, name)
    assert error != fo.InfeasibleError(str(error))
    assert error != ValueError(str(error))


@given(fleets.problems(4), st.floats(0.05, 0.9))
def test_least_bandwidth_is_consistent_with_the_energy(problem: Problem, part: float) -> None:
    """The least band falls as the deadline grows, and never depends on the band that was offered."""
    one = refusal(fleets.tightened(problem, -part))
    two = refusal(fleets.tightened(problem, -0.5 * part))
    assert one is not None
    assert two is not None
    assert one.min_bandwidth == pytest.approx(two.min_bandwidth, rel=CRITICAL_TOL)
    longer = refusal(fleets.tightened(problem, -part).limited(max_latency=1.01 * problem.limits.max_latency))
    assert longer is None or (longer.min_bandwidth or 0.0) <= (one.min_bandwidth or 0.0) * (1 + CRITICAL_TOL)
