"""What refusals are made of: roots, the limits that would admit a plan, numbers and words."""

import math
import re
from typing import Any

import fleets
import numpy as np
import pytest
from fuzz.drawing import draw
from oracles import constants

import fimi_opt as fo
from fimi_opt.errors import NumericalError
from fimi_opt.feasibility import diagnosis, wording
from fimi_opt.feasibility.roots import root_above
from fimi_opt.feasibility.wording import Facts, Way
from fimi_opt.models import mean_error_limit
from fimi_opt.solvers.instance import make_instance


# A falling function of value - pole with its root at one, by its logarithm p: (p -> residual, slope known).
def root_of(residual: Any, slope: Any, pole: float, first: float) -> tuple[float, int]:
    calls = []

    def evaluate(value: float) -> tuple[float, float]:
        calls.append(value)
        p = math.log(value - pole) if value > pole else -math.inf
        return residual(p), slope(p)

    return root_above(pole, first, evaluate, "it"), len(calls)


def unknown(p: float) -> float:
    return math.nan


@pytest.mark.parametrize(
    ("residual", "slope", "pole", "first", "root", "most"),
    [
        (lambda p: 2.0 - 3.0 * p, lambda p: -3.0, 0.0, 5.0, math.exp(2 / 3), 2),
        (lambda p: 2.0 - 3.0 * p, lambda p: -3.0, 7.0, 12.0, 7.0 + math.exp(2 / 3), 2),
        (lambda p: 2.0 - 3.0 * p, unknown, 0.0, 5.0, math.exp(2 / 3), 4),
        (lambda p: -math.sinh(p - 1), lambda p: -math.cosh(p - 1), 0.0, 100.0, math.e, 10),
        (lambda p: -math.sinh(p - 1), unknown, 0.0, 100.0, math.e, 10),
        # Infinite on one side, where no band is enough; the root is close above that.
        (
            lambda p: math.inf if p <= 0 else -math.log(p) - 4,
            lambda p: -1 / max(p, 1e-9),
            0.0,
            1.0,
            math.exp(math.exp(-4)),
            8,
        ),
        (lambda p: math.inf if p <= 0 else -1.0 - p, unknown, 0.0, 9.0, 1.0, 48),
        (lambda p: 1.0 - p if p < 2 else -math.inf, lambda p: -1.0, 0.0, 1e9, math.e, 18),
        # A jump: halved to what the value resolves above its pole.
        (lambda p: 1.0 if p < -9.0 else -1.0, lambda p: 0.0, 1e6, 1e6 + 1, 1e6 + math.exp(-9), 26),
        (lambda p: 1.0 if p < -9.0 else -1.0, lambda p: 0.0, 0.0, 1.0, math.exp(-9), 50),
    ],
)
def test_roots_and_the_steps_to_them(
    residual: Any, slope: Any, pole: float, first: float, root: float, most: int
) -> None:
    found, count = root_of(residual, slope, pole, first)
    assert found == pytest.approx(root, rel=1e-12)
    assert count <= most  # as counted


@pytest.mark.parametrize("slope", [lambda p: 0.0, unknown])
@pytest.mark.parametrize("residual", [1.0, math.inf, -1.0, -math.inf])
def test_no_root_among_floats_is_said(residual: float, slope: Any) -> None:
    with pytest.raises(NumericalError, match="the search for it did not end"):
        root_of(lambda p: residual, slope, 0.0, 2.0)


@pytest.mark.parametrize("gamma", [-0.5, 0.1, 0.9, 30.0, -1e3])
def test_a_learning_limit_that_is_given_back_admits_what_it_was_made_of(gamma: float) -> None:
    rng = np.random.default_rng(8)
    for _ in range(200):
        least, rounds, zeta = rng.uniform(0.01, 0.99) + gamma, 10 ** rng.uniform(0, 4), 10 ** rng.uniform(0, 3)
        if not least > 0:
            continue
        task = fo.Task(fo.LearningCurve(3.0, 0.25, gamma, zeta), 5e6, 1, 1e8)
        limits = fo.Constraints(0.2, rounds, 60.0, 1e6, 10)
        error, N = diagnosis.least_learning(limits, task, least)
        right_error = math.exp((least - gamma - 1) * rounds / zeta)
        if error is not None and right_error > 1e-290:
            assert mean_error_limit(error, rounds, zeta) + gamma >= least
            assert error == pytest.approx(right_error, rel=1.1e-10 * least + 4e-14 * (1 + abs(gamma)) * rounds / zeta)
        if N is not None:
            assert mean_error_limit(0.2, N, zeta) + gamma >= least
            right_rounds = zeta * math.log(5.0) / (1 - least + gamma)
            assert pytest.approx(right_rounds, rel=(2e-9 * least + 1e-13 * (1 + abs(gamma))) / (1 - least + gamma)) == N


def test_nothing_is_learnt_with_a_mean_error_of_one() -> None:
    task = fo.Task(fo.LearningCurve(3.0, 0.25, 0.1, 77.6), 5e6, 1, 1e8)
    assert diagnosis.least_learning(fo.Constraints(0.2, 200, 60.0, 1e6, 10), task, 1.1) == (None, None)


@pytest.mark.parametrize("left", [1e-7, 0.1])
@pytest.mark.parametrize("hurried", ["training", "uploading"])
def test_what_a_device_needs_in_the_time_that_is_left(hurried: str, left: float) -> None:
    problem = fleets.paper_like(1, 5)
    devices, c = problem.devices, constants(*problem)
    band = c.B if hurried == "training" else 1e14  # so wide that little time is enough
    instance = make_instance(*problem)
    instance, cycles = instance._replace(supply=instance.supply._replace(B=band)), instance.cycles
    uploading = float(c.s / (band * np.log1p(c.P * c.s / (c.h * band)))[0])
    training = float((c.D_lo / c.F)[0])
    T = (uploading if hurried == "training" else training) * (1 + left)
    shared = instance.shared._replace(T=T)
    [need] = diagnosis._needs(devices, instance._replace(shared=shared), np.array([0]))
    assert need.latency == pytest.approx((training + uploading) * (1 + 1e-9), rel=1e-14)
    if hurried == "training":
        assert need.max_frequency is not None
        taken = cycles * float(devices.local_samples[0]) / need.max_frequency + uploading
    else:
        assert need.max_power is not None
        snr = float(devices.channel_gain[0] * need.max_power / (devices.noise_density[0] * band))
        taken = training + c.s / (band * math.log1p(snr))
    # In time by ten times what floats resolve, and by a part in 1e9 of what is left.
    assert taken <= T * (1 - 8e-15)
    assert taken >= T * (1 - 12e-15 - 1.1e-9 * left)


def named(count: int, chosen: int, ids: Any = None) -> str:
    return wording.names(fo.Devices(np.full(count, 1e3), 5e-27, 1.5e9, 1e-10, 0.2, ids=ids), list(range(chosen)))


def test_names() -> None:
    assert named(9, 1) == "device 0"
    assert named(5, 5) == "devices 0, 1, 2, 3 and 4"
    assert named(6, 6) == "all 6 devices"
    assert named(1200, 1200) == "all 1,200 devices"
    assert named(7, 6) == "devices 0, 1 and 4 others"
    assert named(1500, 1402) == "devices 0, 1 and 1,400 others"
    assert named(2, 2, ["a\nb", "c" * 40]) == f"devices 'a\\nb' and {'c' * 40}"
    assert named(1, 1, ["d" * 41]) == f"device {'d' * 37}..."


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (3.25e6, "Hz", "3.25 MHz"),
        (1e9, "Hz", "1 GHz"),
        (999.0, "Hz", "999 Hz"),
        (1234.5678901, "Hz", "1.234568 kHz"),
        (1.23456701, "W", "1.234568 W"),
        (0.03125, "W", "31.25 mW"),
        (2.0**-18, "W", "3.814698 uW"),
        (7200.0, "s", "7200 s"),
        (0.5, "s", "500 ms"),
        (1.0, "s", "1 s"),
    ],
)
def test_numbers_with_their_units(value: float, unit: str, said: str) -> None:
    assert wording.scaled(value, unit) == said


@pytest.mark.parametrize(
    ("value", "limit", "said"),
    [
        (2.0, 1.0, ("2", "1")),
        (1.1, 0.5, ("1.100001", "0.5")),
        (71.23456789, 60.0, ("71.23457", "60")),
        (60.0 + 2.0**-24, 60.0, ("60.00000006", "60")),
        (1.0 - 2.0**-31, 0.25, ("0.9999999996", "0.25")),
        (1e13, 1e12, ("1e+13", "1e+12")),
        (2.0**-15, 2.0**-16, ("3.051758e-05", "1.525879e-05")),
        (1.0 + 2.0**-52, 1.0, ("1.0000000000000002", "1")),
    ],
)
def test_two_numbers_are_told_apart(value: float, limit: float, said: tuple[str, str]) -> None:
    new, old = wording.apart(value, limit)
    assert (new, old) == said


FACTS = Facts(allowed=0.4, floor=-0.1, reached=0.5, in_time=0.6, short=3.25e6, short_without=False)
DEVICES = fo.Devices(np.full(3, 1e3), 5e-27, 1.5e9, 1e-10, 0.2)
NOWHERE = dict.fromkeys(("bandwidth", "max_latency", "max_global_error", "rounds", "max_synthetic"))


def told(reason: str, facts: Facts = FACTS, most: Any = 10, **cures: float) -> str:
    limits = fo.Constraints(0.2, 200, 60.0, 1e6, most)
    return wording.sentence(DEVICES, limits, {way: [] for way in Way}, ("devices", reason), facts, {**NOWHERE, **cures})


def test_reasons_and_cures_in_words() -> None:
    assert told("band", bandwidth=4.25e6, max_latency=71.25) == (
        "no plan meets all limits: the band is 3.25 MHz short. Any one of these admits a plan: "
        "bandwidth = 4250000 Hz instead of 1000000; max_latency = 71.25 s instead of 60"
    )
    assert "short, and too narrow even without synthetic data. Any" in told(
        "band", FACTS._replace(short_without=True), rounds=201.0
    )
    assert "max_synthetic allows too little data: with all of it" in told("data", max_synthetic=20.0)
    assert "max_synthetic = 20 samples instead of 10" in told("data", max_synthetic=20.0)
    assert "max_synthetic = 20 samples, at least, on every device" in told(
        "data", most=[1.0, 2.0, 3.0], max_synthetic=20.0
    )
    for none in (0, [0.0, 0.0, 0.0]):
        assert (
            "no synthetic data is allowed, and the local data alone leaves a mean local error of 0.5, where 0.4"
            in told("data", most=none)
        )
    assert "no synthetic" not in told("data", most=[0.0, 1.0, 0.0])
    assert "mean local error is at least 0.6, where 0.4 is the limit" in told("time")
    assert "ask for a mean local error of 0.4, and no amount of data brings it below -0.1" in told("curve")


@pytest.mark.parametrize(("reached", "hint"), [(0.99, "suggest_relaxation says"), (1.0, "nothing is learnt")])
def test_where_no_single_change_helps(reached: float, hint: str) -> None:
    message = told("data", FACTS._replace(reached=reached))
    assert re.search(rf"No change of a single limit admits one: .*{hint}", message)


@pytest.mark.filterwarnings("ignore::fimi_opt.ImplausibleInputWarning")
def test_a_deadline_on_a_steep_frontier_is_found_from_a_search_that_was_warm() -> None:
    loose = draw(77, 12, 60).loose
    short = loose.limited(max_latency=0.0136745 * loose.limits.max_latency)
    with pytest.raises(fo.InfeasibleError) as caught:
        short.solve()
    least = caught.value.min_latency
    assert least is not None
    short.limited(max_latency=least).solve()
    with pytest.raises(fo.InfeasibleError):
        short.limited(max_latency=least * (1 - 1e-6)).solve()
