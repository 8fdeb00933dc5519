"""The steps that kernels take, one function at a time, each against what it stands for."""

import math
from typing import Any

import fleets
import numpy as np
import pytest
from fleets import Problem
from oracles import constants, efficiency_at_full_power

from fimi_opt._kernels import device as K  # noqa: N812
from fimi_opt._kernels import lanes as L  # noqa: N812
from fimi_opt._kernels import smooth
from fimi_opt._kernels.device import Device, Shared
from fimi_opt._kernels.fleet import empty_answer, first_prices, write_over
from fimi_opt.solvers.instance import make_instance, state_problem

# Closed forms of a few terms; central differences over 1e-6 of the argument.
SAME, STEP, SLOPE_TOL = 1e-12, 1e-6, 1e-7
NU, W = math.log(40.0), math.log(2e-5)


def shared(T: float = 60.0) -> Shared:
    return Shared(3.0, 0.25, 8e7, T, math.log(3.0 * 0.25))


def device(a: float = 6e-7, F: float = 60.0, P: float = 5.0, D_lo: float = 1000.0, D_hi: float = 3000.0) -> Device:
    return Device(a, F, 10.0, P, D_lo, D_hi, *(math.log(x) for x in (a, F, D_lo, D_hi)))


def slope(function: Any, at: float) -> float:
    """Central difference by a part of the argument."""
    h = STEP * abs(at)
    return float((function(at + h) - function(at - h)) / (2 * h))


def sending(dev: Device, v: float) -> float:
    return dev.h * math.expm1(v) / v


@pytest.mark.parametrize(("y", "P"), [(10.0, 5.0), (25.0, 5.0), (3.0, 9.0), (0.4, 5.0), (1e-3, 5.0), (10.0, 1.5)])
def test_the_upload_side_and_its_slopes(y: float, P: float) -> None:
    dev, s = device(P=P), shared().s
    w = math.exp(W)

    def value(y: float) -> float:
        """What time is worth: the least of h phi(v) + w b falls so fast with u."""
        up = K.upload_side(dev, shared(), y, w)
        return sending(dev, up.v) + w * up.b

    up = K.upload_side(dev, shared(), y, w)
    u = dev.h / P + y
    assert up.b == pytest.approx(s / (u * up.v), rel=SAME)
    # The least over v where power allows it: dearer on either side, or at full power.
    full = efficiency_at_full_power(dev.h / (P * u))
    assert up.v <= full * (1 + 1e-9)
    assert value(y) <= sending(dev, up.v * 0.999) + w * s / (u * up.v * 0.999)
    if up.v < full * (1 - 1e-6):
        assert value(y) <= sending(dev, up.v * 1.001) + w * s / (u * up.v * 1.001)
    assert up.value == pytest.approx(-slope(value, y), rel=SLOPE_TOL * (1 + 100 * (y < 0.01)))
    assert up.b_t == pytest.approx(-slope(lambda y: K.upload_side(dev, shared(), y, w).b, y), rel=1e-6)
    assert up.elasticity / u == pytest.approx(
        -slope(lambda y: math.log(K.upload_side(dev, shared(), y, w).value), y), rel=1e-6
    )
    assert up.b_w == pytest.approx(slope(lambda w: K.upload_side(dev, shared(), y, w).b, w), rel=1e-6)


@pytest.mark.parametrize(
    ("t", "log_nu", "held"),
    [
        (40.0, 2.0, K.LOCAL),
        (40.0, NU, K.FREE),
        (58.0, 9.0, K.MOST),
        (30.0, 7.0, K.REACH),
        (50.0, 9.0, K.MOST),  # at D_hi / F to the last digit, more time is of no more use
    ],
)
def test_the_compute_side_and_its_slopes(t: float, log_nu: float, held: int) -> None:
    dev = device()
    side = K.compute_side(dev, shared(), t, math.log(t), log_nu)
    data = K.data_of(dev, shared(), side, t, log_nu)
    assert side.held == held
    want = (math.exp(log_nu) * 0.75 * t * t / (3 * dev.a)) ** (1 / 3.25)
    D = {K.LOCAL: 1000.0, K.FREE: want, K.MOST: 3000.0, K.REACH: 60.0 * t}[held]
    assert pytest.approx(D, rel=SAME) == data.D
    assert math.exp(side.log_D) == pytest.approx(D, rel=SAME)
    assert data.e == pytest.approx(3.0 * D**-0.25, rel=SAME)
    if held == K.REACH:  # more time is more data: worth what error it saves, and it costs a F^3
        assert math.exp(side.log_pull) == pytest.approx(math.exp(log_nu) * 0.75 * D**-1.25 * 60.0, rel=SAME)
        assert side.push == pytest.approx(dev.a * 60.0**3, rel=SAME)
    else:
        assert math.exp(side.log_pull) == pytest.approx(2 * dev.a * D**3 / t**3, rel=SAME)
        assert side.push == 0.0

    def at(t: float, log_nu: float = log_nu) -> tuple[K.Compute, K.Data]:
        side = K.compute_side(dev, shared(), t, math.log(t), log_nu)
        return side, K.data_of(dev, shared(), side, t, log_nu)

    if t < 50.0 or held == K.MOST:
        below = t * (1 + 2 * STEP)  # off the kink
        assert side.p / below == pytest.approx(-slope(lambda t: at(t)[0].log_pull, below), rel=1e-5)
        assert data.e_t == pytest.approx(slope(lambda t: at(t)[1].e, below), rel=1e-5)
    nu = math.exp(log_nu)
    assert data.e_nu == pytest.approx(slope(lambda nu: at(t, math.log(nu))[1].e, nu), rel=1e-6)


def test_more_data_than_there_is_no_time_for_is_none() -> None:
    """D_lo = D_hi: neither bound is a reach, however short the time."""
    dev = device(D_hi=1000.0)
    for t in (10.0, 1000.0 / 60.0, 50.0):
        assert K.compute_side(dev, shared(), t, math.log(t), 9.0).held in (K.LOCAL, K.MOST)


@pytest.mark.parametrize("value", [0.02, 0.3, 4.0])
def test_both_sides_of_the_kink(value: float) -> None:
    dev, t_cap = device(), 50.0
    rise = dev.a * 60.0**3
    nu = 4.0 * rise * 50.0 / (0.75 * 3000.0**-0.25)  # worth 4 of 3
    left, right = K.kink_balance(dev, shared(), t_cap, math.log(nu), value)
    # ln of what time is worth to the upload, and costs, over what it is worth to computing, just before and after.
    assert left == pytest.approx(math.log((value + rise) / (4.0 * rise)), rel=1e-10)
    assert right == pytest.approx(math.log(value / (2 * dev.a * 3000.0**3 / 50.0**3)), rel=1e-10)
    assert math.isnan(K.kink_balance(dev, shared(), t_cap, math.log(0.74 * nu), value)[0])


@pytest.mark.parametrize("x", [-40.0, -1.0, -1e-9, 0.0, 0.7, 40.0])
def test_times_from_splits(x: float) -> None:
    t, y, log_t = K.split_times(x, 50.0)
    assert t + y == pytest.approx(50.0, rel=1e-15)
    assert math.log(t / y) == pytest.approx(x, rel=1e-14, abs=1e-15)
    assert log_t == pytest.approx(math.log(t), rel=1e-15)


def test_the_least_split() -> None:
    dev = device()
    t, y, _ = K.split_times(K.least_split(dev, 60.0), K.room(dev, 60.0))
    assert (t, t + y) == pytest.approx((1000.0 / 60.0, 58.0), rel=1e-14)
    assert K.least_split(dev, 2.0 + 1000.0 / 60.0) == math.inf


BRANCHES = [(NU, W), (NU - 6.0, W), (NU + 2.5, W), (NU + 1.3, W), (NU, W + 4.0), (NU + 1.5, W + 9.0)]


@pytest.mark.parametrize(("log_nu", "log_w"), BRANCHES)
@pytest.mark.parametrize("P", [5.0, 0.5])
def test_answers_move_with_prices_as_they_say(log_nu: float, log_w: float, P: float) -> None:
    dev = device(P=P)

    def at(d1: float, d2: float) -> K.Response:
        return K.respond(dev, shared(), log_nu + d1, math.exp(log_w + d2), 0.5)[0]

    h, here, nu, w = 1e-5, at(0, 0), math.exp(log_nu), math.exp(log_w)
    for said, (d1, d2), field in (
        (here.x_p1, (h, 0), "x"),
        (here.x_p2, (0, h), "x"),
        (nu * here.e_nu, (h, 0), "e"),
        (w * here.e_w, (0, h), "e"),
        (nu * here.e_w, (h, 0), "b"),
        (w * here.b_w, (0, h), "b"),
    ):
        found = (getattr(at(d1, d2), field) - getattr(at(-d1, -d2), field)) / (2 * h)
        assert said == pytest.approx(found, rel=1e-6, abs=1e-8 * max(abs(getattr(here, field)), 1.0))
    assert here.t + dev.h / P + here.y == pytest.approx(60.0, rel=SAME)
    assert math.log(here.t / here.y) == pytest.approx(here.x, rel=1e-12)


def alike(count: int, B: float) -> Problem:
    problem = fleets.degenerate("identical devices", count, 9)
    return problem.limited(bandwidth=B)


@pytest.mark.parametrize("B", [6e5, 3e6, 4e9, 4e12])
def test_the_search_starts_at_what_a_typical_device_pays(B: float) -> None:
    problem = alike(3, B)
    instance, c = make_instance(*problem), constants(*problem)
    log_nu, log_w = first_prices(instance.fleet, instance.shared, instance.supply)
    # At the prices D meets the limit in 70 % of the deadline, and the band is shared in the rest of it.
    t, u = 0.7 * c.T, 0.3 * c.T
    D = (c.A / 3 / c.alpha) ** (-1 / c.beta)
    assert math.exp(log_nu) == pytest.approx(3 * c.a[0] * D ** (c.beta + 3) / (c.alpha * c.beta * t**2), rel=1e-12)
    v = 3 * c.s / (c.B * u)
    marginal = (
        math.exp(v) * (v - 1) + 1 if v > 0.1 else math.fsum(v**n * (n - 1) / math.factorial(n) for n in range(2, 9))
    )
    assert math.exp(log_w) == pytest.approx(c.h[0] * u * marginal / c.s, rel=1e-10 if v > 0.1 else v)
    given, shared_, supply, cycles = state_problem(*problem)
    table = np.empty((1, L.SIZE))
    L.load(table[0], given, 0, 3, cycles, shared_.s)
    assert smooth.typical(table, 3, shared_, supply) == pytest.approx((log_nu, log_w), rel=1e-13)


def test_a_start_stays_among_what_floats_hold() -> None:
    problem = alike(3, 3e6)
    fleet, shared_, supply, cycles = make_instance(*problem)
    table = np.empty((1, L.SIZE))
    L.load(table[0], state_problem(*problem).given, 0, 3, cycles, shared_.s)
    for part, price in ((1e-200, 500.0), (1e200, -500.0)):
        of_error = supply._replace(A=part)
        assert first_prices(fleet, shared_, of_error)[0] == smooth.typical(table, 3, shared_, of_error)[0] == price
    for noise, price in ((1e230, 500.0), (1e-230, -500.0)):
        table[0, L.H : L.H + 3] = noise
        assert first_prices(fleet._replace(h=np.full(3, noise)), shared_, supply)[1] == price
        assert smooth.typical(table, 3, shared_, supply)[1] == price
    # e^v of so small a share of the band would overflow.
    assert first_prices(fleet, shared_, supply._replace(B=1e-3))[1] < 60.0


def test_writing_over_copies_every_row() -> None:
    answer, copy = empty_answer(3), empty_answer(3)
    for k, row in enumerate(answer):
        row[:] = np.arange(3) + 10.0 * k + 1.0
    write_over(copy, answer)
    for row, other in zip(answer, copy, strict=True):
        assert np.array_equal(row, other)
