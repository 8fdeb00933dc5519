"""solve(): search, fall back on the search that cannot fail, certify."""

from dataclasses import replace

from fimi_opt._checks import real
from fimi_opt.certificate import Split, lower_bound
from fimi_opt.errors import InvalidInputError, NumericalError
from fimi_opt.feasibility import check
from fimi_opt.plan import Plan, Prices, Status
from fimi_opt.solvers.instance import Instance, make_instance
from fimi_opt.solvers.joint import JointSolution, solve_joint
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task

METHODS = ("exact",)


def solve(
    devices: Devices, constraints: Constraints, task: Task = PAPER_TASK, method: str = "exact", *, tol: float = 1e-9
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
        "exact": the certified global optimum.
    tol
        Certified relative gap up to which the plan's status is optimal, > 0.

    Returns
    -------
    Plan
        A feasible plan with its energy, a lower bound that no plan goes below, and the prices of the limits. Where the
        gap stays above `tol`, its status is feasible and says so.

    Raises
    ------
    InfeasibleError
        If no plan meets all limits; it says what would admit one.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If limits leave so little room that rounding closes it.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    >>> fo.solve(devices, fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)).status
    <Status.OPTIMAL: ...>
    """
    _check_arguments(devices, constraints, task, method, tol)
    instance = make_instance(devices, constraints, task)
    found = solve_joint(instance)
    if found is None:
        found = solve_joint(*check(devices, constraints, task, instance))
    if found is None:
        raise NumericalError("the search ended without a plan; please report these devices and limits")
    return _certified(devices, constraints, task, method, instance, found, tol)


def _certified(
    devices: Devices,
    constraints: Constraints,
    task: Task,
    method: str,
    instance: Instance,
    found: JointSolution,
    tol: float,
) -> Plan:
    """Build the plan with the lower bound that its prices prove."""
    prices = Prices(found.nu * len(devices), found.w, found.latency_price)
    fleet, touch = instance.fleet, found.touch
    split = Split(touch.t, fleet.h / fleet.P + touch.y, touch.b)
    bound = lower_bound(devices, constraints, task, prices, split)
    found.rows.flags.writeable = False
    gen, f, b, p = found.rows
    plan = Plan(gen, f, b, p, bound, prices, Status.OPTIMAL, method, devices, constraints, task)
    if not abs(plan.gap) <= tol:
        plan = replace(plan, lower_bound=min(bound, plan.energy), status=Status.FEASIBLE)
    return plan


def _check_arguments(devices: Devices, constraints: Constraints, task: Task, method: str, tol: float) -> None:
    for name, value, kind in (
        ("devices", devices, Devices),
        ("constraints", constraints, Constraints),
        ("task", task, Task),
    ):
        if not isinstance(value, kind):
            raise InvalidInputError(f"{name} must be a fimi_opt.{kind.__name__}, got {type(value).__name__}")
    if method not in METHODS:
        raise InvalidInputError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not real("tol", tol) > 0:
        raise InvalidInputError(f"tol must be positive, got {tol!r}")
