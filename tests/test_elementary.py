"""The library's own exponential and logarithm against high precision, and in loops of every length."""

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from fimi_opt._bits import _bits_of, _float_of
from fimi_opt._elementary import exp, growth, log
from fimi_opt._jit import kernel

Floats = NDArray[np.float64]
PRECISION = 40
# Counted: 0.88 and 0.75 ulp.
ULPS = 1.0
# Counted: 3.4 ulp, just above v = 0.35, where 1 is taken off e^v.
LESS_ONE_ULPS = 4.0
# Counted: 18 ulp just above v = 0.35, where the closed form takes over from the series.
G_TOL = 20 * 2.0**-52


@kernel
def exp_of(x: Floats, out: Floats) -> None:
    for i in range(x.size):
        out[i] = exp(x[i])


@kernel
def log_of(x: Floats, out: Floats) -> None:
    for i in range(x.size):
        out[i] = log(x[i])


@kernel
def growth_of(x: Floats, power: Floats, less_one: Floats, G: Floats) -> None:
    for i in range(x.size):
        power[i], less_one[i], G[i] = growth(x[i])


def looped(function: Callable[[Floats, Floats], None], x: Floats) -> Floats:
    out = np.empty_like(x)
    function(x, out)
    return out


def ulps_off(found: Floats, x: Floats, exact: Callable[[mpmath.mpf], mpmath.mpf]) -> float:
    with mpmath.workdps(PRECISION):
        right = [exact(mpmath.mpf(value)) for value in x.tolist()]
        return max(float(abs(value - r) / math.ulp(float(r))) for value, r in zip(found.tolist(), right, strict=True))


def test_exponential() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-1, 1, 500), rng.uniform(-707, 707, 1000), [0.0, -1e-300, 1e-18, 707.9, -707.9]])
    assert ulps_off(looped(exp_of, x), x, mpmath.exp) <= ULPS
    assert exp(0.0) == 1.0


def test_the_exponential_stays_finite_and_positive() -> None:
    assert exp(1e9) == exp(708.0)
    assert 0 < exp(-1e9) == exp(-708.0)


def test_logarithm() -> None:
    rng = np.random.default_rng(1)
    ends = [1.0, math.nextafter(1, 0), math.nextafter(1, 2), 2.3e-308, 1.7e308, math.sqrt(0.5), math.sqrt(2)]
    x = np.concatenate([10 ** rng.uniform(-307, 307, 1000), rng.uniform(0.5, 2, 500), ends])
    assert ulps_off(looped(log_of, x), x, mpmath.log) <= ULPS
    assert log(1.0) == 0.0


def test_growth() -> None:
    rng = np.random.default_rng(2)
    v = np.concatenate([10 ** rng.uniform(-100, 2.8, 1000), rng.uniform(0.3, 0.4, 200), rng.uniform(0.9, 1.1, 100)])
    power, less_one, G = np.empty_like(v), np.empty_like(v), np.empty_like(v)
    growth_of(v, power, less_one, G)
    assert ulps_off(power, v, mpmath.exp) <= ULPS
    assert ulps_off(less_one, v, mpmath.expm1) <= LESS_ONE_ULPS
    with mpmath.workdps(300):
        right = [mpmath.exp(x) * (x - 1) + 1 for x in map(mpmath.mpf, v.tolist())]
        off = [abs(mpmath.mpf(g) / r - 1) for g, r in zip(G.tolist(), right, strict=True)]
    assert max(off) <= G_TOL


@pytest.mark.parametrize("function", [exp_of, log_of])
def test_a_value_has_the_same_bits_wherever_it_stands(function: Callable[[Floats, Floats], None]) -> None:
    """Vector instructions take four or eight at a time and leave the rest to others; both must round alike."""
    x = np.random.default_rng(3).uniform(0.1, 10, 37)
    alone = np.array([looped(function, x[i : i + 1])[0] for i in range(x.size)])
    for shift in range(9):
        assert np.array_equal(looped(function, x[shift:].copy()), alone[shift:])


def test_bits_without_jit_are_those_of_the_machine() -> None:
    x = np.array([0.0, -0.0, 1.0, -1.5, 1e-310, 1.7e308, math.inf])
    assert [_bits_of(value) for value in x.tolist()] == x.view(np.int64).tolist()
    assert [_float_of(bits) for bits in x.view(np.int64).tolist()] == x.tolist()
    assert _float_of(0x3FF0000000000000 + 2**64) == 1.0  # sums of bits that ran over wrap, as in a register
