"""suggest_relaxation(): the least change of several limits together that admits a plan."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fimi_opt._checks import RANGES, brief
from fimi_opt._threads import check_workers
from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.feasibility import diagnose, least_bandwidth_for
from fimi_opt.feasibility.critical import ADMIT, TIGHT
from fimi_opt.feasibility.diagnosis import least_learning
from fimi_opt.feasibility.wording import changed
from fimi_opt.relaxing.searching import Point, least_change
from fimi_opt.solvers.instance import Instance, make_instance
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task, check_instance

LIMITS = ("bandwidth", "max_latency", "max_global_error", "rounds")
DEFAULT_WEIGHTS = {"bandwidth": 1.0, "max_latency": 1.0, "max_global_error": 1.0}
# Weights far beyond any trade between limits, whose products with prices are floats still.
_LEAST_WEIGHT, _MOST_WEIGHT = 1e-12, 1e12
# Limits are given 1e-9 on the admitting side: a change of this part is no more than that.
_A_ROUNDING = 1e-8


class Change(NamedTuple):
    """One limit that gives way.

    Attributes
    ----------
    limit
        Its name in :class:`Constraints`.
    given, relaxed
        Its value before and after, in its own unit.
    relative
        After / before - 1.
    """

    limit: str
    given: float
    relaxed: float
    relative: float


@dataclass(frozen=True)
class Relaxation:
    """The least change of limits that admits a plan.

    Attributes
    ----------
    constraints
        The relaxed limits: solving with them works, but leaves the plan no room, so that it takes far more energy than
        with limits a few per cent wider.
    changes
        The limits that give way; empty where there was a plan already.
    objective
        Sum of weight times relative change; no relaxation of these limits has less.
    """

    constraints: Constraints
    changes: tuple[Change, ...]
    objective: float

    def __str__(self) -> str:
        """Return the changes in words."""
        if not self.changes:
            return "a plan meets all limits as they are"
        words = [f"{changed(c.limit, c.relaxed, c.given)} ({_relative(c.relative)})" for c in self.changes]
        return f"{' and '.join(words)} {'admit' if len(words) > 1 else 'admits'} a plan"


def suggest_relaxation(
    devices: Devices,
    constraints: Constraints,
    task: Task = PAPER_TASK,
    *,
    weights: Mapping[str, float | None] | None = None,
    workers: int | None = None,
) -> Relaxation:
    """Least change of several limits together that admits a plan: sum of weight x (new / old - 1), none stricter.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.
    weights
        What a relative change of each limit counts, from 1e-12 to 1e12, by its name: "bandwidth", "max_latency",
        "max_global_error", "rounds". Limits that are not named, or that weigh None or infinity, stay as they are; so do
        `max_synthetic` and the devices. Of the global error and the rounds, which allow one mean error between them,
        only one can be free. By default bandwidth, deadline and global error count 1 each.
    workers
        As for :func:`fimi_opt.solve`.

    Returns
    -------
    Relaxation
        The relaxed limits, the changes, their sum, and in words as its ``str``. Where a plan exists already: the limits
        as they are.

    Raises
    ------
    InfeasibleError
        If no values of the free limits admit a plan; it says why there is none.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If rounding leaves no relaxation that admits a plan.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2, ids=["phone", "board"])
    >>> found = fo.suggest_relaxation(devices, fo.Constraints(0.2, 200, 20.0, 1e6, 2000))
    >>> fo.solve(devices, found.constraints).status
    <Status.OPTIMAL: ...>
    """
    check_instance(devices, constraints, task)
    free = _check_weights(DEFAULT_WEIGHTS if weights is None else weights)
    threads = check_workers(workers)
    instance = make_instance(devices, constraints, task, threads)
    least = least_bandwidth_for(instance.fleet, instance.shared, instance.supply.A, None, threads)
    if least.bandwidth <= instance.supply.B * (1 + TIGHT):
        return Relaxation(constraints, (), 0.0)
    found = least_change(instance, constraints, task, free, threads)
    relaxed = None if found is None else _relaxed(instance, constraints, task, free, *found)
    if relaxed is None:
        error = diagnose(devices, constraints, task, instance, least, threads)
        raise InfeasibleError(f"no change of {' and '.join(free)} admits a plan; {error}", **vars(error))
    needed = _needed_band(devices, relaxed, task, threads)
    if needed is not None and "bandwidth" in free and needed <= RANGES["bandwidth"].greatest:
        # The error and the band, each at its rounding: what is short of the one is little of the other.
        relaxed = replace(relaxed, bandwidth=needed)
        needed = _needed_band(devices, relaxed, task, threads)
    if needed is not None:
        raise NumericalError("the limits found do not admit a plan; please report these devices and limits")
    return _relaxation(constraints, _without_needless(devices, constraints, relaxed, task, threads), free)


def _without_needless(
    devices: Devices, constraints: Constraints, relaxed: Constraints, task: Task, workers: int
) -> Constraints:
    """The relaxed limits, those that changed by a rounding given back where the others alone admit a plan."""
    for limit in LIMITS:
        given, new = getattr(constraints, limit), getattr(relaxed, limit)
        if new != given and abs(new / given - 1) <= _A_ROUNDING:
            without = replace(relaxed, **{limit: given})
            if _needed_band(devices, without, task, workers) is None:
                relaxed = without
    return relaxed


def _needed_band(devices: Devices, constraints: Constraints, task: Task, workers: int) -> float | None:
    """The band (Hz) that these limits need instead of theirs; None where theirs is enough."""
    fleet, shared, supply, _ = make_instance(devices, constraints, task, workers)
    least = least_bandwidth_for(fleet, shared, supply.A, None, workers).bandwidth
    return least * (1 + ADMIT) if least > supply.B * (1 + TIGHT) else None


def _relaxed(
    instance: Instance, constraints: Constraints, task: Task, free: Mapping[str, float], T: float, point: Point
) -> Constraints | None:
    """The limits in words, on the admitting side; None where :class:`Constraints` does not take them."""
    new: dict[str, float | None] = {}
    if T > instance.shared.T:
        new["max_latency"] = constraints.max_latency * (T / instance.shared.T)
    if point.B > instance.supply.B:
        new["bandwidth"] = point.B * (1 + ADMIT)
    if point.A > instance.supply.A:
        error, rounds = least_learning(constraints, task, point.A / instance.fleet.a.size)
        new["rounds" if "rounds" in free else "max_global_error"] = rounds if "rounds" in free else error
    known = {name: value for name, value in new.items() if value is not None}
    if len(known) < len(new) or any(
        value > RANGES[name].greatest for name, value in known.items() if name != "max_global_error"
    ):
        return None
    return replace(constraints, **known)


def _relaxation(constraints: Constraints, relaxed: Constraints, free: Mapping[str, float]) -> Relaxation:
    changes = []
    for limit in LIMITS:
        given, new = getattr(constraints, limit), getattr(relaxed, limit)
        if new != given:
            changes.append(Change(limit, given, new, new / given - 1))
    return Relaxation(relaxed, tuple(changes), math.fsum(free[c.limit] * c.relative for c in changes))


def _relative(change: float) -> str:
    return f"{100 * change:+.3g} %" if change < 9 else f"{1 + change:.3g} times as much"


def _check_weights(weights: Mapping[str, float | None]) -> dict[str, float]:
    """The limits that may change, and what that counts."""
    if not isinstance(weights, Mapping):
        raise InvalidInputError(f"weights must be a mapping from limits to numbers, got {brief(weights)}")
    free = {}
    for name, weight in weights.items():
        if name not in LIMITS:
            raise InvalidInputError(f"weights has {name!r}: the limits are {', '.join(LIMITS)}")
        if weight is None:
            continue
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.integer | np.floating):
            raise InvalidInputError(f"weights[{name!r}] must be a real number or None, got {brief(weight)}")
        if not (_LEAST_WEIGHT <= weight <= _MOST_WEIGHT or weight == math.inf):
            raise InvalidInputError(f"weights[{name!r}] must be from 1e-12 to 1e12, or inf, got {weight}")
        if weight < math.inf:
            free[name] = float(weight)
    if not free:
        raise InvalidInputError("weights leaves no limit free: give at least one a finite weight")
    if "max_global_error" in free and "rounds" in free:
        raise InvalidInputError("weights frees max_global_error and rounds: they allow one error together, free one")
    return free
