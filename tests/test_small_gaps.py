"""What mutants of the formulas and of the certificate slipped through: each test is the difference one of them made."""

import math
from typing import Any

import fleets
import mpmath
import numpy as np
import pytest
from fleets import Problem
from oracles import relative_prices

import fimi_opt as fo
from fimi_opt import models
from fimi_opt.certificate import Split, bound, judge
from fimi_opt.certificate.extended import ExtendedBound
from fimi_opt.certificate.extended import _marginal as extended_marginal
from fimi_opt.certificate.planes import Device, marginal, price_met
from fimi_opt.models.radio import _efficiency_at_full_power, _log_mean_exponential
from fimi_opt.scenarios import paper
from fimi_opt.solvers.instance import state_problem
from fimi_opt.solvers.joint import JointSolution
from fimi_opt.solvers.smooth import solve_smooth

REFUSED: dict[str, tuple[Any, str]] = {
    "no samples": (lambda: models.compute_time(0.0, 1e9, 5e6, 1), "samples must be positive, got 0"),
    "one of several": (lambda: models.compute_time([5.0, -2.0], 1e9, 5e6, 1), "samples must be positive, got -2"),
    "no number": (lambda: models.local_error(math.nan, 3.0, 0.25, 0.1), "samples must be positive, got nan"),
    "no frequency": (lambda: models.compute_energy(5.0, 0.0, 5e-27, 5e6, 1), "frequency must be positive, got 0"),
    "negative power": (lambda: models.rate(1e6, -0.5, 1e-11, 1e-19), "power must not be negative, got -0.5"),
    "no power": (lambda: models.upload_time(1e6, 0.0, 1e-11, 1e-19, 1e8), "power must be positive, got 0"),
    "no band": (lambda: models.rate([[1e6], [0.0]], 0.5, 1e-11, 1e-19), "bandwidth must be positive, got 0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_formulas_refuse_what_is_outside_their_domain(what: str) -> None:
    call, message = REFUSED[what]
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()


# Lagrangian of one device with ample power: s, h and u of the paper's size.
S, NOISE, UPLOAD = 8e7, 1e-2, 15.0


def uploading(v: float, power: float = 1e9) -> Device:
    """A device for which bandwidth is worth as much as it costs at efficiency v, where its power allows it."""
    growth = math.expm1(v)
    price = NOISE * UPLOAD * (growth * (v - 1) + v) / S
    return Device(a=1e-5, F=300.0, h=NOISE, P=power, D_lo=1000.0, D_hi=3000.0, s=S, nu=50.0, w=price)


@pytest.mark.parametrize("v", [0.01, 0.3, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("off", [1e-3, -1e-3, 1e-5])
def test_a_plane_touches_where_bandwidth_is_worth_its_price(v: float, off: float) -> None:
    met = price_met(uploading(v), UPLOAD, v * (1 + off))
    # Newton's error is at most (1 + v) times the square of the one before.
    assert abs(met / v - 1) <= (1 + v) * off**2 + 1e-12 / v
    # The root stays the root, but for the rounding that lets the slope point at no bandwidth.
    assert abs(price_met(uploading(v), UPLOAD, v) / v - 1) <= 1e-13 + 1e-14 / v


@pytest.mark.parametrize("v", [0.5, 1.0, 5.0, 20.0])
def test_a_plane_touches_a_little_below_its_price(v: float) -> None:
    """Then the slope that rounding leaves points at no bandwidth, of which a plan can have nothing less."""
    assert price_met(uploading(v), UPLOAD, v) < v * (1 - 2.0**-50)


def test_a_plane_touches_where_full_power_sends_whatever_the_price() -> None:
    v = 2.0
    power = NOISE * math.expm1(v) / (v * UPLOAD)  # just enough for v
    dear = uploading(6.0, power)
    assert price_met(dear, UPLOAD, v) == pytest.approx(v, rel=1e-14)
    # A step that more than doubles v is not taken.
    assert price_met(dear, UPLOAD, 0.9 * v) == pytest.approx(0.9 * v, rel=1e-14)


def test_a_far_touch_is_left_where_it_is() -> None:
    assert price_met(uploading(0.001), UPLOAD, 8.0) == pytest.approx(8.0 - 1.0, rel=0.05)
    assert price_met(uploading(20.0), UPLOAD, 0.5) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("v", [1e-9, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.001, 1.5, 5.0, 60.0])
def test_the_planes_marginal_to_the_last_digits(v: float) -> None:
    with mpmath.workdps(40):
        right = mpmath.exp(v) * (mpmath.mpf(v) - 1) + 1
        # Above 1 it is e^v (v - 1) + 1, whose terms are of one sign; e^v has its own rounding.
        assert abs(marginal(v, math.exp(v)) / right - 1) <= 6 * 2.0**-53


@pytest.mark.parametrize("k", [1e-6, 1e-3, 0.02, 0.3, 0.7, 0.95, 0.9985, 0.9995, 1 - 1e-5])
def test_the_efficiency_at_full_power_from_either_start(k: float) -> None:
    """Both starts, the series next to the branch point and Lambert's function, end in the same root."""
    v = float(_efficiency_at_full_power(np.array([k]))[0])
    with mpmath.workdps(40):
        right = mpmath.findroot(lambda x: mpmath.expm1(x) / x - 1 / mpmath.mpf(k), v)
        assert abs(v / right - 1) <= 2.0**-52 * (4 + 4 / (1 - k))


@pytest.mark.parametrize("v", [1e-12, 1e-6, 1e-4, 1e-3, 5e-3, 9.9e-3, 0.011, 0.5, 3.0, 700.0])
def test_logarithm_of_the_mean_exponential(v: float) -> None:
    with mpmath.workdps(40):
        right = mpmath.log(mpmath.expm1(v) / mpmath.mpf(v))
        # Where the closed form takes over, at 0.01, it cancels two digits.
        assert abs(float(_log_mean_exponential(np.array([v]))[0]) / right - 1) <= 2.0**-52 * (
            2 + (4 / v if v > 0.01 else 0)
        )


def solved(count: int) -> tuple[Problem, JointSolution, fo.Prices]:
    scenario = Problem(*paper(seed=2, devices=count, bandwidth=1e6 * count))
    found = solve_smooth(state_problem(*scenario), 1)
    assert found is not None
    return scenario, found, fo.Prices(found.nu * count, found.w, found.latency_price)


@pytest.mark.parametrize("off", [0.0, 2e-4, -2e-4])
def test_both_bounds_mend_a_split_whose_bandwidths_are_a_little_off(off: float) -> None:
    scenario, found, prices = solved(9)
    t, u, b = found.split
    split = Split(t, u, b * (1 + off * np.linspace(0.3, 1, 9)))
    judged = judge(*scenario, found.rows, prices, split)
    # Newton leaves the square of what b is off by; a slope that is left over counts as often as the band has room.
    tolerance = 1e-12 + 100 * off**2
    assert abs(judged.energy - judged.lower_bound) <= tolerance * judged.energy
    wide = ExtendedBound(*scenario, split).at(prices.error, prices.bandwidth)
    assert abs(judged.energy - wide) <= tolerance * judged.energy
    assert fo.lower_bound(*scenario, prices, split) == pytest.approx(judged.lower_bound, rel=1e-14)


def test_both_bounds_are_the_energy_where_full_power_sends() -> None:
    """A price of bandwidth at which devices ask for more power than they have: its multiplier makes good for it."""
    devices, _, task = paper(seed=4, devices=6, bandwidth=6e6)
    weak = fo.Devices(
        devices.local_samples, devices.energy_coefficient, devices.max_frequency, devices.channel_gain * 0.1, 0.1
    )
    with pytest.raises(fo.InfeasibleError) as raised:
        fo.solve(weak, fo.Constraints(0.2, 200, 60.0, 1e5, 2000), task)
    assert raised.value.min_bandwidth is not None
    plan = fo.solve(weak, fo.Constraints(0.2, 200, 60.0, 1.001 * raised.value.min_bandwidth, 2000), task)
    assert np.any(plan.power >= 0.1 * (1 - 1e-9))
    split = Split(plan.compute_time, plan.upload_time, plan.bandwidth)
    narrow = fo.lower_bound(weak, plan.constraints, task, plan.prices, split)
    wide = ExtendedBound(weak, plan.constraints, task, split).at(plan.prices.error, plan.prices.bandwidth)
    assert narrow == pytest.approx(wide, rel=1e-11)
    assert plan.energy == pytest.approx(wide, rel=1e-9)


@pytest.mark.parametrize(("part", "claimed"), [(0.5, math.inf), (0.999, math.inf), (1.0, 0.0)])
def test_the_bound_of_a_device_that_can_take_part_in_no_plan(part: float, claimed: float) -> None:
    scenario, _, prices = solved(3)
    devices, limits, task = scenario
    h = devices.noise_density * (task.update_bits * math.log(2.0)) / devices.channel_gain
    least = devices.local_samples / (devices.max_frequency / task.cycles_per_sample) + h / devices.max_power
    late = fo.Constraints(0.2, 200, part * float(np.max(least)), limits.bandwidth, 2000)
    # Where the deadline is the least time to the last digit, rounding decides, and nothing is claimed.
    assert fo.lower_bound(devices, late, task, prices) == claimed


def test_a_decision_is_judged_the_same_in_blocks_and_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, found, prices = solved(130)
    found.rows[3, 77] = 1.002 * scenario.devices.max_power[77]  # the worst device is not in the last block
    split = Split(*found.split)
    whole = judge(*scenario, found.rows, prices, split)
    monkeypatch.setattr(bound, "BLOCK", 40)
    blocks, threads = (judge(*scenario, found.rows, prices, split, workers) for workers in (1, 3))
    assert blocks == threads
    # Sums in another order.
    assert blocks.energy == pytest.approx(whole.energy, rel=1e-13)
    assert blocks.lower_bound == pytest.approx(whole.lower_bound, rel=1e-13)
    assert blocks.violation == pytest.approx(whole.violation, rel=1e-10)
    assert whole.violation > 1e-3


@pytest.mark.parametrize(("row", "value"), [(2, math.nan), (3, math.nan), (3, math.inf)])
def test_a_decision_that_is_no_number_is_no_plan(row: int, value: float) -> None:
    scenario, found, prices = solved(5)
    found.rows[row, 2] = value
    assert judge(*scenario, found.rows, prices, Split(*found.split)).violation == math.inf


ONES = np.ones(3)
WRONG_BOUNDS: dict[str, tuple[Any, Any, str]] = {
    "no prices": ((1.0, 2.0, 3.0), None, "prices must be a fimi_opt.Prices, got tuple"),
    "no error price": (fo.Prices(math.nan, 1.0, 0.0), None, "prices.error must be finite, got nan"),
    "endless bandwidth price": (fo.Prices(1.0, math.inf, 0.0), None, "prices.bandwidth must be finite, got inf"),
    "two arrays": (None, (ONES, ONES), "split must be three arrays t, u, b"),
    "no arrays": (None, "tub", "split must be three arrays t, u, b"),
    "one row of zeros": (None, (ONES, ONES * 0, ONES), "split must be three arrays t, u, b of positive finite numbers"),
    "an endless time": (None, (ONES, ONES, ONES * math.inf), "split must be three arrays t, u, b of positive finite"),
    "one negative time": (None, (ONES - [0, 2, 0], ONES, ONES), "split must be three arrays t, u, b of positive"),
}


@pytest.mark.parametrize("what", WRONG_BOUNDS)
def test_prices_and_splits_that_give_no_bound_are_refused(what: str) -> None:
    scenario, _, prices = solved(3)
    given, split, message = WRONG_BOUNDS[what]
    with pytest.raises(ValueError, match=message):
        fo.lower_bound(*scenario, prices if given is None else given, split)


@pytest.mark.parametrize("v", [1e-9, 1e-3, 0.1, 0.5, 0.9, 0.99, 1.0, 1.01, 3.0, 60.0])
def test_the_extended_marginal_keeps_more_digits_than_a_double(v: float) -> None:
    with mpmath.workdps(40):
        right = mpmath.exp(v) * (mpmath.mpf(v) - 1) + 1
        said = extended_marginal(np.array([v], np.longdouble))[0]
        high, low = float(said), float(said - np.longdouble(float(said)))
        assert abs((mpmath.mpf(high) + mpmath.mpf(low)) / right - 1) <= 64 * float(np.finfo(np.longdouble).eps)


CORNERS = [
    ("all limits just enough", 7, 11),
    ("every device at its cap", 7, 11),
    ("power just enough", 7, 11),
    ("wide band", 7, 11),
    ("narrow band", 5, 993),  # frequency and data cap at once
]
# Of the energy and what the prices make of the limits: measured 1.6e-14, what the double takes off for its roundings.
ALLOWED = 4e-14


@pytest.mark.parametrize(("name", "count", "seed"), CORNERS)
def test_both_bounds_agree_where_limits_meet_in_corners(name: str, count: int, seed: int) -> None:
    plan = fleets.degenerate(name, count, seed).solve()
    args = (plan.devices, plan.constraints, plan.task)
    split = Split(plan.compute_time, plan.upload_time, plan.bandwidth)
    wide = ExtendedBound(*args, split).at(plan.prices.error, plan.prices.bandwidth)
    allowed = ALLOWED * (2 + relative_prices(plan))
    assert plan.energy == pytest.approx(wide, rel=max(1e-9, allowed))
    assert fo.lower_bound(*args, plan.prices, split) == pytest.approx(wide, rel=allowed)
    # Half of each price gives a weaker bound, and both the same.
    half = fo.Prices(0.5 * plan.prices.error, 0.5 * plan.prices.bandwidth, 0.0)
    weak = ExtendedBound(*args, split).at(half.error, half.bandwidth)
    assert weak < wide
    assert fo.lower_bound(*args, half, split) == pytest.approx(max(weak, 0.0), abs=allowed * plan.energy)


def test_data_amounts_where_the_time_is_just_enough_or_not() -> None:
    problem = fleets.paper_like(4, 99)
    devices, limits, task = problem
    least = devices.local_samples * task.cycles_per_sample * task.local_epochs / devices.max_frequency
    loose = problem.limited(max_global_error=0.99).limits
    # No more than the local data, to the last digit.
    assert np.all(fo.allocate_data(devices, loose, least, task).synthetic_samples == 0)
    with pytest.raises(fo.InfeasibleError) as raised:
        fo.allocate_data(devices, limits, least, task)
    curve = task.learning
    reached = models.mean_error(devices.local_samples, curve.alpha, curve.beta, curve.gamma)
    allowed = models.mean_error_limit(limits.max_global_error, limits.rounds, curve.zeta)
    assert f"falls to {reached:.6g}, the limit is {allowed:.6g}" in str(raised.value)
    with pytest.raises(fo.InfeasibleError, match="1 of 4 devices can't train"):
        fo.allocate_data(devices, loose, least * [1, 1, 1 - 1e-6, 1], task)


@pytest.mark.parametrize("allocate", [fo.allocate_data, fo.allocate_bandwidth])
def test_subproblems_refuse_what_is_no_instance(allocate: Any) -> None:
    devices, limits, task = fleets.paper_like(2, 1)
    for arguments, name in (((limits, limits), "devices"), ((devices, devices), "constraints")):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            allocate(*arguments, [1.0, 1.0], task)
    for times in ([1.0, 0.0], [1.0, math.nan], [1.0]):
        with pytest.raises(ValueError, match="_time"):
            allocate(devices, limits, times, task)
