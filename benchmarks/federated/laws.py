"""How much a synthetic sample counts: laws fitted to errors on real and synthetic samples together, with intervals.

The law is ``error = f(n + w(m))`` for n real and m synthetic samples: f the learning curve (1) of real samples alone,
fitted to these, and w what synthetic ones are worth (:class:`Worth`). Both are fitted again to every resample of seeds.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

import fimi_opt as fo

from .digits import Floats
from .quality import Worth

RESAMPLES = 400
CONFIDENCE = 0.95
# Parameters of :class:`Worth` that a law has, and where the search for them starts. That every sample counts the same
# is what planning with one factor supposes; a generator that knows no more than what it learnt from has a ceiling.
LAWS: dict[str, Worth] = {"constant": Worth(0.5), "saturating": Worth(1.0, 100.0)}
# A sample that counts more than this many is not told from one that counts all there is; nor is a q whose interval
# nearly reaches it.
_MOST, UNTOLD = 1e3, 900.0


class Data(NamedTuple):
    """Errors measured: real samples n and synthetic samples m of each amount, (k,), and the errors, (seeds, k)."""

    real: Floats
    synthetic: Floats
    errors: Floats


class Law(NamedTuple):
    """A law fitted to the errors' means over seeds.

    Attributes
    ----------
    worth
        What synthetic samples are worth.
    low, high
        Ends of the 95 % intervals of its parameters, by resampling seeds (400 times, quantiles).
    curve
        f.
    misfit
        Root mean square of what the law leaves of the means with synthetic samples.
    noise
        Root mean square of these means' standard errors: about what a right law would leave.
    """

    worth: Worth
    low: Worth
    high: Worth
    curve: fo.LearningCurve
    misfit: float
    noise: float

    @property
    def told(self) -> bool:
        """Whether q is told from any larger one."""
        return self.high.q < UNTOLD


def fit(name: str, data: Data, resamples: int | None = None) -> Law:
    """Fit one of the laws, by least squares."""
    seeds = len(data.errors)
    curve, worth = _solve(name, data, data.errors.mean(axis=0))
    rng, times = np.random.default_rng(0), RESAMPLES if resamples is None else resamples
    drawn = [_solve(name, data, data.errors[rng.integers(seeds, size=seeds)].mean(axis=0))[1] for _ in range(times)]
    ends = np.quantile(np.array(drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0, method="nearest")
    mixed = data.synthetic > 0
    deviations = data.errors[:, mixed].std(axis=0, ddof=1) / np.sqrt(seeds)
    left = predicted(curve, worth, data.real, data.synthetic)[mixed] - data.errors.mean(axis=0)[mixed]
    low, high = (Worth(*map(float, end)) for end in ends)
    return Law(worth, low, high, curve, _root_mean_square(left), _root_mean_square(deviations))


def optimism(data: Data, curve: fo.LearningCurve) -> float:
    """Root mean square of what the curve of real samples leaves, if each synthetic one is taken for a real one."""
    mixed = data.synthetic > 0
    given = predicted(curve, Worth(1.0), data.real[mixed], data.synthetic[mixed])
    return _root_mean_square(given - data.errors.mean(axis=0)[mixed])


def predicted(curve: fo.LearningCurve, worth: Worth, real: Floats, synthetic: Floats) -> Floats:
    """Error that a law gives for these amounts."""
    return fo.models.local_error(real + worth.samples(synthetic), curve.alpha, curve.beta, curve.gamma)


def _solve(name: str, data: Data, means: Floats) -> tuple[fo.LearningCurve, Worth]:
    """Curve of the amounts without synthetic samples, then the law's parameters, searched for by their logarithms."""
    alone, mixed = data.synthetic == 0, data.synthetic > 0
    curve = fo.fit_learning_curve(data.real[alone], means[alone])
    many = 1 if np.isinf(LAWS[name].ceiling) else 2

    def left(x: Floats) -> Floats:
        return predicted(curve, Worth(*np.exp(x)), data.real[mixed], data.synthetic[mixed]) - means[mixed]

    start = np.log(np.array(LAWS[name][:many]))
    found = least_squares(left, start, bounds=(-np.log(_MOST), np.log(_MOST)), xtol=1e-10, ftol=1e-10)
    return curve, Worth(*np.exp(found.x).tolist())


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))
