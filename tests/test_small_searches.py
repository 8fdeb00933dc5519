"""What searches do at their edges: the paper's random one step by step, subproblems at a rounding, last digits."""

import math
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import Problem
from oracles import Constants, constants, energy_of, least_bandwidth, naive_bandwidth, naive_data

import fimi_opt as fo
from fimi_opt._kernels.device import Device, Shared, respond
from fimi_opt._kernels.fleet import Answer, Fleet, empty_answer
from fimi_opt._kernels.joint import finish, search_prices
from fimi_opt._kernels.search import DONE, FAILED, NESTED, ONE, P1, P2, Sums, advance, start
from fimi_opt._kernels.splits import evaluate_splits, set_split, shortfall
from fimi_opt._kernels.subproblems import INFEASIBLE, SOLVED, STALLED, share_band
from fimi_opt.errors import NumericalError
from fimi_opt.models import local_error
from fimi_opt.scenarios import paper
from fimi_opt.solvers import bandwidth, joint, large
from fimi_opt.solvers.cross_entropy import _inside, search_splits, split_box
from fimi_opt.solvers.instance import Instance, make_instance, state_problem
from fimi_opt.solvers.joint import JointSolution, solve_joint

NAIVE_TOL = 1e-9  # of bisections inside bisections, and of limits that are drawn in by 1e-15


def naive_split(c: Constants, eta: Any) -> tuple[float, float]:
    """Energy of a split, inf where it misses a limit, and the part of the limit that it misses."""
    t, u = eta * c.T, (1 - eta) * c.T
    top = np.maximum(np.minimum(c.D_hi, c.F * t), c.D_lo)
    least = sum(least_bandwidth(c, i, float(u[i])) for i in range(t.size))
    missed = max(float(np.sum(c.alpha * top**-c.beta)) / c.A - 1, least / c.B - 1, 0.0)
    if missed > 0:
        return math.inf, missed
    return energy_of(c, naive_data(c, t), t, u, naive_bandwidth(c, u)), 0.0


def mirrored(x: float, low: float, high: float) -> float:
    """A sample brought inside by mirrors at both faces, one reflection at a time."""
    while not low <= x <= high:
        x = 2 * low - x if x < low else 2 * high - x
    return x


def test_the_papers_search_step_by_step() -> None:
    devices, limits, task = paper(seed=4, devices=2, bandwidth=1.1e6)
    c, settings = constants(devices, limits, task), fo.CrossEntropy(samples=14, elite=4, iterations=4, smoothing=0.3)
    found = search_splits(make_instance(devices, limits, task), settings, None, np.random.default_rng(3), 1)
    rng, best = np.random.default_rng(3), (math.inf, np.empty(2))
    low = c.D_lo / c.F / c.T
    high = 1 - c.s / (c.B * np.log1p(c.P * c.s / (c.h * c.B))) / c.T
    mean, deviation = (low + high) / 2, (high - low) / 2
    for row in found.history:
        samples = mean + deviation * rng.standard_normal((14, 2))
        eta = np.array([[mirrored(*args) for args in zip(x, low, high, strict=True)] for x in samples])
        judged = [naive_split(c, x) for x in eta]
        order = sorted(range(14), key=lambda m: (judged[m][1], judged[m][0]))[:4]
        best = min((best, (judged[order[0]][0], eta[order[0]])), key=lambda pair: pair[0])
        of_elite = [judged[m][0] for m in order if math.isfinite(judged[m][0])]
        told = (best[0], float(np.mean(of_elite)) if of_elite else math.inf, float(np.max(deviation)))
        assert (row.best, row.elite_mean, row.spread) == pytest.approx(told, rel=NAIVE_TOL)
        assert row.feasible == sum(missed == 0 for _, missed in judged) / 14
        elite = eta[order]
        mean = 0.3 * mean + 0.7 * np.mean(elite, axis=0)
        deviation = 0.3 * deviation + 0.7 * np.sqrt(np.mean((elite - np.mean(elite, axis=0)) ** 2, axis=0))
    assert 0 < found.history[0].feasible < 1
    gen, f, b, power = found.rows
    t = c.T * best[1]
    assert gen == pytest.approx(naive_data(c, t) - c.D_lo, rel=1e-7, abs=1e-7 * float(c.D_lo[0]))
    assert f == pytest.approx((c.D_lo + gen) / t * task.cycles_per_sample * task.local_epochs, rel=1e-12)
    assert b == pytest.approx(naive_bandwidth(c, c.T - t), rel=1e-7)
    assert c.B * (1 - 1e-12) <= float(np.sum(b)) <= c.B
    assert np.all(power <= c.P)


def test_samples_are_mirrored_and_a_face_is_inside() -> None:
    low, high = np.array([0.2, 0.1, 0.4]), np.array([0.5, 0.9, 0.4])
    eta = np.random.default_rng(1).normal(0.4, 3.0, (200, 3))
    inside = _inside(eta, low, high)
    for m in range(200):
        for k in range(2):
            assert inside[m, k] == pytest.approx(mirrored(float(eta[m, k]), low[k], high[k]), rel=1e-12)
    assert np.all(inside[:, 2] == 0.4)
    assert np.all(_inside(np.array([low, high]), low, high) == [low, high])
    # A box that rounding has turned inside out is its lower face.
    assert np.all(_inside(np.array([0.1, 0.7]), np.array([0.4, 0.4]), np.array([0.4, 0.4 - 1e-17])) == 0.4)


def test_splits_that_miss_a_limit_say_by_how_much() -> None:
    problem = Problem(*paper(seed=4, devices=3, bandwidth=2e6))
    instance, c = make_instance(*problem), constants(*problem)
    fleet, shared, supply, _ = instance
    low, high = split_box(instance)
    eta = np.array([low, 0.5 * (low + high), high, [0.5, 0.5, 1 - 0.5 * float(c.h[2] / c.P[2]) / c.T]])
    energy, missed = np.zeros(4), np.zeros(4)
    evaluate_splits(fleet, shared, supply, eta, 0.0, 1, 4, energy, missed)
    assert (energy[0], missed[0]) == (0.0, 0.0)  # not asked for
    assert (energy[3], missed[3]) == (math.inf, math.inf)  # no time to upload
    answer = empty_answer(3)
    for m in range(3):
        right = naive_split(c, eta[m])
        assert set_split(fleet, shared, eta[m], answer)
        assert shortfall(fleet, shared, supply, answer) == pytest.approx(right[1], rel=1e-9, abs=1e-12)
        if m:
            assert (energy[m], missed[m]) == pytest.approx(right, rel=NAIVE_TOL)
    assert not set_split(fleet, shared, eta[3], answer)


def test_data_that_misses_its_limit_by_a_rounding_is_all_there_is() -> None:
    problem = fleets.paper_like(4, 99)
    devices, limits, task = problem
    c, curve = constants(*problem), task.learning
    t = 1.3 * c.D_lo / c.F
    most = np.minimum(c.D_hi, c.F * t)
    mean = float(np.mean(local_error(most, curve.alpha, curve.beta, curve.gamma)))

    def with_limit(mean: float) -> fo.Constraints:
        error = math.exp((mean - 1) * limits.rounds / curve.zeta)
        return problem.limited(max_global_error=error).limits

    found = fo.allocate_data(devices, with_limit(mean - 2e-13 * (mean + curve.gamma)), t, task)
    assert c.D_lo + found.synthetic_samples == pytest.approx(most, rel=1e-10)
    with pytest.raises(fo.InfeasibleError, match=rf"falls to {mean:.6g}, the limit is {mean - 1e-3:.6g}"):
        fo.allocate_data(devices, with_limit(mean - 1e-3), t, task)


@pytest.mark.parametrize("v", [1e-3, 0.1, 1.0, 6.0])
def test_the_search_for_the_bands_price_starts_near_it(v: float, monkeypatch: pytest.MonkeyPatch) -> None:
    devices, limits, task = fleets.degenerate("identical devices", 3, 9)
    u = np.full(3, 20.0)
    starts = []

    def recorded(*arguments: Any) -> Any:
        starts.append(arguments[4])
        return share_band(*arguments)

    monkeypatch.setattr(bandwidth, "share_band", recorded)
    strong = fleets.devices(
        devices.local_samples, devices.energy_coefficient, devices.max_frequency, devices.channel_gain, 1e3
    )
    band = 3 * task.update_bits * math.log(2) / (v * 20.0)
    found = fo.allocate_bandwidth(strong, Problem(strong, limits, task).limited(bandwidth=band).limits, u, task)
    # v^2 e^v stands for e^v (v - 1) + 1: within a factor of e below 1, of e v above.
    assert starts == [pytest.approx(math.log(found.multiplier), abs=1.1 + math.log(max(v, 1.0)))]


def test_a_band_that_is_known_to_a_rounding_is_tried_a_little_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fleets.paper_like(3, 5)
    u, c, tried = np.full(3, 25.0), constants(*problem), []
    B = make_instance(*problem).supply.B

    def refuses(*arguments: Any) -> Any:
        tried.append(arguments[3])
        return math.inf, INFEASIBLE

    monkeypatch.setattr(bandwidth, "share_band", refuses)
    with pytest.raises(NumericalError, match="price of bandwidth ended early"):
        fo.allocate_bandwidth(*problem[:2], u, problem.task)
    assert tried == pytest.approx([B, B * (1 + 1e-12), B * (1 + 1e-9)], rel=1e-14)
    tried.clear()
    least = sum(least_bandwidth(c, i, 25.0) for i in range(3))
    narrow = problem.limited(bandwidth=least * (1 - 5e-13))
    with pytest.raises(NumericalError):
        fo.allocate_bandwidth(*narrow[:2], u, problem.task)
    assert tried[2] == pytest.approx(least * (1 + 1e-9), rel=1e-13)


def one_uploading(P: float) -> tuple[Fleet, Shared]:
    row = [np.array([x]) for x in (6e-7, 60.0, 10.0, P, 1e3, 3e3)]
    logs = [np.log(row[k]) for k in (0, 1, 4, 5)]
    return Fleet(*row, *logs), Shared(3.0, 0.25, 8e7, 60.0, math.log(0.75))


def test_a_band_that_no_price_shares() -> None:
    fleet, shared = one_uploading(5.0)
    b = np.empty(1)
    assert share_band(fleet, shared, np.zeros(1), 1e9, 0.0, b) == (math.inf, INFEASIBLE)
    assert share_band(fleet, shared, np.full(1, 18.0), 1e3, 0.0, b) == (math.inf, INFEASIBLE)
    assert share_band(fleet, shared, np.full(1, 18.0), 1e9, 0.0, b)[1] == SOLVED
    # Efficiency 640 has its price beyond e^600; only so strong a device could send so much through so little.
    strong, _ = one_uploading(1e290)
    assert share_band(strong, shared, np.full(1, 20.0), 8e7 / 20.0 / 640.0, 0.0, b)[1] == STALLED


@pytest.mark.parametrize("mode", [ONE, NESTED])
def test_a_step_below_the_last_digit_ends_a_search(mode: int) -> None:
    """Demand so steep that no price between two floats clears it."""
    state = start(3.0, 2.5, mode)
    assert advance(state, Sums(0.0 if mode == ONE else 1e-12, 1e-12, -1e6, 0.0, 0.0, -1e6)) == DONE
    assert (state[P1], state[P2]) == (3.0, 2.5)
    # A rounding more is a step.
    state = start(3.0, 2.5, mode)
    assert advance(state, Sums(0.0 if mode == ONE else 1e-9, 1e-9 * (mode == ONE), -1e6, 0.0, 0.0, -1e6)) == mode
    assert (state[P1], state[P2]) == ((3.0, 2.5 + 1e-15) if mode == ONE else (3.0 + 1e-15, 2.5))


def test_a_split_beyond_the_last_one_that_floats_hold_ends_there() -> None:
    dev = Device(6e-7, 60.0, 10.0, 5.0, 1e3, 1e30, *(math.log(x) for x in (6e-7, 60.0, 1e3, 1e30)))
    answer, steps = respond(dev, Shared(3.0, 0.25, 8e7, 60.0, math.log(0.75)), 450.0, 1e-5, 0.0)
    assert answer.x == pytest.approx(60.0, rel=1e-12)
    assert pytest.approx(60.0 * 58.0, rel=1e-12) == answer.D
    assert steps <= 100


def test_a_large_fleet_whose_last_step_is_too_long_has_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "BLOCK", 64)
    monkeypatch.setattr(large, "SAMPLE", 50)
    problem = state_problem(*paper(seed=3, devices=200, bandwidth=2e8))
    assert large.solve_large(problem, 1) is not None
    monkeypatch.setattr(large, "scaling", lambda *_: (0.0, 0.0, False))
    assert large.solve_large(problem, 1) is None


def anchored() -> tuple[Instance, JointSolution, Answer]:
    """An instance, its plan by the quick search, and that plan's split."""
    instance = make_instance(*paper(seed=6, devices=6, bandwidth=6e6))
    plain = solve_joint(instance)
    assert plain is not None
    anchor = empty_answer(6)
    anchor.t[:] = plain.split[0]
    anchor.y[:] = plain.split[1] - instance.fleet.h / instance.fleet.P
    return instance, plain, anchor


def test_the_slow_search_ends_with_the_first_plan_that_its_prices_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    instance, plain, anchor = anchored()
    work: list[tuple[int, int, int]] = []

    def kept(*arguments: Any) -> tuple[int, int, int]:
        work.append(search_prices(*arguments))
        return work[-1]

    monkeypatch.setattr(joint, "search_prices", kept)
    found = solve_joint(instance, anchor)
    assert found is not None
    assert found.rows == pytest.approx(plain.rows, rel=1e-5)
    assert [(DONE, found.evaluations, found.inner_steps)] == work


def test_the_slow_search_keeps_the_best_plan_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first plan is none that its prices stand for, and the search for a better one fails."""
    instance, plain, anchor = anchored()
    calls = []

    def fails_later(*arguments: Any) -> Any:
        calls.append(arguments[2])
        ended, *work = search_prices(*arguments)
        return (ended if len(calls) < 2 else FAILED), *work

    def never_good(*arguments: Any) -> bool:
        finish(*arguments)
        if len(calls) > 1:
            raise AssertionError("what a failed search left behind is used")
        return False

    monkeypatch.setattr(joint, "search_prices", fails_later)
    monkeypatch.setattr(joint, "finish", never_good)
    found = solve_joint(instance, anchor)
    assert found is not None
    assert found.rows == pytest.approx(plain.rows, rel=1e-5)
    # Each time the limits are drawn in further, never let out.
    assert len(calls) == 2
    assert instance.supply.A >= calls[0].A > calls[1].A > 0.999 * instance.supply.A
    assert instance.supply.B >= calls[0].B > calls[1].B > 0.999 * instance.supply.B
