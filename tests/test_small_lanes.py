"""Devices side by side: their lanes, what of them can move, and the prices' next step, each against a sum by hand."""

import math
from dataclasses import replace
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import PAPER_LIKE, Problem
from oracles import Constants, constants

from fimi_opt._elementary import growth
from fimi_opt._kernels import lanes as L  # noqa: N812
from fimi_opt._kernels import settling, smooth
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.fleet import Price, Supply, device_of, empty_answer, evaluate
from fimi_opt.scenarios import paper
from fimi_opt.solvers.instance import make_instance, state_problem

SHARED = Shared(3.0, 0.25, 8e7, 60.0, math.log(3.0 * 0.25))


def loaded(problem: Problem, log_nu: float, log_w: float, mark: bool) -> tuple[Any, Any, Shared]:
    """Lanes of a fleet after enough steps at the prices, the last totals."""
    given, shared_, _, cycles = state_problem(*problem)
    n = given.samples.size
    lanes = np.empty(L.SIZE)
    L.load(lanes, given, 0, n, cycles, shared_.s)
    L.load_logarithms(lanes, n)
    lanes[L.UPLOAD : L.UPLOAD + n] = 0.3 * shared_.T
    L.begin(lanes, n, shared_.s, math.exp(log_w))
    for _ in range(40):
        totals = L.step(lanes, n, shared_, log_nu, math.exp(log_w), 0.0, 0.0, mark)
    return lanes, totals, shared_


def tight() -> tuple[Problem, float, float]:
    """Devices some of which are short of power or of speed, and prices at which others are free."""
    style = replace(PAPER_LIKE, frequency_room=0.2, power_room=0.8, synthetic_room=0.4)
    problem = fleets.make(fleets.table(9, 52), style)
    plan = problem.solve()
    return problem, math.log(plan.prices.error / 9), math.log(plan.prices.bandwidth)


def test_marked_devices_keep_their_answer_in_their_own_lanes() -> None:
    problem, log_nu, log_w = tight()
    lanes, totals, shared_ = loaded(problem, log_nu, log_w, mark=True)
    fleet, n = make_instance(*problem).fleet, 9
    marked = lanes[L.MARKED : L.MARKED + n]
    assert set(marked) == {0.0, 1.0}
    answer = empty_answer(n)
    answer.x[:] = 0.85
    evaluate(fleet, shared_, Price(log_nu, log_w, 0.0, 0.0), answer, 0, n)
    for j in np.flatnonzero(marked):
        assert lanes[L.V + j] == pytest.approx(answer.x[j], rel=1e-9)
        assert (lanes[L.BY_NU + j], lanes[L.BY_W + j]) == pytest.approx((answer.x_p1[j], answer.x_p2[j]), rel=1e-6)
        assert lanes[L.STEP + j] == lanes[L.OFF + j] == 0.0
    assert totals.off <= 1e-9
    settling.answer(lanes, n, shared_, log_nu, math.exp(log_w), 0.0, 0.0)
    u = fleet.h / fleet.P + answer.y
    for row, right in ((L.TIME, answer.t), (L.UPLOAD, u), (L.DATA, answer.D), (L.BAND, answer.b)):
        assert lanes[row : row + n] == pytest.approx(right, rel=1e-7)


def test_how_a_device_that_is_just_marked_starts() -> None:
    problem, log_nu, log_w = tight()
    lanes, _, shared_ = loaded(problem, log_nu, log_w, mark=False)
    for j in range(9):
        u = math.exp(log_w) * shared_.s / (lanes[L.H + j] * growth(lanes[L.V + j])[2])
        y = max(u - lanes[L.H + j] / lanes[L.P + j], 1e-3 * shared_.T)
        assert L._split_at(lanes, j, shared_, math.exp(log_w)) == pytest.approx(
            math.log((shared_.T - u) / y), rel=1e-12
        )
    dev, right = L.device_at(lanes, 4), device_of(make_instance(*problem).fleet, 4)
    assert tuple(dev) == pytest.approx(tuple(right), rel=1e-12)


def by_hand(c: Constants, lanes: Any, w: float) -> tuple[float, ...]:
    """Totals of e, free e, b, free b and the value of time of an answer in lanes, device by device."""
    e = free_e = b_sum = free_b = value = 0.0
    for j in range(c.a.size):
        D, t, u, b = (float(lanes[row + j]) for row in (L.DATA, L.TIME, L.UPLOAD, L.BAND))
        v = c.s / (b * u)
        error = c.alpha * D**-c.beta
        power = c.h[j] * math.expm1(v) / (v * u)
        time = c.h[j] * (math.exp(v) * (v - 1) + 1) / (u * v)  # what more time saves at this b
        e, b_sum, value = e + error, b_sum + b, value + time
        if c.D_lo[j] * (1 + 1e-8) < D < min(c.D_hi[j], c.F[j] * t) * (1 - 1e-8):
            free_e += error
        if power < c.P[j] * (1 - 1e-8):
            free_b += b
        else:  # the power's multiplier: what b costs beyond what it saves, over what a watt second buys of b
            pi = w * b / (u * time) - 1
            value += max(pi, 0.0) * (time + c.P[j])
    return e, free_e, b_sum, free_b, value


def test_totals_of_what_can_move_and_the_moves() -> None:
    problem, log_nu, log_w = tight()
    lanes, _, shared_ = loaded(problem, log_nu, log_w, mark=True)
    c, w, cycles = constants(*problem), math.exp(log_w), make_instance(*problem).cycles
    settling.answer(lanes, 9, shared_, log_nu, w, 0.0, 0.0)
    total = settling.movable(lanes, 9, shared_, w)
    right = by_hand(c, lanes, w)
    assert 0 < right[1] < right[0]
    assert 0 < right[3] < right[2]
    assert tuple(total) == pytest.approx(right, rel=1e-9)
    before = {row: lanes[row : row + 9].copy() for row in (L.TIME, L.UPLOAD, L.DATA, L.BAND)}
    settling.settle(lanes, 9, shared_, cycles, 1e-10, 2e-10)
    t, u, D, b = (before[row] for row in (L.TIME, L.UPLOAD, L.DATA, L.BAND))
    gen, f, band, power = (lanes[row : row + 9] for row in (L.E, L.B, L.E_1, L.E_2))
    free = (c.D_lo * (1 + 1e-8) < D) & (np.minimum(c.D_hi, c.F * t) * (1 - 1e-8) > D)
    assert gen + c.D_lo == pytest.approx(np.where(free, D * (1 + 1e-10), D), rel=1e-14)
    assert f == pytest.approx(np.minimum((gen + c.D_lo) / t, c.F) * cycles, rel=1e-13)
    v = c.s / (b * u)
    sent = c.h * np.expm1(v) / (v * u) < c.P * (1 - 1e-8)
    assert band == pytest.approx(np.where(sent, b * (1 + 2e-10), b), rel=1e-14)
    v = c.s / (band * u)
    assert power == pytest.approx(np.minimum(c.h * np.expm1(v) / (v * u), c.P), rel=1e-12)


def test_the_aim_is_newtons_and_never_far() -> None:
    totals = L.Totals(4.0, 9.0, -1.5, 0.6, -5.0, 1e-6)
    log_nu, log_w = 0.3, -0.2

    def right(supply: Supply) -> Any:
        crossed = math.exp(log_nu - log_w) * totals.e_2
        slopes = [[totals.e_1 / 4.0, totals.e_2 / 4.0], [crossed / 9.0, totals.b_2 / 9.0]]
        return np.linalg.solve(slopes, [-math.log(4.0 / supply.A), -math.log(9.0 / supply.B)])

    for A, B, close in ((3.9, 9.2, False), (4.0 * (1 + 1e-8), 9.0 * (1 - 2e-8), True)):
        d1, d2, ends = smooth.aim(totals, Supply(A, B), log_nu, log_w, False)
        assert (d1, d2) == pytest.approx(tuple(right(Supply(A, B))), rel=1e-6)
        assert ends == close
    assert not smooth.aim(totals._replace(off=1e-4), Supply(4.0, 9.0), log_nu, log_w, False)[2]
    d1, d2, ends = smooth.aim(totals, Supply(0.4, 90.0), log_nu, log_w, False)
    far = right(Supply(0.4, 90.0))
    assert (d1, d2) == pytest.approx(tuple(2.0 * far / np.max(np.abs(far))), rel=1e-12)
    assert not ends
    assert smooth.aim(totals, Supply(4.1, 8.0), -math.inf, log_w, True)[:2] == pytest.approx(
        (0.0, 9 / 5 * math.log(9 / 8))
    )
    assert math.isnan(smooth.aim(totals._replace(e_1=0.0), Supply(4.0, 9.0), log_nu, log_w, False)[0])


def test_what_is_scaled_closes_both_limits() -> None:
    total = settling.Movable(4.0, 3.0, 9.0, 6.0, 1.0)
    supply = Supply(4.0 * (1 - 1e-10), 9.0 * (1 + 3e-10))
    more_data, more_band, small = smooth.scaling(total, SHARED, supply, False)
    # e changes by -beta of what D does, and only the free part of it.
    assert 4.0 - 0.25 * 3.0 * more_data == pytest.approx(supply.A, rel=1e-15)
    assert 9.0 + 6.0 * more_band == pytest.approx(supply.B, rel=1e-15)
    assert small
    assert smooth.scaling(total, SHARED, supply, True)[0] == 0.0
    assert not smooth.scaling(total, SHARED, Supply(4.0 * (1 - 1e-9), 9.0), False)[2]
    assert not smooth.scaling(total, SHARED, Supply(4.0, 9.0 * (1 + 1e-9)), False)[2]


def test_a_warm_start_from_its_own_times_is_closer_in_every_block() -> None:
    """Devices that differ in groups of 128: the times of another group are no start."""
    devices, limits, task = paper(seed=2, devices=300, bandwidth=3e8)
    order = np.argsort(np.asarray(devices.channel_gain))
    problem = Problem(devices, limits, task).taken(order)
    given, shared_, supply, cycles = state_problem(*problem)
    rows, split = np.empty((4, 300)), np.empty((2, 300))
    nothing = np.empty(0)
    good, nu, w, _, _, cold = smooth.plan(given, cycles, shared_, supply, math.nan, math.nan, nothing, rows, split)
    assert good
    good, _, _, _, evaluations, warm = smooth.plan(given, cycles, shared_, supply, nu, w, split[0].copy(), rows, split)
    assert good
    # As counted; with the times of another group of 128 it takes 4.
    assert evaluations <= 3
    assert warm <= 3 * 300 < cold
