"""The Lambert W kernels against mpmath, which judges every answer by the sign of the equation on both sides of it."""

import math
from collections.abc import Callable, Iterable

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from fimi_opt._kernels import lambertw
from fimi_opt._kernels.lambertw import power_limited_exponent, slack_exponent, upload_exponent, w0, wm1

Kernel = Callable[[float], float]
# (argument, candidate root) -> a number that grows with the candidate through 0 at the exact root.
Equation = Callable[[mp.mpf, mp.mpf], mp.mpf]

# The contract, and what the kernels promise; measured on 590,000 points: w0 3.3, wm1 2.0, upload 2.2, power 2.0.
MAX_ULP = 4.0
MAX_ULP_ROOTS = 3.0
DIGITS = 60
# -1/e lies between two doubles; this is the smallest that is not below it.
FIRST = math.nextafter(-math.exp(-1.0), 0.0)


def on_w0(x: mp.mpf, w: mp.mpf) -> mp.mpf:
    w = max(w, mp.mpf(-1))
    return w * mp.exp(w) - x


def on_wm1(x: mp.mpf, w: mp.mpf) -> mp.mpf:
    w = min(w, mp.mpf(-1))
    return x - w * mp.exp(w)


def on_upload(y: mp.mpf, z: mp.mpf) -> mp.mpf:
    with mp.workdps(DIGITS + 2 * cancelled(z)):
        return mp.exp(z) * (z - 1) + 1 - y


def on_power(k: mp.mpf, v: mp.mpf) -> mp.mpf:
    with mp.workdps(DIGITS + 2 * cancelled(v)):
        return k * mp.expm1(v) - v


def on_slack(slack: mp.mpf, v: mp.mpf) -> mp.mpf:
    with mp.workdps(DIGITS + 2 * cancelled(v)):
        return on_power(1 - slack, v)


def cancelled(root: mp.mpf) -> int:
    """Digits that an equation loses near a small root."""
    return max(0, -int(mp.floor(mp.log10(root))))


def slack_root(slack: float) -> float:
    return slack_exponent(1.0 - slack, slack)


def misses(kernel: Kernel, equation: Equation, points: Iterable[float], ulps: float) -> list[tuple[float, float]]:
    """Return the (argument, answer) whose exact root is more than so many ulps away."""
    found = []
    with mp.workdps(DIGITS):
        for x in map(float, points):
            root = kernel(x)
            reach = mp.mpf(ulps) * math.ulp(root)
            if not equation(mp.mpf(x), root - reach) <= 0 <= equation(mp.mpf(x), root + reach):
                found.append((x, root))
    return found


def near_branch() -> list[float]:
    """Every double from -1/e to 1000 places above it, then offsets spread over 15 decades."""
    return [FIRST + j * math.ulp(FIRST) for j in range(1001)] + list(FIRST + np.logspace(-16, -1, 1000))


def spread(low: float, high: float, count: int, seed: int) -> NDArray[np.float64]:
    """Log-uniform random numbers."""
    return np.exp(np.random.default_rng(seed).uniform(math.log(low), math.log(high), count))


W0_POINTS = [*near_branch(), *spread(5e-324, 1.797e308, 1500, 1), *-spread(5e-324, 0.3678, 1000, 2)]
W0_POINTS += [*spread(1e-3, 1e9, 2500, 3), *np.linspace(-0.367, 3.0, 1500)]
WM1_POINTS = [*near_branch(), *-spread(5e-324, 0.3678, 1500, 4), *-spread(1e-8, 0.3678, 2500, 5)]
UPLOAD_POINTS = [*spread(1e-300, 1e300, 1000, 6), *spread(1e-6, 1e6, 3000, 7), *np.linspace(0.01, 10.0, 1000)]
POWER_POINTS = [*spread(1e-300, 1.0, 1500, 8), *spread(1e-6, 0.999, 2000, 9), *np.linspace(1e-3, 0.9999, 1000)]
POWER_POINTS += [*(1.0 - spread(2.0**-53, 0.5, 1500, 10)), *(1.0 - j * 2.0**-53 for j in range(1, 301))]
SLACK_POINTS = [*spread(1e-300, 0.999, 500, 11), *spread(1e-12, 0.999, 1500, 12), *(1.0 - spread(1e-15, 0.5, 500, 13))]

SUBJECTS: dict[str, tuple[Kernel, Equation, list[float], float]] = {
    "w0": (w0, on_w0, W0_POINTS, MAX_ULP),
    "wm1": (wm1, on_wm1, WM1_POINTS, MAX_ULP_ROOTS),
    "upload": (upload_exponent, on_upload, UPLOAD_POINTS, MAX_ULP_ROOTS),
    "power": (power_limited_exponent, on_power, POWER_POINTS, MAX_ULP_ROOTS),
    "slack": (slack_root, on_slack, SLACK_POINTS, MAX_ULP_ROOTS),
}


def power_at_tail() -> float:
    """The k at which -W_-1(-k e^-k) enters its tail: ln(1/k) + k = c."""
    with mp.workdps(DIGITS):
        c = 1 + mp.mpf(lambertw._R_TAIL) ** 2 / 2
        return float(-mp.lambertw(-mp.exp(-c)))


C_TAIL_MINUS = 1.0 + lambertw._R_TAIL**2 / 2.0
# Where each kernel changes its formula.
SEAMS: dict[str, list[float]] = {
    "w0": [lambertw._X_BRANCH, lambertw._X_LOG, math.exp(lambertw._C_SPLIT), math.exp(lambertw._C_TAIL)],
    "wm1": [lambertw._X_MINUS_BRANCH, -math.exp(-C_TAIL_MINUS)],
    "upload": [lambertw._Y_LOG, 1.0 + math.exp(1.0 + lambertw._C_SPLIT), 1.0 + math.exp(1.0 + lambertw._C_TAIL)],
    "power": [math.exp(-lambertw._L_POWER), power_at_tail()],
    "slack": [0.5, 1.0 - math.exp(-lambertw._L_POWER)],
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_answer_is_within_its_ulps_of_the_exact_root(name: str) -> None:
    kernel, equation, points, ulps = SUBJECTS[name]
    assert misses(kernel, equation, points, ulps) == []


def test_the_judge_rejects_an_answer_that_is_off_by_more() -> None:
    x, ulps = 2.0, MAX_ULP + 4.0
    assert misses(lambda x: w0(x) + ulps * math.ulp(w0(x)), on_w0, [x], MAX_ULP) != []
    assert misses(lambda x: w0(x) - ulps * math.ulp(w0(x)), on_w0, [x], MAX_ULP) != []


@pytest.mark.parametrize("name", SUBJECTS)
def test_accuracy_and_order_hold_across_the_seams(name: str) -> None:
    kernel, equation, _, ulps = SUBJECTS[name]
    for seam in SEAMS[name]:
        assert misses(kernel, equation, (seam + j * math.ulp(seam) for j in range(-100, 101)), ulps) == []
        # 256 ulp of x are at least 16 ulp of the answer here, twice what both errors can take back.
        answers = [kernel(seam * (1.0 + j * 2.0**-44)) for j in range(-100, 101)]
        steps = np.diff(answers) * (-1.0 if name in ("wm1", "power") else 1.0) * math.copysign(1.0, seam)
        assert (steps > 0.0).all()


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_kernel_is_monotone_over_its_range(name: str) -> None:
    kernel, _, points, _ = SUBJECTS[name]
    xs = np.unique(points)
    # Closer than 1e-12 (relative) two answers may differ by less than their rounding.
    xs = xs[np.concatenate([[True], np.diff(xs) > 1e-12 * np.abs(xs[1:])])]
    steps = np.diff([kernel(x) for x in map(float, xs)])
    assert ((steps < 0.0) if name in ("wm1", "power") else (steps > 0.0)).all()


@pytest.mark.parametrize(("kernel", "branch"), [(w0, 0), (wm1, -1)])
def test_branches_agree_with_mpmath(kernel: Kernel, branch: int) -> None:
    low, high = (1e-300, 1e300) if branch == 0 else (1e-300, 0.3678)
    sign = 1.0 if branch == 0 else -1.0
    with mp.workdps(DIGITS):
        for x in [*near_branch()[::20], *(sign * spread(low, high, 400, 14))]:
            answer = kernel(float(x))
            exact = mp.lambertw(mp.mpf(float(x)), branch).real
            assert abs(answer - exact) <= MAX_ULP * math.ulp(answer), x


@pytest.mark.parametrize(("kernel", "equation", "branch"), [(w0, on_w0, 0), (wm1, on_wm1, -1)])
def test_branches_agree_with_scipy_or_mpmath_decides(kernel: Kernel, equation: Equation, branch: int) -> None:
    xs = np.concatenate([np.linspace(FIRST, -1e-9, 15_000), -spread(1e-300, 0.3678, 15_000, 15)])
    if branch == 0:
        xs = np.concatenate([xs, spread(1e-300, 1e300, 15_000, 16), spread(1e-3, 1e6, 15_000, 17)])
    answers = np.array([kernel(x) for x in xs.tolist()])
    apart = np.abs(answers - special.lambertw(xs, branch).real) / np.spacing(np.abs(answers))
    disputed = ~(apart <= MAX_ULP)
    # scipy stops at a tolerance, and is worse near -1/e and at some tiny arguments of W_-1.
    assert disputed.mean() < 0.03
    assert misses(kernel, equation, xs[disputed], MAX_ULP) == []


def test_branches_undo_w_exp_w() -> None:
    rng = np.random.default_rng(18)
    for kernel, ws in ((w0, [*rng.uniform(-0.99, 5.0, 500), *rng.uniform(5.0, 700.0, 500)]), (wm1, [])):
        for w in map(float, ws or [*-rng.uniform(1.01, 5.0, 500), *-rng.uniform(5.0, 700.0, 500)]):
            with mp.workdps(DIGITS):
                x = float(w * mp.exp(mp.mpf(w)))
            # Rounding x by half an ulp moves W by that times 1/(1 + W), and an ulp of x is up to two of W.
            assert abs(kernel(x) - w) <= (MAX_ULP + 1.0 / abs(1.0 + w)) * math.ulp(w), w


def test_roots_are_the_lambert_forms_of_the_paper() -> None:
    # Each form rounds its argument, hence the 16 ulp; only where it does not cancel.
    for y in spread(2.0, 1e12, 500, 19).tolist():
        assert upload_exponent(y) == pytest.approx(1.0 + w0((y - 1.0) / math.e), rel=16.0 * 2.0**-52)
    for k in spread(1e-300, 0.3, 500, 20).tolist():
        assert power_limited_exponent(k) == pytest.approx(-wm1(-k * math.exp(-k)) - k, rel=16.0 * 2.0**-52)


def test_small_roots_keep_their_digits() -> None:
    # z = sqrt(2 y) - 2 y / 3 and v = 2 (1 - k) + 2 (1 - k)^2 / 3, where the next terms are below half an ulp.
    for y in (1e-300, 1e-100, 1e-40):
        assert upload_exponent(y) == pytest.approx(math.sqrt(2.0 * y), rel=2.0**-52)
    for d in (2.0**-53, 2.0**-50, 2.0**-40):
        assert power_limited_exponent(1.0 - d) == pytest.approx(2.0 * d * (1.0 + d / 3.0), rel=2.0**-51)
    for slack in (1e-300, 1e-100, 1e-20):
        assert slack_exponent(1.0, slack) == pytest.approx(2.0 * slack, rel=2.0**-51)


def test_branch_point_is_decided_by_exact_arithmetic() -> None:
    nearest = -math.exp(-1.0)
    with mp.workdps(DIGITS):
        assert mp.mpf(nearest) < -mp.exp(-1) < mp.mpf(FIRST)
    assert math.isnan(w0(nearest))
    assert math.isnan(wm1(nearest))
    assert w0(FIRST) == pytest.approx(-0.9999999846957458715, rel=0.0, abs=MAX_ULP * 2.0**-53)
    assert -1.0 < w0(FIRST) < w0(math.nextafter(FIRST, 0.0)) < 0.0
    assert -1.0 > wm1(FIRST) > wm1(math.nextafter(FIRST, 0.0))


@pytest.mark.parametrize(
    ("kernel", "outside"),
    [
        (w0, [-0.4, -1.0, -1e300, -math.inf, math.nextafter(-math.exp(-1.0), -1.0)]),
        (wm1, [-0.4, -1.0, -1e300, -math.inf, 5e-324, 0.1, 1e300, math.inf]),
        (upload_exponent, [-5e-324, -1e-9, -1.0, -math.inf]),
        (power_limited_exponent, [-5e-324, -1.0, -math.inf]),
    ],
)
def test_outside_the_domain_is_nan(kernel: Kernel, outside: list[float]) -> None:
    assert all(math.isnan(kernel(x)) for x in [*outside, math.nan])


def test_ends_of_the_domain() -> None:
    assert w0(math.inf) == math.inf
    assert math.copysign(1.0, w0(0.0)) == 1.0
    assert math.copysign(1.0, w0(-0.0)) == -1.0
    assert w0(0.0) == w0(-0.0) == 0.0
    assert [w0(x) for x in (5e-324, -5e-324, 3e-320)] == [5e-324, -5e-324, 3e-320]
    assert wm1(-0.0) == wm1(0.0) == -math.inf
    assert upload_exponent(0.0) == 0.0
    assert upload_exponent(math.inf) == math.inf
    assert power_limited_exponent(0.0) == math.inf
    assert [power_limited_exponent(k) for k in (1.0, math.nextafter(1.0, 2.0), 7.0, math.inf)] == [0.0] * 4


def minus(x: mp.mpf, branch: int) -> mp.mpf:
    """-W(x) on a real branch."""
    return -mp.lambertw(x, branch).real


def z_of_t(t: mp.mpf) -> mp.mpf:
    return 1 - minus((t * t / 2 - 1) / mp.e, 0)


def origin_of_t(t: mp.mpf) -> mp.mpf:
    x = (t * t / 2 - 1) / mp.e
    return (-x / minus(x, 0) - 1) / x


def power_of_l(ell: mp.mpf) -> mp.mpf:
    k = mp.exp(-ell)
    return (2 * ell / (minus(-k * mp.exp(-k), -1) - k) - 1) / ell


def log_w_of_c(c: mp.mpf) -> mp.mpf:
    return mp.log(-minus(mp.exp(c), 0))


def log_v_of_r(r: mp.mpf) -> mp.mpf:
    return mp.log(minus(-mp.exp(-1 - r * r / 2), -1)) / r


@pytest.mark.parametrize(
    ("table", "function", "low", "high", "shift"),
    [
        ("_BRANCH", lambda t: (t / z_of_t(t) - 1) / t, "0", "2.75", 1),
        ("_ORIGIN", origin_of_t, "0.5", "2.75", 1),
        ("_LOG_W_LOW", log_w_of_c, "0", "3.75", 2),
        ("_LOG_W_HIGH", log_w_of_c, "3.75", "15", 1),
        ("_LOG_V", log_v_of_r, "0", "5.5", 1),
        ("_POWER", power_of_l, "0", "2.5", 1),
    ],
)
def test_coefficients_are_the_interpolant_they_are_said_to_be(
    table: str, function: Callable[[mp.mpf], mp.mpf], low: str, high: str, shift: int
) -> None:
    degree, count = 8, 17
    with mp.workdps(80):
        ends = [mp.log(shift + mp.mpf(end)) for end in (low, high)]
        middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
        nodes = [mp.exp(middle + half * mp.cos(mp.pi * (2 * i + 1) / (2 * count))) - shift for i in range(count)]
        values = [function(node) for node in nodes]
        # p(x) - f(x) (q(x) - 1) = f(x) at every node, with q(0) = 1.
        rows = [
            [x**j for j in range(degree + 1)] + [-f * x**j for j in range(1, degree + 1)]
            for x, f in zip(nodes, values, strict=True)
        ]
        solution = [float(c) for c in mp.lu_solve(mp.matrix(rows), mp.matrix(values))]
    assert tuple(solution[: degree + 1]) == getattr(lambertw, table + "_P")
    assert (1.0, *solution[degree + 1 :]) == getattr(lambertw, table + "_Q")
