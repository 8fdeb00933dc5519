"""The words of an answer: how good it is, what its limits cost, which problem it answers, how its search went."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fimi_opt.categories import allocate_categories

Floats = NDArray[np.float64]
ClassTable: TypeAlias = NDArray[np.float64] | NDArray[np.int64]


class Status(enum.Enum):
    """How good a plan is; the member is its message, `remedy` says what to do about it."""

    OPTIMAL = ("optimal: no plan takes less energy, to the certified gap", "nothing to do")
    FEASIBLE = (
        "feasible: every limit is kept, but the lower bound leaves the gap open",
        "use the plan, or move a limit by 1e-6 of itself: barely feasible limits have prices too large to certify",
    )
    FEASIBLE_SEARCH = (
        "feasible: every limit is kept, and the optimum is within the certified gap",
        'use method="exact" for the optimum, or give the search more samples or iterations',
    )
    INTEGER = (
        "integer: whole samples, every limit kept; the gap is against the bound without whole samples",
        "nothing to do: whole samples cost this much at most",
    )

    @property
    def message(self) -> str:
        """What it means."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.value[1]

    def __str__(self) -> str:
        """Return the message."""
        return self.message


class Prices(NamedTuple):
    """What one unit more of each limit would save, all >= 0: the multipliers of the dual problem.

    Attributes
    ----------
    error
        J per unit of the limit on the mean local error; 0 where the local data is enough.
    bandwidth
        J/Hz.
    latency
        J/s: what one second more of the deadline would save.
    """

    error: float
    bandwidth: float
    latency: float


@dataclass(frozen=True)
class Scheme:
    """Which problem a plan answers, and what the samples are that it adds: FIMI's, or a comparison scheme's.

    Attributes
    ----------
    name
        "FIMI", or what :mod:`fimi_opt.baselines` calls it.
    problem
        In words, the problem whose least energy the plan's `lower_bound` and `status` are about.
    samples
        In words, what the added samples are and who labels them.
    meets_error_limit
        Whether its plans keep the limit on the global error; they keep all others.
    allocate
        Splits added samples over classes: local samples of each class (I, C) and amounts (I,) to (I, C).
    """

    name: str
    problem: str
    samples: str
    meets_error_limit: bool
    allocate: Callable[[Floats, Floats], ClassTable]


FIMI = Scheme(
    name="FIMI",
    problem="(P1): least energy of the fleet within every limit",
    samples="synthetic, of a diffusion model that is asked for their classes",
    meets_error_limit=True,
    allocate=allocate_categories,
)


class Iteration(NamedTuple):
    """What one iteration of the cross-entropy search found.

    Attributes
    ----------
    number
        Counted from 1.
    best
        Least energy (J) of all splits evaluated so far; inf while none was feasible.
    elite_mean
        Mean energy (J) of this iteration's feasible elite; inf where none was.
    spread
        Largest standard deviation of a split, as a part of the deadline.
    feasible
        Part of this iteration's samples that kept every limit.
    """

    number: int
    best: float
    elite_mean: float
    spread: float
    feasible: float
