"""The models (1)-(11) against hand computations, one another, and forty digits where floats cancel or overflow."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimi_opt import models

EPS = 2.0**-52
# A formula of a few operations, each rounded once.
FEW_ROUNDINGS = 8 * EPS
DIGITS = 60

positive = st.floats(1e-3, 1e9)
curves = st.tuples(st.floats(0.1, 100), st.floats(0.05, 3), st.floats(-0.5, 0.5))

# Radio of one device for the high-precision checks: power (W), gain, noise density (W/Hz), bits.
POWER, GAIN, NOISE, BITS = 0.2, 3e-11, 4e-21, 1e8


def test_compute_by_hand() -> None:
    # 2 epochs of 1000 samples of 5e6 cycles are 1e10 cycles: at 2 GHz 5 s, and 5e-27 * 1e10 * 4e18 = 200 J.
    assert models.compute_time(1000.0, 2e9, 5e6, 2) == pytest.approx(5.0, rel=FEW_ROUNDINGS)
    assert models.compute_energy(1000.0, 2e9, 5e-27, 5e6, 2) == pytest.approx(200.0, rel=FEW_ROUNDINGS)


def test_learning_by_hand() -> None:
    # 3 / 10000^(1/4) - 0.1 = 0.2, 3 / 81^(1/4) - 0.1 = 0.9
    np.testing.assert_allclose(models.local_error([10_000.0, 81.0], 3.0, 0.25, 0.1), [0.2, 0.9], rtol=FEW_ROUNDINGS)
    assert models.mean_error([10_000.0, 81.0], 3.0, 0.25, 0.1) == pytest.approx(0.55, rel=FEW_ROUNDINGS)
    np.testing.assert_allclose(models.samples_for_error([0.2, 0.9], 3.0, 0.25, 0.1), [10_000.0, 81.0], rtol=1e-14)
    # A negative gamma is a floor: 2 / 100^(1/2) + 0.3 = 0.5
    assert models.local_error(100.0, 2.0, 0.5, -0.3) == pytest.approx(0.5, rel=FEW_ROUNDINGS)


def test_rounds_by_hand() -> None:
    # 50 * ln(1 / e^-2) / (1 - 0.5) = 200, and back
    assert models.required_rounds(math.exp(-2), 0.5, 50.0) == pytest.approx(200.0, rel=FEW_ROUNDINGS)
    assert models.global_error(200.0, 0.5, 50.0) == pytest.approx(math.exp(-2), rel=FEW_ROUNDINGS)
    assert models.mean_error_limit(math.exp(-2), 200.0, 50.0) == pytest.approx(0.5, rel=FEW_ROUNDINGS)
    assert models.global_error(10.0, 1.0, 50.0) == 1.0
    assert models.global_error(10.0, 1.5, 50.0) > 1.0


def test_radio_by_hand() -> None:
    # A signal-to-noise ratio of 1, 3, 7 carries 1, 2, 3 bits per second and Hz.
    power = np.array([1.0, 3.0, 7.0]) * 1e6 * 1e-19 / 1e-11
    np.testing.assert_allclose(models.rate(1e6, power, 1e-11, 1e-19), [1e6, 2e6, 3e6], rtol=FEW_ROUNDINGS)
    np.testing.assert_allclose(models.upload_time(1e6, power, 1e-11, 1e-19, 6e6), [6.0, 3.0, 2.0], rtol=FEW_ROUNDINGS)
    energy = models.upload_energy(1e6, power, 1e-11, 1e-19, 6e6)
    np.testing.assert_allclose(energy, power * [6.0, 3.0, 2.0], rtol=FEW_ROUNDINGS)
    np.testing.assert_allclose(
        models.transmit_power(1e6, [6.0, 3.0, 2.0], 1e-11, 1e-19, 6e6), power, rtol=FEW_ROUNDINGS
    )
    np.testing.assert_allclose(
        models.least_bandwidth([6.0, 3.0, 2.0], power, 1e-11, 1e-19, 6e6), [1e6, 1e6, 1e6], rtol=FEW_ROUNDINGS
    )
    assert models.rate(1e6, 0.0, 1e-11, 1e-19) == 0.0


@given(positive, curves)
def test_samples_and_error_are_inverse(samples: float, curve: tuple[float, float, float]) -> None:
    alpha, beta, gamma = curve
    excess = float(models.local_error(samples, alpha, beta, 0.0))
    error = float(models.local_error(samples, alpha, beta, gamma))
    # Subtracting gamma and adding it again loses digits of a small excess; 1/beta multiplies what is lost.
    lost = EPS * (4 + (abs(gamma) + excess) / excess) / beta
    if lost < 1e-3:
        assert float(models.samples_for_error(error, alpha, beta, gamma)) == pytest.approx(samples, rel=8 * lost)


@given(st.floats(0.001, 0.999), st.floats(1, 1e4), st.floats(1, 1e3))
def test_rounds_and_errors_are_inverse(error: float, rounds: float, zeta: float) -> None:
    mean = models.mean_error_limit(error, rounds, zeta)
    size = 1 + zeta / rounds * -math.log(error)  # mean = 1 - something of this size
    assert models.global_error(rounds, mean, zeta) == pytest.approx(error, rel=8 * EPS * size * (1 + rounds / zeta))
    if mean < 1:
        lost = size / (1 - mean)
        assert models.required_rounds(error, mean, zeta) == pytest.approx(rounds, rel=8 * EPS * lost)


@given(st.floats(1e3, 1e9), st.floats(1e-3, 10), st.floats(1e-13, 1e-6), st.floats(1e-22, 1e-18), st.floats(1e3, 1e9))
def test_power_and_least_bandwidth_invert_the_rate(b: float, P: float, g: float, N0: float, bits: float) -> None:
    seconds = models.upload_time(b, P, g, N0, bits)
    v = bits * models.radio.LN2 / (b * float(seconds))
    assert float(models.transmit_power(b, seconds, g, N0, bits)) == pytest.approx(P, rel=8 * EPS * (1 + v))
    # Where v is small, b is ill defined: full power is hardly felt in the time (1 - k is about v / 2).
    assert float(models.least_bandwidth(seconds, P, g, N0, bits)) == pytest.approx(b, rel=16 * EPS * (1 + 1 / v))


def seconds_for(k: float) -> float:
    """Upload time at which full power is k of what the device must have in the limit of an endless band."""
    return NOISE * BITS * math.log(2) / (GAIN * POWER * k)


def exact_least_bandwidth(seconds: float) -> tuple[Any, Any]:
    """b_min by FIMI eq. (31) with the branch and the sign of docs errata, and 1 - k; 60 digits."""
    number = mpmath.mpf
    s = number(BITS) * mpmath.log(2)
    k = number(NOISE) * s / (number(GAIN) * number(POWER) * number(seconds))
    w = mpmath.lambertw(-k * mpmath.exp(-k), -1).real
    return -s / (number(seconds) * w + k * number(seconds)), 1 - k


@pytest.mark.parametrize("gap", [*(10.0**-m for m in range(1, 15)), 0.999e-3, 1.001e-3, 3e-15])
def test_least_bandwidth_where_power_hardly_suffices(gap: float) -> None:
    seconds = seconds_for(1 - gap)
    with mpmath.workdps(DIGITS):
        right, left = exact_least_bandwidth(seconds)
        # k is formed with a handful of roundings, and b_min is proportional to 1 / (1 - k).
        tolerance = EPS * (8 + 8 / float(left))
        said = float(models.least_bandwidth(seconds, POWER, GAIN, NOISE, BITS))
        if tolerance < 1:
            assert abs(said / right - 1) <= tolerance
        assert said > 0


@pytest.mark.parametrize("k", [0.5, 0.1, 1e-2, 1e-5, 1e-10, 1e-50, 1e-150, 1e-250])
def test_least_bandwidth_where_power_is_plenty(k: float) -> None:
    seconds = seconds_for(k)
    with mpmath.workdps(DIGITS + 260):
        right, _ = exact_least_bandwidth(seconds)
        assert abs(float(models.least_bandwidth(seconds, POWER, GAIN, NOISE, BITS)) / right - 1) <= 16 * EPS


@pytest.mark.parametrize("k", [1.0 + 1e-12, 1.5, 1e6])
def test_no_band_is_enough_when_power_is_too_little(k: float) -> None:
    assert models.least_bandwidth(seconds_for(k), POWER, GAIN, NOISE, BITS) == math.inf


@pytest.mark.parametrize("v", [1e-300, 1e-100, 1e-16, 1e-12, 1e-8, 1e-4, 0.1, 1.0, 10.0, 100.0, 700.0])
def test_transmit_power_at_both_ends(v: float) -> None:
    """2^x - 1 would cancel where v is tiny; where v is large its own rounding counts v times."""
    b, bits = 1e6, 1e8
    seconds = bits * math.log(2) / (b * v)
    with mpmath.workdps(DIGITS + 310):
        exponent = mpmath.mpf(bits) / (mpmath.mpf(b) * mpmath.mpf(seconds))
        right = mpmath.mpf(NOISE) * b / mpmath.mpf(GAIN) * (mpmath.mpf(2) ** exponent - 1)
        said = float(models.transmit_power(b, seconds, GAIN, NOISE, bits))
        assert abs(said / right - 1) <= EPS * (8 + 4 * v)


def test_power_that_no_float_holds_is_infinite() -> None:
    assert models.transmit_power(1e6, 1e-3, GAIN, NOISE, 1e8) == math.inf


def test_formulas_take_arrays_and_broadcast() -> None:
    b = np.array([[1e6], [2e6]])
    P = np.array([0.1, 0.2, 0.3])
    rate = models.rate(b, P, 1e-11, 1e-19)
    assert rate.shape == (2, 3)
    assert rate.dtype == np.float64
    for i in range(2):
        for j in range(3):
            assert rate[i, j] == models.rate(b[i, 0], P[j], 1e-11, 1e-19)
    least = models.least_bandwidth([1.0, 1e9, 1e-9], 0.1, 1e-11, 1e-19, 1e8)
    assert least.shape == (3,)
    assert least[2] == math.inf
    assert models.compute_time([1, 2], 1, 3, 1).tolist() == [3.0, 6.0]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: models.samples_for_error(-0.1, 3.0, 0.25, 0.1), r"error must be above -gamma = -0.1.*got -0.1"),
        (lambda: models.samples_for_error([0.2, -0.5], 3.0, 0.25, 0.1), r"error must be above.*got -0.5"),
        (lambda: models.samples_for_error(math.nan, 3.0, 0.25, 0.1), r"error must be above.*got nan"),
        (lambda: models.required_rounds(0.0, 0.5, 50.0), r"max_global_error must be in \(0, 1\), got 0"),
        (lambda: models.required_rounds(1.0, 0.5, 50.0), r"max_global_error must be in \(0, 1\), got 1"),
        (lambda: models.required_rounds(math.nan, 0.5, 50.0), r"max_global_error must be in \(0, 1\), got nan"),
        (lambda: models.required_rounds(0.2, 1.0, 50.0), r"mean_local_error must be below 1.*got 1"),
        (lambda: models.required_rounds(0.2, math.nan, 50.0), r"mean_local_error must be below 1.*got nan"),
    ],
)
def test_bad_values(call: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()
