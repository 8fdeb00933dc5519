"""Algorithm 3 of the paper, corrected: a cross-entropy search over the time split.

The problem is convex and :mod:`fimi_opt.solvers.joint` finds its optimum in a thousandth of the time; this is here as
the paper's method and as a baseline. Corrections (docs errata): the start is scaled to the box of (17), (18); (41)
takes mean and standard deviation of the elite samples; (42) smooths with the present mean; a split must also fit the
band and the learning limit together, so samples that miss them rank behind all that do not, by how far they miss.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._checks import brief, real, whole
from fimi_opt._kernels.fleet import first_prices
from fimi_opt._kernels.joint import complete, decision
from fimi_opt._kernels.splits import evaluate_splits, set_split
from fimi_opt._threads import run_blocks
from fimi_opt.errors import InvalidInputError, NumericalError
from fimi_opt.models import rate
from fimi_opt.plan import Iteration
from fimi_opt.solvers.instance import Instance, unasked

Floats = NDArray[np.float64]

# Samples that one thread evaluates at a time: a millisecond of work, and independent of the number of threads.
_BLOCK = 64


@dataclass(frozen=True)
class CrossEntropy:
    """Settings of the cross-entropy search, FIMI Algorithm 3; the paper names them but gives no values.

    Parameters
    ----------
    samples
        M, splits drawn in each iteration, >= 2.
    elite
        K, best splits that the next distribution is fitted to, 2 <= K <= M.
    iterations
        J, iterations at most, >= 1.
    smoothing
        rho of (42), in [0, 1): the part that the present distribution keeps.
    spread
        The search ends where the largest standard deviation of a split (part of the deadline) is no more, > 0.

    Raises
    ------
    ValueError
        If a setting is not what it must be; it names the setting and the value.

    Examples
    --------
    >>> CrossEntropy(samples=200, elite=20).iterations
    100
    """

    samples: int = 1000
    elite: int = 50
    iterations: int = 100
    smoothing: float = 0.1
    spread: float = 1e-9

    def __post_init__(self) -> None:
        for name, least in (("samples", 2), ("elite", 2), ("iterations", 1)):
            object.__setattr__(self, name, whole(name, getattr(self, name), least))
        if self.elite > self.samples:
            raise InvalidInputError(f"elite must be at most samples = {self.samples}, got {self.elite}")
        if not 0 <= real("smoothing", self.smoothing) < 1:
            raise InvalidInputError(f"smoothing must be in [0, 1), got {brief(self.smoothing)}")
        if not real("spread", self.spread) > 0:
            raise InvalidInputError(f"spread must be positive, got {brief(self.spread)}")


Stop = Callable[[Iteration], bool]


class SplitSearch(NamedTuple):
    """Decision rows of the best split evaluated, and the search's history."""

    rows: Floats
    history: tuple[Iteration, ...]


def search_splits(
    instance: Instance, settings: CrossEntropy, stop: Stop | None, rng: np.random.Generator, workers: int
) -> SplitSearch:
    """Search the time split by cross-entropy; the plan is the best split that was evaluated.

    Raises
    ------
    NumericalError
        If no sample kept every limit; it says how many were tried.
    """
    fleet, shared, supply, cycles = instance
    low, high = split_box(instance)
    mean, deviation = 0.5 * (low + high), 0.5 * (high - low)
    _, log_w = first_prices(fleet, shared, supply)
    best, best_eta = math.inf, mean
    history: list[Iteration] = []
    energy, missed = np.empty(settings.samples), np.empty(settings.samples)
    answer = unasked(fleet.a.size)
    for number in range(1, settings.iterations + 1):
        eta = _inside(mean + deviation * rng.standard_normal((settings.samples, mean.size)), low, high)

        def evaluate(first: int, end: int, eta: Floats = eta, log_w: float = log_w) -> None:
            evaluate_splits(fleet, shared, supply, eta, log_w, first, end, energy, missed)

        run_blocks(evaluate, settings.samples, _BLOCK, workers)
        order = np.lexsort((energy, missed))[: settings.elite]
        if energy[order[0]] < best:
            best, best_eta = float(energy[order[0]]), eta[order[0]].copy()
            set_split(fleet, shared, best_eta, answer)
            _, log_w, _ = complete(fleet, shared, supply, answer, log_w)
        feasible_elite = energy[order][np.isfinite(energy[order])]
        elite_mean = float(np.mean(feasible_elite)) if feasible_elite.size else math.inf
        spread = float(np.max(deviation))
        feasible = float(np.mean(missed == 0))
        history.append(Iteration(number, best, elite_mean, spread, feasible))
        if spread <= settings.spread or (stop is not None and stop(history[-1])):
            break
        keep = settings.smoothing
        mean = keep * mean + (1 - keep) * np.mean(eta[order], axis=0)
        deviation = keep * deviation + (1 - keep) * np.std(eta[order], axis=0)
    if not math.isfinite(best):
        tried = len(history) * settings.samples
        raise NumericalError(
            f"the cross-entropy search found no feasible split: 0 of {tried} samples (0 %) kept every limit; a plan"
            ' exists: method="exact" finds it'
        )
    set_split(fleet, shared, best_eta, answer)
    complete(fleet, shared, supply, answer, log_w)
    return SplitSearch(decision(fleet, shared, cycles, answer), tuple(history))


def split_box(instance: Instance) -> tuple[Floats, Floats]:
    """Least and greatest eta = t / T of each device, (I,) each: FIMI (17), (18); necessary, not sufficient."""
    fleet, shared, supply, _ = instance
    alone = shared.s / math.log(2.0) / rate(supply.B, fleet.P, 1.0, fleet.h / shared.s)
    return fleet.D_lo / fleet.F / shared.T, 1 - alone / shared.T


def _inside(eta: Floats, low: Floats, high: Floats) -> Floats:
    """Mirror samples at the box's faces until they are inside: clipping would pile mass up at a face."""
    width = np.maximum(high - low, 0.0)
    folded = np.abs(np.mod(eta - high, np.where(width > 0, 2 * width, 1.0)) - width)
    return np.asarray(np.where(width > 0, np.clip(low + folded, low, np.maximum(low, high)), low))
