"""The certified optimum: search, fall back on the search that cannot fail, judge, and close the gap that is left."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.certificate import Judgement, Split, judge, lower_bound, tightened
from fimi_opt.errors import InfeasibleError, NumericalError
from fimi_opt.feasibility import check
from fimi_opt.models import mean_error_limit
from fimi_opt.plan import Plan, Prices, Status
from fimi_opt.solvers.instance import form_instance, state_problem
from fimi_opt.solvers.joint import JointSolution, WarmStart, solve_joint
from fimi_opt.solvers.smooth import solve_smooth
from fimi_opt.types import Constraints, Devices, Task

Floats = NDArray[np.float64]

# A plan that misses a limit by more, relative to the limit, is not returned.
VIOLATION_LIMIT = 3e-12
# Where the gap stays open, the bound is tried again in extended precision, some 50 us a device, and at the best answers
# of the devices by bisection, some 110 us.
MOST_TIGHTENED = 20_000
# A bound above the energy by more than this, and by what missed limits are worth, is a fault of ours.
BROKEN = 1e-9
_ROUNDINGS = 16 * 2.0**-52
# Where so small a part of the limits is worth more than the gap may be, rounding keeps it open: plan for the limits as
# they stand then, instead of drawn in by roundings, and after that loosened by these parts of themselves.
_SMALL_PART = 1e-13
_LOOSENED = (0.0, 4e-15, 6e-14, 1e-12)


class _Answer(NamedTuple):
    """What a search found, how it was judged, and the best bound (J) with the prices that give it."""

    found: JointSolution
    judged: Judgement
    bound: float
    prices: Prices

    @property
    def gap(self) -> float:
        """Relative gap; below 0 where a limit is missed by a rounding that is worth as much."""
        return (self.judged.energy - self.bound) / self.judged.energy


def solve_exact(
    devices: Devices, constraints: Constraints, task: Task, tol: float, threads: int, warm: WarmStart | None
) -> Plan:
    """Plan of the exact method, judged; of arguments that have been checked."""
    found, judged = _exact(devices, constraints, task, tol, threads, warm)
    answer = _Answer(found, judged, judged.lower_bound, _prices(devices, found))
    if answer.gap > tol:
        answer = _closed(answer, devices, constraints, task, tol)
    found, judged, bound, prices = answer
    check_violation(judged.violation)
    if judged.lower_bound > judged.energy:
        _check_bound(judged, prices, constraints, task)
    status = Status.OPTIMAL if answer.gap <= tol else Status.FEASIBLE
    plan = plan_of(found.rows, min(bound, judged.energy), prices, status, devices, constraints, task)
    # Limits that leave no room are kept to rounding, and a bound for them as they stand can be above that plan.
    return replace(plan, lower_bound=min(bound, plan.energy)) if bound >= judged.energy else plan


def _closed(answer: _Answer, devices: Devices, constraints: Constraints, task: Task, tol: float) -> _Answer:
    """The answer with the smallest gap that more work gives, for fleets that it is not too much for."""
    if len(devices) > MOST_TIGHTENED:
        return answer
    answer = _tightened(answer, devices, constraints, task, tol)
    for loosened in _LOOSENED:
        # A better bound's prices can be far from those that the search ended at, either way.
        worth = max(_worth(prices, constraints, task) for prices in (answer.prices, _prices(devices, answer.found)))
        if answer.gap <= tol or _SMALL_PART * worth <= tol * answer.judged.energy:
            break
        other = _again(devices, constraints, task, tol, 1.0 + loosened)
        if other is not None and other.gap < answer.gap:
            answer = other
    return answer


def _again(devices: Devices, constraints: Constraints, task: Task, tol: float, part: float) -> _Answer | None:
    """The thorough search's answer for this part of the limits, judged by the limits themselves; None without one."""
    instance = form_instance(state_problem(devices, constraints, task, inside=part))
    try:
        found = solve_joint(*check(devices, constraints, task, instance))
    except (InfeasibleError, NumericalError):  # a rounding more of the limits is no reason to refuse what is found
        return None
    if found is None:
        return None
    judged = _judge(devices, constraints, task, found, 1)
    if not judged.violation <= VIOLATION_LIMIT:
        return None
    answer = _Answer(found, judged, judged.lower_bound, _prices(devices, found))
    return _tightened(answer, devices, constraints, task, tol)


def plan_of(
    rows: Floats, bound: float, prices: Prices, status: Status, devices: Devices, constraints: Constraints, task: Task
) -> Plan:
    """Plan with rows synthetic samples, frequency, bandwidth, power as its decision."""
    rows.flags.writeable = False
    gen, f, b, p = rows
    return Plan(gen, f, b, p, bound, prices, status, "exact", devices, constraints, task)


def _tightened(answer: _Answer, devices: Devices, constraints: Constraints, task: Task, tol: float) -> _Answer:
    """The same plan with a better bound: in extended precision, at other prices, at the best answers."""
    split, energy = Split(*answer.found.split), answer.judged.energy
    better = tightened(devices, constraints, task, answer.prices, split, energy)
    if better.bound > answer.bound:
        _, w, latency = answer.prices
        # The value of time is made of the price of bandwidth.
        scaled = latency * better.bandwidth_price / w if better.bandwidth_price != w else latency
        prices = Prices(better.error_price, better.bandwidth_price, scaled)
        answer = answer._replace(bound=better.bound, prices=prices)
    if answer.gap > tol:
        bisected = lower_bound(devices, constraints, task, answer.prices)
        answer = answer._replace(bound=max(answer.bound, bisected))
    return answer


def check_violation(violation: float) -> None:
    """Refuse a plan of ours that misses a limit.

    Raises
    ------
    NumericalError
        If the largest relative violation is above `VIOLATION_LIMIT`.
    """
    if not violation <= VIOLATION_LIMIT:
        raise NumericalError(
            f"the plan found misses a limit by {violation:.1e}; please report these devices and limits"
        )


def _check_bound(judged: Judgement, prices: Prices, constraints: Constraints, task: Task) -> None:
    """Refuse a bound above the energy by more than the plan can have saved by missing limits within their tolerance."""
    energy, bound, violation = judged
    worth = _worth(prices, constraints, task)
    if bound - energy > BROKEN * energy + 10 * max(violation, _ROUNDINGS) * worth:
        raise NumericalError(f"the plan takes {energy!r} J, less than its bound {bound!r} J; please report this")


def _worth(prices: Prices, constraints: Constraints, task: Task) -> float:
    """Joules that the limits are worth in all, each at its price."""
    curve = task.learning
    limit = mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
    return prices.error * limit + prices.bandwidth * constraints.bandwidth + prices.latency * constraints.max_latency


def _exact(
    devices: Devices,
    constraints: Constraints,
    task: Task,
    tol: float,
    threads: int,
    warm: WarmStart | None,
) -> tuple[JointSolution, Judgement]:
    """Search for the optimum, the quick ways first, and judge what was found."""
    problem = state_problem(devices, constraints, task)
    found = solve_smooth(problem, threads, warm)
    if found is not None:
        judged = _judge(devices, constraints, task, found, threads)
        if judged.violation <= VIOLATION_LIMIT and judged.energy - judged.lower_bound <= tol * judged.energy:
            return found, judged
    instance = form_instance(problem, threads)
    found = solve_joint(instance)
    if found is None:
        found = solve_joint(*check(devices, constraints, task, instance, threads))
    if found is None:
        raise NumericalError("the search ended without a plan; please report these devices and limits")
    return found, _judge(devices, constraints, task, found, threads)


def _prices(devices: Devices, found: JointSolution) -> Prices:
    return Prices(found.nu * len(devices), found.w, found.latency_price)


def _judge(devices: Devices, constraints: Constraints, task: Task, found: JointSolution, threads: int) -> Judgement:
    """Judge the rows that were found by the certificate's own code."""
    return judge(devices, constraints, task, found.rows, _prices(devices, found), Split(*found.split), threads)
