"""solve(): the front door of every method."""

import functools
import math
from dataclasses import replace

import numpy as np

from fimi_opt._checks import NO_NUMBERS, brief, real
from fimi_opt._threads import check_workers
from fimi_opt.certificate import verify
from fimi_opt.errors import InvalidInputError
from fimi_opt.exact import check_violation, plan_of, solve_exact
from fimi_opt.plan import Plan, Status
from fimi_opt.rounding import rounded
from fimi_opt.solvers.cross_entropy import CrossEntropy, Stop, search_splits
from fimi_opt.solvers.instance import make_instance
from fimi_opt.solvers.joint import WarmStart
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task, check_instance

METHODS = ("exact", "cross-entropy")
# Prices between this and its inverse are worth starting from.
_USABLE = 1e-200
DEFAULT_SEARCH = CrossEntropy()


def solve(
    devices: Devices,
    constraints: Constraints,
    task: Task = PAPER_TASK,
    method: str = "exact",
    *,
    tol: float = 1e-9,
    integer: bool = False,
    warm_start: Plan | None = None,
    search: CrossEntropy = DEFAULT_SEARCH,
    stop: Stop | None = None,
    rng: np.random.Generator | int = 0,
    workers: int | None = None,
) -> Plan:
    """Plan for every device that takes the least energy per round and keeps every limit: FIMI problem (P1).

    Parameters
    ----------
    devices
        The fleet.
    constraints
        The limits.
    task
        What is trained; by default the paper's VGG-9 / CIFAR task.
    method
        "exact": the certified global optimum. "cross-entropy": the paper's Algorithm 3, a random search for the same
        optimum, as a baseline; its lower bound and prices are the exact method's.
    tol
        Certified relative gap up to which the plan's status is optimal, > 0.
    integer
        Whether to plan whole samples: the energy least for whole amounts or close to it, certified against the same
        lower bound. With the exact method only.
    warm_start
        A plan for the same devices in other circumstances, such as the last round's channels: the search starts from
        it. The answer is the same to the certified gap, not to the last bit.
    search
        Settings of the cross-entropy search.
    stop
        Called with each :class:`Iteration` of the search; it ends where this returns True, and can show progress.
    rng
        Generator of the search, or its seed; the same seed gives the same plan on any number of threads.
    workers
        Threads, for fleets of tens of thousands and for the search; by default the usable cores. The plan does not
        depend on it.

    Returns
    -------
    Plan
        A feasible plan with its energy, a lower bound that no plan goes below, and the prices of the limits. Limits are
        kept to rounding; where 1e-13 of them is worth more than the gap may be, next to infeasibility, to 3e-12 of
        themselves (:func:`verify` says how far). Where the gap stays above `tol`, as it may for barely feasible fleets
        of more than 20,000 devices, the status is feasible and says so.

    Raises
    ------
    InfeasibleError
        If no plan meets all limits; it says what would admit one.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If limits leave so little room that rounding closes it, or the cross-entropy search met no feasible split.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    >>> fo.solve(devices, fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)).status
    <Status.OPTIMAL: ...>
    """
    _check_arguments(devices, constraints, task, method, tol, integer)
    _check_search(search, stop, rng)
    threads = check_workers(workers)
    exact = solve_exact(devices, constraints, task, tol, threads, _warm(devices, warm_start))
    if integer:
        return rounded(exact, functools.partial(solve, tol=tol, workers=workers))
    if method == "exact":
        return exact
    instance = make_instance(devices, constraints, task, threads)
    rows, history = search_splits(instance, search, stop, np.random.default_rng(rng), threads)
    plan = plan_of(rows, exact.lower_bound, exact.prices, Status.OPTIMAL, devices, constraints, task)
    check_violation(verify(plan).worst)
    status = Status.OPTIMAL if plan.gap <= tol else Status.FEASIBLE_SEARCH
    bound = min(plan.lower_bound, plan.energy)
    return replace(plan, lower_bound=bound, status=status, method=method, history=history)


def _warm(devices: Devices, plan: Plan | None) -> WarmStart | None:
    """What a plan tells the search; nothing where its prices are 0 or it is of another number of devices."""
    if plan is None:
        return None
    if not isinstance(plan, Plan):
        raise InvalidInputError(f"warm_start must be a fimi_opt.Plan or None, got {type(plan).__name__}")
    if len(plan.devices) != len(devices):
        raise InvalidInputError(f"warm_start plans {len(plan.devices)} devices, but there are {len(devices)}")
    log_nu, log_w = (math.log(price) if _USABLE < price < 1 / _USABLE else math.nan for price in plan.prices[:2])
    try:
        times = plan.compute_time
    except InvalidInputError as error:
        raise InvalidInputError(f"warm_start is no plan: {error}") from None
    return WarmStart(log_nu - math.log(len(devices)), log_w, times)


def _check_arguments(
    devices: Devices, constraints: Constraints, task: Task, method: object, tol: float, integer: object
) -> None:
    check_instance(devices, constraints, task)
    check_tolerance(tol)
    if not isinstance(method, str) or method not in METHODS:
        raise InvalidInputError(f"method must be one of {', '.join(METHODS)}, got {brief(method)}")
    if not isinstance(integer, bool | np.bool_):
        raise InvalidInputError(f"integer must be True or False, got {brief(integer)}")
    if integer and method != "exact":
        raise InvalidInputError(f'integer plans need method="exact", got {brief(method)}')


def check_tolerance(tol: float) -> None:
    """Refuse a gap that is no positive number.

    Raises
    ------
    ValueError
        If it is not; it names `tol`.
    """
    if not real("tol", tol) > 0:
        raise InvalidInputError(f"tol must be positive, got {brief(tol)}")


def _check_search(search: CrossEntropy, stop: Stop | None, rng: object) -> None:
    if not isinstance(search, CrossEntropy):
        raise InvalidInputError(f"search must be a fimi_opt.CrossEntropy, got {type(search).__name__}")
    if stop is not None and not callable(stop):
        raise InvalidInputError(f"stop must be callable or None, got {type(stop).__name__}")
    if isinstance(rng, np.random.Generator):
        return
    if isinstance(rng, NO_NUMBERS) or not isinstance(rng, int | np.integer) or rng < 0:
        raise InvalidInputError(
            f"rng must be a numpy.random.Generator or a seed, a whole number >= 0, got {brief(rng)}"
        )
