"""The learning curve from measurements: alpha, beta, gamma of FIMI eq. (1), zeta of eq. (3).

For a fixed beta the model is linear in what is left, so only beta is searched for (variable projection: Golub and
Pereyra, 1973): no start values. The curve is written as ``level - decay * h`` with ``h = (1 - x**-beta) / beta`` and
``x = D / min(D)``, which stays well conditioned down to the logarithm that it becomes at beta = 0, where alpha and
gamma = decay / beta each go to infinity.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import RANGES, positive_scalar, real, to_array, warn_implausible
from fimi_opt.errors import InvalidInputError
from fimi_opt.models.learning import local_error
from fimi_opt.tasks import PAPER_ZETA
from fimi_opt.types import ArrayEquality, LearningCurve

Floats = NDArray[np.float64]

# Ten points a decade separate the local minima: of 20,000 noisy data sets two had a second one, beta 6 times as large.
_BETAS = np.geomspace(RANGES["beta"].least, RANGES["beta"].greatest, 71)
_EPS = float(np.finfo(float).eps)
_ROOT_RTOL = 4 * _EPS  # the least that scipy takes; bisection of a cell reaches it in 55 steps
_ROOT_XTOL = 1e-22  # below the rounding of the least beta, so that only the relative tolerance acts

# A curve is refused when a simpler one explains the errors as well, judged by the rise of the sum of squares over the
# residual variance. One standard error for beta's two limits: a curve nearer to them has no meaningful linearised
# errors. For the constant, with two parameters less, F = 4: of pure scatter, 4 to 200 measurements, 1 to 2 % passes,
# and no noisy power law is lost that passes the other two.
_RISE_AT_LIMIT = 1.0
_RISE_CONSTANT = 8.0

_LEAST_SIZES = 4

_BELOW_ONE = float(np.nextafter(1.0, 0.0))
# Least and greatest value of each argument, and words where open; squares and quotients stay inside float64.
_LIMITS = {
    "samples": (*RANGES["local_samples"][:2], ""),
    "errors": (-1e60, 1e60, ""),
    "sigma": (1e-60, 1e60, ""),
    "rounds": (*RANGES["rounds"][:2], ""),
    "mean_local_error": (0.0, _BELOW_ONE, "in [0, 1)"),
    "global_error": (float(np.nextafter(0.0, 1.0)), _BELOW_ONE, "in (0, 1)"),
}


class StandardErrors(NamedTuple):
    """Standard errors of the three fitted parameters, each in its parameter's own unit."""

    alpha: float
    beta: float
    gamma: float


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedCurve(ArrayEquality, LearningCurve):
    """A learning curve together with the measurements that it was fitted to, and how well they pin it down.

    Parameters
    ----------
    alpha, beta, gamma, zeta
        As of :class:`LearningCurve`.
    standard_errors
        Standard errors of alpha, beta and gamma; strongly correlated, so a prediction is better known than they are.
    samples
        Training samples of each measurement, (n,), > 0.
    errors
        Measured local errors, (n,), dimensionless.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or samples and errors are not vectors of one length, of finite numbers
        and, the samples, positive; it names the argument and the value.

    Examples
    --------
    >>> curve = fit_learning_curve([500, 1000, 2000, 5000, 9000], [0.532, 0.437, 0.352, 0.255, 0.209])
    >>> abs(curve.beta - 0.25) < 2 * curve.standard_errors.beta, round(curve.rmse, 4)
    (True, 0.0018)
    """

    standard_errors: StandardErrors
    samples: Floats = field(repr=False)
    errors: Floats = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "samples", _vector("samples", self.samples))
        object.__setattr__(self, "errors", _vector("errors", self.errors, self.samples.size))
        named = zip(StandardErrors._fields, self.standard_errors, strict=True)
        standard_errors = StandardErrors(*(real(f"standard_errors.{name}", value) for name, value in named))
        object.__setattr__(self, "standard_errors", standard_errors)

    def __hash__(self) -> int:  # type: ignore[override]
        """Hash by the four parameters, so that a task with a fitted curve stays hashable."""
        return hash((self.alpha, self.beta, self.gamma, self.zeta))

    @property
    def residuals(self) -> Floats:
        """Measured errors less the curve's, (n,), dimensionless."""
        return self.errors - local_error(self.samples, self.alpha, self.beta, self.gamma)

    @property
    def rmse(self) -> float:
        """Root of the mean squared residual, dimensionless; `sigma` plays no part."""
        return float(np.sqrt(np.mean(self.residuals**2)))


class _Data(NamedTuple):
    """Measurements made free of scale, each (n,): ln(D / min D), errors / max abs, min(sigma) / sigma.

    `share` is the squared weight over the sum of all, which weighs a mean; `centred` the error less its mean.
    """

    log_size: Floats
    error: Floats
    weight: Floats
    share: Floats
    centred: Floats


class _Point(NamedTuple):
    """Best curve of one beta: decay >= 0, the weighted sum of squares, and half its derivative by beta."""

    beta: float
    decay: float
    square_sum: float
    slope: float


def fit_learning_curve(
    samples: ArrayLike, errors: ArrayLike, *, zeta: float = PAPER_ZETA, sigma: ArrayLike | None = None
) -> FittedCurve:
    """Fit the learning curve to errors measured at several amounts of data: FIMI eq. (1), least squares.

    ``delta = alpha * samples**-beta - gamma``, beta in [1e-6, 10], globally (no start values). The standard errors are
    those of the linearised curve, with the variance of the residuals (n - 3 degrees of freedom; at least the rounding
    of float64): with few measurements, multiply them by Student's t.

    Parameters
    ----------
    samples
        Training samples D of each measurement, (n,), > 0; sizes may repeat, at least four must differ.
    errors
        Local errors measured, (n,), dimensionless.
    zeta
        Scale of the number of rounds, > 0, handed on to the curve; :func:`fit_zeta` finds it.
    sigma
        Standard deviations of `errors`, (n,), > 0, of which only the ratios count; by default equal.

    Returns
    -------
    FittedCurve
        A learning curve with its standard errors, residuals and the measurements.

    Raises
    ------
    ValueError
        If an argument is not a vector of the length of `samples`, or a value not finite or outside its range; fewer
        than four sizes differ; or the measurements do not identify the curve, because a simpler one explains them as
        well: a constant (no decay; F < 4), a logarithm (beta at 0: alpha and gamma can't be told apart) or a single
        step (beta at 10), the latter two within one standard error. Sizes in a narrow range or in two clusters end
        in the latter two, unless the scatter is very small.

    Warns
    -----
    ImplausibleInputWarning
        If every error is above 1, as percentages are.

    Examples
    --------
    >>> curve = fit_learning_curve([16, 81, 256, 625, 1296], [1.4, 0.9, 0.65, 0.5, 0.4])
    >>> round(curve.alpha, 6), round(curve.beta, 6), round(curve.gamma, 6)
    (3.0, 0.25, 0.1)
    """
    sizes = _vector("samples", samples)
    measured = _vector("errors", errors, sizes.size)
    deviations = _vector("sigma", np.ones(sizes.size) if sigma is None else sigma, sizes.size)
    distinct = np.unique(sizes).size
    if distinct < _LEAST_SIZES:
        raise InvalidInputError(
            f"samples cannot identify three parameters: {distinct} distinct sizes, need at least four"
        )
    lowest = int(np.argmin(measured))
    if measured[lowest] > 1:
        hint = "every error is above 1; are they percentages? An error must be a fraction"
        warn_implausible("errors", f"[{lowest}]", measured[lowest], hint)
    least, scale = float(sizes.min()), float(np.abs(measured).max()) or 1.0
    weight = deviations.min() / deviations
    share, error = weight**2 / (weight @ weight), measured / scale
    log_size = np.log1p((sizes - least) / least)
    data = _Data(log_size, error, weight, share, _centred(error, weight, share))
    best, variance = _search(data, (least, float(sizes.max())))
    level = float(share @ (error + best.decay * _shape(best.beta, data)[0]))
    alpha = scale * best.decay / best.beta * least**best.beta
    unit = _unit_errors(best, data, np.log(least)) * np.sqrt(variance)
    return FittedCurve(
        alpha=alpha,
        beta=best.beta,
        gamma=scale * (best.decay / best.beta - level),
        zeta=zeta,
        standard_errors=StandardErrors(alpha * unit[0], unit[1], scale * unit[2]),
        samples=sizes,
        errors=measured,
    )


def fit_zeta(rounds: ArrayLike, mean_local_error: ArrayLike, global_error: ArrayLike) -> float:
    """Scale of the number of rounds from an observed run: FIMI eq. (3), solved for zeta.

    ``zeta = N * (1 - dbar) / ln(1 / Delta)``; of several observations, ``sum(u**2) / sum(u * v)`` with
    ``u = N * (1 - dbar)``, ``v = ln(1 / Delta)``: least squares of ``v = u / zeta`` (eq. (4)), through the origin, for
    rounds are counted exactly and global errors measured.

    Parameters
    ----------
    rounds
        N, global rounds done, > 0; a scalar, or (k,) for several runs or several rounds of one run.
    mean_local_error
        dbar, the devices' mean local error, in [0, 1); a scalar or (k,).
    global_error
        Delta, global error after these rounds, in (0, 1); a scalar or (k,).

    Returns
    -------
    float
        zeta, in rounds.

    Raises
    ------
    ValueError
        If a value is not finite or outside its range, or the arrays' lengths differ; it names the argument and value.

    Examples
    --------
    >>> round(fit_zeta(200, mean_local_error=0.375536, global_error=0.2), 3)
    77.6
    """
    given = {"rounds": rounds, "mean_local_error": mean_local_error, "global_error": global_error}
    arrays = {name: to_array(name, values, None) for name, values in given.items()}
    length = max(array.size for array in arrays.values())
    n, dbar, delta = (
        _vector(name, array if array.ndim else np.full(length, array), length) for name, array in arrays.items()
    )
    u, v = n * (1.0 - dbar), -np.log(delta)
    return positive_scalar("zeta", float(u @ u / (u @ v)))


def _vector(name: str, values: ArrayLike, length: int | None = None) -> Floats:
    """Read-only (n,) float64 copy, every value within its limit."""
    array = to_array(name, values, None)
    if array.ndim != 1 or array.size == 0:
        raise InvalidInputError(f"{name} must have shape (n,), one value per measurement, got shape {array.shape}")
    if length is not None and array.size != length:
        raise InvalidInputError(f"{name} has {array.size} values, but there are {length} measurements")
    least, greatest, words = _LIMITS[name]
    bad = ~((array >= least) & (array <= greatest))
    if bad.any():
        i = int(np.argmax(bad))
        words = (words or f"in [{least:g}, {greatest:g}]") if np.isfinite(array[i]) else "finite"
        raise InvalidInputError(f"{name}[{i}] must be {words}, got {array[i]:g}")
    return array


def _search(data: _Data, ends: tuple[float, float]) -> tuple[_Point, float]:
    """Curve of least squares over every beta, and its residual variance; refused where a simpler curve does as well."""
    grid = [_profile(float(beta), data) for beta in _BETAS]
    minima = [
        _profile(_root(left.beta, right.beta, data), data)
        for left, right in pairwise(grid)
        if left.slope < 0 <= right.slope
    ]
    best = min([*minima, grid[0], grid[-1]], key=lambda point: point.square_sum)
    # Exact data have no residuals, but they are not known better than to their rounding (relative to a scale of one).
    variance = max(best.square_sum / (data.error.size - 3), _EPS**2)
    around = f"the sizes are {ends[0]:g} to {ends[1]:g}"
    if float(data.centred @ data.centred) - best.square_sum < _RISE_CONSTANT * variance:
        raise InvalidInputError(
            f"errors do not fall with samples ({around}): a constant explains them as well as any curve with alpha > 0"
        )
    if grid[0].square_sum - best.square_sum < _RISE_AT_LIMIT * variance:
        raise InvalidInputError(
            "errors cannot tell alpha and gamma apart: a logarithm of samples (beta = 0, alpha and gamma infinite) "
            f"explains them as well, within one standard error; {around}: spread them wider, or measure with less noise"
        )
    if grid[-1].square_sum - best.square_sum < _RISE_AT_LIMIT * variance:
        raise InvalidInputError(
            "errors cannot tell alpha and beta apart: a single step (beta = 10 or more) explains them as well, within "
            f"one standard error; {around}: measure more sizes near the least, or with less noise"
        )
    return best, variance


def _root(low: float, high: float, data: _Data) -> float:
    """Where the sum of squares stops falling, in a cell of which it does."""
    from scipy.optimize import bisect  # scipy is imported where it is used: it takes longer than all else here

    return float(bisect(lambda beta: _profile(beta, data).slope, low, high, xtol=_ROOT_XTOL, rtol=_ROOT_RTOL))


def _profile(beta: float, data: _Data) -> _Point:
    """Eliminate level and decay; a rising curve (decay < 0) is replaced by a constant."""
    fall, bend = (_centred(column, data.weight, data.share) for column in _shape(beta, data))
    decay = max(-float(fall @ data.centred) / float(fall @ fall), 0.0)
    residual = data.centred + decay * fall
    return _Point(beta, decay, float(residual @ residual), -decay * float(residual @ bend))


def _shape(beta: float, data: _Data) -> tuple[Floats, Floats]:
    """Columns h = (1 - x**-beta) / beta and -dh/dbeta, (n,): incomplete gamma functions, free of cancellation."""
    from scipy.special import gammainc

    t = beta * data.log_size
    bend: Floats = np.asarray(gammainc(2.0, t), np.float64) / beta**2
    return -np.expm1(-t) / beta, bend


def _centred(column: Floats, weight: Floats, share: Floats) -> Floats:
    """Weighted column less its weighted mean: what is left of it once the level is eliminated."""
    return weight * (column - share @ column)


def _unit_errors(point: _Point, data: _Data, log_least: float) -> Floats:
    """Take the standard errors of ln alpha, beta, gamma / scale, per unit of residual deviation, off the Jacobian.

    In (level, decay, beta), whose Jacobian is well conditioned, and propagated: ``(J^T J)^-1 = R^-1 R^-T``.
    """
    from scipy.linalg import solve_triangular

    beta, decay = point.beta, point.decay
    h, bend = _shape(beta, data)
    jacobian = data.weight[:, None] * np.column_stack([np.ones_like(h), -h, decay * bend])
    propagate = np.array([[0.0, 1 / decay, log_least - 1 / beta], [0.0, 0.0, 1.0], [-1.0, 1 / beta, -decay / beta**2]])
    triangle = np.linalg.qr(jacobian, mode="r")
    return np.asarray(np.linalg.norm(solve_triangular(triangle, propagate.T, trans="T"), axis=0))
