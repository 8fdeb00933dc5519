"""The frontier of error and band, and what is read off it, each function against a naive one."""

import math
from dataclasses import replace
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import PAPER_LIKE, Problem
from oracles import Constants, constants, least_bandwidth
from scipy import optimize

import fimi_opt as fo
from fimi_opt._kernels.device import split_times
from fimi_opt._kernels.feasibility import Frontier, full_power, times_of, usual_price
from fimi_opt._kernels.fleet import device_of
from fimi_opt.feasibility import critical, diagnosis
from fimi_opt.feasibility.frontier import least_split, trade
from fimi_opt.solvers.instance import Instance, make_instance

SAME, STEP, SLOPE_TOL = 1e-12, 1e-5, 1e-6
COUNT = 5


def instance_of(problem: Problem) -> tuple[Instance, Constants]:
    return make_instance(*problem), constants(*problem)


def frontier(instance: Instance, log_price: float) -> tuple[Frontier, Any]:
    x = np.zeros(instance.fleet.a.size)
    return least_split(instance.fleet, instance.shared, log_price, x), x


def at(instance: Instance) -> critical.Least:
    return critical.least_bandwidth_for(instance.fleet, instance.shared, instance.supply.A)


def prices(c: Constants) -> list[float]:
    """ln of some Hz per unit of error, at which devices are at either bound or between."""
    typical = math.log(c.s * c.a.size / c.T) - math.log(c.alpha)
    return [typical + d for d in (-3.0, 0.0, 1.5, 3.0, 5.0)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_each_device_trades_error_for_band_at_the_price(kind: Any, seed: int) -> None:
    instance, c = instance_of(kind(COUNT, 70 + seed))
    fleet, shared = instance.fleet, instance.shared
    for log_price in prices(c):
        totals, x = frontier(instance, log_price)
        t, y = np.empty(COUNT), np.empty(COUNT)
        times_of(fleet, shared, x, t, y)
        errors, bands = [], []
        for i in range(COUNT):

            def cost(x: float, i: int = i, log_price: float = log_price) -> tuple[float, float, float]:
                t, y, _ = split_times(x, float(shared.T - c.h[i] / c.P[i]))
                D = max(min(c.D_hi[i], c.F[i] * t), c.D_lo[i])
                error, band = c.alpha * D**-c.beta, least_bandwidth(c, i, float(c.h[i] / c.P[i] + y))
                return band + math.exp(log_price) * error, error, band

            value, error, band = cost(float(x[i]))
            for other in (x[i] - 1e-4, x[i] + 1e-4):
                if split_times(other, 1.0)[0] * (shared.T - c.h[i] / c.P[i]) >= c.D_lo[i] / c.F[i]:
                    assert value <= cost(float(other))[0] * (1 + 1e-12)
            assert t[i] + y[i] == pytest.approx(shared.T - c.h[i] / c.P[i], rel=SAME)
            assert t[i] >= c.D_lo[i] / c.F[i] * (1 - SAME)
            errors.append(error)
            bands.append(band)
        assert totals.e == pytest.approx(sum(errors), rel=SAME)
        assert totals.b == pytest.approx(sum(bands), rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_the_frontiers_slopes(kind: Any, seed: int) -> None:
    instance, c = instance_of(kind(COUNT, 70 + seed))
    for log_price in prices(c):
        totals, _ = frontier(instance, log_price)
        up, down = (frontier(instance, log_price + h)[0] for h in (STEP, -STEP))
        assert totals.e_p == pytest.approx((up.e - down.e) / (2 * STEP), rel=1e-5, abs=1e-8 * totals.e)
        assert totals.b_p == pytest.approx((up.b - down.b) / (2 * STEP), rel=1e-5, abs=1e-8 * totals.b)
        # -db/dT with the splits' compute times kept.
        fall = 0.0
        for i in range(COUNT):
            dev = device_of(instance.fleet, i)
            _, y, _ = split_times(frontier(instance, log_price)[1][i], instance.shared.T - dev.h / dev.P)
            more, less = (full_power(dev, instance.shared.s, y * (1 + h)).b for h in (STEP, -STEP))
            fall -= (more - less) / (2 * STEP * y)
            own = full_power(dev, instance.shared.s, y)
            steeper, flatter = (full_power(dev, instance.shared.s, y * (1 + h)).fall for h in (STEP, -STEP))
            u = dev.h / dev.P + y
            bent = -(math.log(steeper) - math.log(flatter)) / (2 * STEP * y) * u
            assert own.elasticity == pytest.approx(bent, rel=1e-5)
        assert totals.b_T == pytest.approx(fall, rel=SLOPE_TOL)


def test_both_ends_of_the_frontier() -> None:
    instance, c = instance_of(fleets.paper_like(COUNT, 71))
    least, _ = frontier(instance, -math.inf)
    assert least.e == pytest.approx(float(np.sum(c.alpha * c.D_lo**-c.beta)), rel=SAME)
    bands = [least_bandwidth(c, i, float(c.T - c.D_lo[i] / c.F[i])) for i in range(COUNT)]
    assert least.b == pytest.approx(sum(bands), rel=1e-10)
    most, x = frontier(instance, math.inf)
    assert most.e == pytest.approx(critical.error_without_band(instance.fleet, instance.shared), rel=1e-10)
    reach = np.clip(c.F * (c.T - c.h / c.P), c.D_lo, c.D_hi)
    assert most.e == pytest.approx(float(np.sum(c.alpha * reach**-c.beta)), rel=1e-10)
    # Where all that is allowed can be trained, no more time than that is taken.
    capped = c.D_hi / c.F < (c.T - c.h / c.P) * (1 - 1e-9)
    assert np.any(capped)
    for i in np.flatnonzero(capped):
        assert split_times(x[i], float(c.T - c.h[i] / c.P[i]))[0] == pytest.approx(c.D_hi[i] / c.F[i], rel=1e-12)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_trade_meets_its_limit_and_its_price_is_the_slope(part: float) -> None:
    instance, _ = instance_of(fleets.paper_like(COUNT, 71))
    fleet, shared = instance.fleet, instance.shared
    least, most = frontier(instance, -math.inf)[0], frontier(instance, math.inf)[0]
    A, usual = least.e + part * (most.e - least.e), usual_price(fleet, shared)
    assert usual == pytest.approx(math.log(shared.s * COUNT / shared.T / shared.alpha), rel=SAME)
    x = np.zeros(COUNT)
    (e, b, *_), log_price, found = trade(fleet, shared, A, math.inf, usual, x)
    assert found
    assert e == pytest.approx(A, rel=1e-13)
    again = np.zeros(COUNT)
    (other_e, other_b, *_), other_price, found = trade(fleet, shared, math.inf, b, usual, again)
    assert found
    assert (other_e, other_b, other_price) == pytest.approx((e, b, log_price), rel=1e-9)
    assert again == pytest.approx(x, rel=1e-7, abs=1e-7)
    h = 1e-5 * A
    near = [trade(fleet, shared, A + d, math.inf, usual, np.zeros(COUNT))[0].b for d in (h, -h)]
    assert math.exp(log_price) == pytest.approx(-(near[0] - near[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("part", [0.2, 0.8])
def test_least_bands_and_errors_with_their_prices(part: float) -> None:
    instance, c = instance_of(fleets.paper_like(COUNT, 71))
    fleet, shared = instance.fleet, instance.shared
    ends = frontier(instance, -math.inf)[0], frontier(instance, math.inf)[0]
    A = ends[0].e + part * (ends[1].e - ends[0].e)
    least = critical.least_bandwidth_for(fleet, shared, A)
    assert least.error == pytest.approx(A, rel=1e-13)
    later, sooner = (
        critical.least_bandwidth_for(fleet, shared._replace(T=shared.T * (1 + h)), A).bandwidth for h in (STEP, -STEP)
    )
    assert least.per_second == pytest.approx((sooner - later) / (2 * STEP * shared.T), rel=1e-5)
    same = critical.least_error_for(fleet, shared, least.bandwidth)
    assert (same.error, same.log_price) == pytest.approx((A, least.log_price), rel=1e-8)
    # Outside the frontier: enough already, or never.
    for loose in (ends[0].e, 1.5 * ends[0].e):
        easy = critical.least_bandwidth_for(fleet, shared, loose)
        assert (easy.error, easy.bandwidth, easy.log_price) == (ends[0].e, ends[0].b, -math.inf)
    assert critical.least_bandwidth_for(fleet, shared, ends[1].e * 0.999)[:2] == (ends[1].e, math.inf)
    last = critical.least_bandwidth_for(fleet, shared, ends[1].e)
    assert (last.bandwidth, last.log_price) == (ends[1].b, math.inf)
    assert math.isfinite(ends[1].b)
    assert critical.least_error_for(fleet, shared, ends[0].b).error == ends[0].e
    narrow = critical.least_error_for(fleet, shared, 0.999 * ends[0].b)
    assert (narrow.error, narrow.log_price) == (math.inf, -math.inf)
    wide = critical.least_error_for(fleet, shared, 1.001 * ends[1].b)
    assert (wide.error, wide.log_price) == (ends[1].e, math.inf)
    late = shared._replace(T=float(np.max(c.D_lo / c.F + c.h / c.P)))
    assert critical.no_time(fleet) == late.T
    assert not critical.every_device_open(fleet, late)
    assert critical.least_bandwidth_for(fleet, late, A).bandwidth == math.inf
    assert critical.least_error_for(fleet, late, 1e20).error == math.inf


def test_figures_of_a_fleet() -> None:
    instance, c = instance_of(fleets.wild(COUNT, 72))
    fleet, shared = instance.fleet, instance.shared
    assert critical.error_at_most(fleet, shared) == pytest.approx(float(np.sum(c.alpha * c.D_hi**-c.beta)), rel=SAME)
    seconds = c.s / (c.B * np.log1p(c.P * c.s / (c.h * c.B)))
    assert critical.upload_times(fleet, shared, c.B) == pytest.approx(seconds, rel=1e-12)
    assert critical.shortest_times(fleet, shared, c.B) == pytest.approx(seconds + c.D_lo / c.F, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_least_deadline_and_the_least_amount_just_admit(seed: int) -> None:
    instance, _ = instance_of(fleets.tightened(fleets.paper_like(COUNT, 73 + seed), -0.05))
    fleet, shared, (A, B), _ = instance
    T = critical.least_latency_for(fleet, shared, A, B, at(instance))
    assert T is not None
    for part, admits in ((1.0, True), (1 - 3e-9, False)):
        assert (critical.least_bandwidth_for(fleet, shared._replace(T=T * part), A).bandwidth <= B) == admits
    # No deadline brings the error below what all the allowed data leaves.
    most = critical.error_at_most(fleet, shared)
    assert critical.least_latency_for(fleet, shared, most * (1 - 1e-9), B, at(instance)) is None
    amount = critical.least_synthetic_for(fleet, shared, A, B, at(instance))
    if amount is None:
        return
    for part, admits in ((1.0, True), (1 - 1e-7, False)):
        D_hi = np.maximum(fleet.D_hi, fleet.D_lo + amount * part)
        more = fleet._replace(D_hi=D_hi, log_D_hi=np.log(D_hi))
        assert (critical.least_error_for(more, shared, B).error <= A * (1 + 1e-14)) == admits


def test_a_deadline_that_no_rounding_admits_is_granted_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    instance, _ = instance_of(fleets.tightened(fleets.paper_like(COUNT, 75), -0.2))
    arguments = (instance.fleet, instance.shared, *instance.supply, at(instance))
    plain = critical.least_latency_for(*arguments)
    monkeypatch.setattr(critical, "_rounding_of", lambda *_: math.inf)
    most = critical.least_latency_for(*arguments)
    assert plain is not None
    assert most is not None
    assert most / plain - 1 == pytest.approx(5e-7, abs=2e-9)


def test_where_every_device_is_at_its_most_the_least_deadline_is_as_exact() -> None:
    """The error limit asks for all the data that is allowed: its price is infinite, and no rounding is worth that."""
    instance, _ = instance_of(fleets.tightened(fleets.paper_like(COUNT, 75), -0.2))
    fleet, shared, (_, B), _ = instance
    late = shared._replace(T=10 * shared.T)
    A = critical.error_at_most(fleet, shared)
    least = critical.least_bandwidth_for(fleet, late, A)
    assert least.log_price == math.inf
    found = critical.least_latency_for(fleet, shared, A, 0.5 * B, at(instance))
    assert found is not None

    def excess(T: float) -> float:
        return critical.least_bandwidth_for(fleet, shared._replace(T=T), A).bandwidth / (0.5 * B) - 1

    assert found == pytest.approx(optimize.bisect(excess, 0.5 * found, 2 * found, xtol=1e-11), rel=2e-9)


def test_a_search_starts_at_a_result_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    instance, _ = instance_of(fleets.paper_like(COUNT, 71))
    fleet, shared, (A, _), _ = instance
    plain, starts = critical.least_bandwidth_for(fleet, shared, A), []

    def kept(fleet: Any, shared: Any, A: float, B: float, log_price: float, x: Any, workers: int) -> Any:
        starts.append((log_price, x.copy()))
        return trade(fleet, shared, A, B, log_price, x, workers)

    monkeypatch.setattr(critical, "trade", kept)
    usual, x = usual_price(fleet, shared), plain.x.copy()
    for near, log_price, first in (
        (None, usual, np.zeros(COUNT)),
        (plain, plain.log_price + critical._BESIDE, x),
        (plain._replace(log_price=math.inf), usual, np.zeros(COUNT)),
    ):
        starts.clear()
        found = critical.least_bandwidth_for(fleet, shared, 1.001 * A, near)
        assert found.bandwidth < plain.bandwidth
        assert [start[0] for start in starts] == [log_price]
        assert np.array_equal(starts[0][1], first)
    assert np.array_equal(plain.x, x)  # a result is not written over


def test_the_least_amount_at_its_ends() -> None:
    instance, c = instance_of(fleets.paper_like(COUNT, 71))
    fleet, shared, (A, B), _ = instance
    # What every device may add already is enough, or what it has time for is just enough.
    lo = float(np.min(c.D_hi - c.D_lo))
    assert critical.least_synthetic_for(fleet, shared, A, B, at(instance)) == pytest.approx(lo, rel=SAME)
    most = critical.error_without_band(fleet._replace(D_hi=np.full(COUNT, 1e30)), shared)
    reach = float(np.max(c.F * (shared.T - c.h / c.P) - c.D_lo))
    assert critical.least_synthetic_for(fleet, shared, most * (1 + 1e-13), 1e40, at(instance)) == pytest.approx(
        reach, rel=1e-6
    )
    assert critical.least_synthetic_for(fleet, shared, most * (1 - 1e-9), 1e40, at(instance)) is None
    assert critical.least_synthetic_for(fleet, shared, -1.0, B, at(instance)) is None


def test_the_anchor_takes_half_of_the_band_that_is_to_spare() -> None:
    problem = fleets.paper_like(COUNT, 71)
    instance, c = instance_of(problem)
    least = critical.least_bandwidth_for(instance.fleet, instance.shared, instance.supply.A)
    most = frontier(instance, math.inf)[0]
    B = least.bandwidth + 0.5 * (min(most.b, 2 * least.bandwidth) - least.bandwidth)
    instance = instance._replace(supply=instance.supply._replace(B=B))
    moved, anchor = diagnosis.check(*problem, instance)
    assert moved == instance
    bands = [least_bandwidth(c, i, float(c.h[i] / c.P[i] + anchor.y[i])) for i in range(COUNT)]
    assert sum(bands) == pytest.approx(0.5 * (least.bandwidth + B), rel=1e-9)
    reached = c.alpha * np.clip(c.F * anchor.t, c.D_lo, c.D_hi) ** -c.beta
    assert float(np.sum(reached)) < instance.supply.A
    assert anchor.t + anchor.y == pytest.approx(instance.shared.T - c.h / c.P, rel=SAME)
    # All the data that is allowed, where the band is enough for it.
    wide = instance._replace(supply=instance.supply._replace(B=10 * most.b))
    _, anchor = diagnosis.check(*problem, wide)
    assert anchor.x == pytest.approx(frontier(instance, math.inf)[1], rel=SAME)


@pytest.mark.parametrize(("missed", "admits"), [(0.0, True), (5e-15, True), (1e-13, False)])
@pytest.mark.parametrize("limit", ["A", "B"])
def test_limits_that_are_missed_by_a_rounding_are_moved_to_what_there_is(
    limit: str, missed: float, admits: bool
) -> None:
    problem = fleets.make(fleets.table(COUNT, 71), replace(PAPER_LIKE, frequency_room=5.0))
    instance, _ = instance_of(problem)
    A = frontier(instance, math.inf)[0].e if limit == "A" else instance.supply.A
    least = critical.least_bandwidth_for(instance.fleet, instance.shared, A)
    B = least.bandwidth if limit == "B" else 2 * least.bandwidth
    supply = instance.supply._replace(A=A * (1 - missed * (limit == "A")), B=B * (1 - missed * (limit == "B")))
    given = instance._replace(supply=supply)
    if admits:
        moved, _ = diagnosis.check(*problem, given)
        assert moved.supply == (A, B)
    else:
        with pytest.raises(fo.InfeasibleError):
            diagnosis.check(*problem, given)


def test_the_root_finders_own_oracle() -> None:
    """The deadline by SciPy's bisection of the band's excess."""
    instance, _ = instance_of(fleets.tightened(fleets.paper_like(COUNT, 75), -0.2))
    fleet, shared, (A, B), _ = instance

    def excess(T: float) -> float:
        return critical.least_bandwidth_for(fleet, shared._replace(T=T), A).bandwidth / B - 1

    found = critical.least_latency_for(fleet, shared, A, B, at(instance))
    assert found == pytest.approx(optimize.bisect(excess, shared.T, 2 * shared.T, xtol=1e-11), rel=2e-9)
