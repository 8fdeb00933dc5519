"""FIMI without bandwidth allocation: every device has the same share of the band, and the rest is optimised jointly."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fimi_opt import models
from fimi_opt._checks import admitted, brief, real, rounded_up
from fimi_opt.baselines.given_shares import solve_shares
from fimi_opt.baselines.shares_bound import shares_bound
from fimi_opt.certificate import verify
from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.exact import VIOLATION_LIMIT
from fimi_opt.plan import FIMI, Plan, Prices, Status
from fimi_opt.solvers.instance import Instance, make_instance
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task, check_instance

Floats = NDArray[np.float64]

WITHOUT_BANDWIDTH_ALLOCATION = replace(
    FIMI, name="w/o BA", problem="(P1) with b = B / I for every device: least energy over data and times"
)

# As in the feasibility of (P1): an error limit that is missed by no more is met, and critical values get this much more
# on the admitting side, so that solving again with one of them has a plan to find.
_TIGHT = 1e-14
_ADMIT = 1e-9
# A limit of 2^100 times what is asked for is as good as none; within a factor of 2, so many halvings find it.
_DOUBLINGS = 100
_HALVINGS = 45


def without_bandwidth_allocation(
    devices: Devices, constraints: Constraints, task: Task = PAPER_TASK, *, tol: float = 1e-9
) -> Plan:
    """Plan of FIMI without bandwidth allocation ("w/o BA" of Fig. 5(e)): equal shares ``b = B / I`` of the band.

    Data amounts, time splits, frequencies and powers are at their joint certified optimum for these shares. The plan's
    `lower_bound`, `gap` and `status` are about this restricted problem; what the restriction costs shows beside
    :func:`fimi_opt.solve`. ``prices.bandwidth`` is what one hertz more saves when it is shared equally too.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.
    tol
        Certified relative gap up to which the plan's status is optimal, > 0.

    Returns
    -------
    Plan
        A plan within every limit of (P1), with a lower bound for equal shares.

    Raises
    ------
    InfeasibleError
        If equal shares admit no plan; it says what would. Its `devices` are those that miss the deadline with their
        share at full power and with local data only.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If limits leave so little room that rounding closes it.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> from fimi_opt.scenarios import paper
    >>> scenario = paper(seed=0)
    >>> plan = without_bandwidth_allocation(*scenario)
    >>> round(plan.energy, 2), round(fo.solve(*scenario).energy, 2)
    (34.29, 33.59)
    """
    check_instance(devices, constraints, task)
    if not real("tol", tol) > 0:
        raise InvalidInputError(f"tol must be positive, got {brief(tol)}")
    instance = make_instance(devices, constraints, task)
    share = instance.supply.B / len(devices)
    band = np.full(len(devices), share)
    least = _least_error(devices, task, instance, share, instance.shared.T)
    limit = instance.supply.A
    if least > limit * (1 + _TIGHT):
        raise _infeasible(devices, constraints, task, instance)
    instance = instance._replace(supply=instance.supply._replace(A=max(limit, least)))
    radio = (devices.channel_gain, devices.noise_density, task.update_bits)
    # A device whose only time split is full speed and full power may miss its upload time by a rounding.
    longest = instance.shared.T - devices.local_samples / instance.fleet.F
    u_least = np.minimum(models.upload_time(band, devices.max_power, *radio), longest)
    found = solve_shares(instance, band, u_least)
    prices = Prices(found.error * len(devices), found.bandwidth / len(devices), found.latency)
    power = np.minimum(models.transmit_power(band, found.split.u, *radio), devices.max_power)
    frequency = np.minimum(found.samples / found.split.t, instance.fleet.F) * instance.cycles
    bound = shares_bound(devices, constraints, task, band, prices.error, found.touch.t)
    decision = (np.maximum(found.samples - devices.local_samples, 0.0), frequency, band, power)
    for row in decision:
        row.flags.writeable = False
    scheme = WITHOUT_BANDWIDTH_ALLOCATION
    plan = Plan(*decision, bound, prices, Status.OPTIMAL, "exact", devices, constraints, task, scheme=scheme)
    if not max(verify(plan)) <= VIOLATION_LIMIT:
        raise NumericalError(f"the plan found misses a limit by {max(verify(plan)):.1e}; please report this instance")
    status = Status.OPTIMAL if plan.gap <= tol else Status.FEASIBLE
    return replace(plan, lower_bound=min(bound, plan.energy), status=status)


def _least_error(devices: Devices, task: Task, instance: Instance, share: float, deadline: float) -> float:
    """Least sum of alpha D^-beta with these equal shares and this deadline; inf where not even the local data fits."""
    fleet, curve = instance.fleet, task.learning
    reach = _reach(devices, task, instance, share, deadline)
    if np.any(reach < fleet.D_lo * (1 - _TIGHT)):
        return math.inf
    samples = np.maximum(np.minimum(fleet.D_hi, reach), fleet.D_lo)
    return float(np.sum(models.local_error(samples, curve.alpha, curve.beta, 0.0)))


def _reach(devices: Devices, task: Task, instance: Instance, share: float, deadline: float) -> Floats:
    """Samples, (I,), that full speed trains in the time that an upload at full power over this share leaves."""
    radio = (devices.channel_gain, devices.noise_density, task.update_bits)
    return np.asarray(instance.fleet.F * (deadline - models.upload_time(share, devices.max_power, *radio)))


def _infeasible(devices: Devices, constraints: Constraints, task: Task, instance: Instance) -> InfeasibleError:
    """The error that says, for each limit on its own, what would admit a plan with equal shares."""
    count, curve = len(devices), task.learning
    fleet, shared, supply, _ = instance
    share = supply.B / count

    def missed(share: float, deadline: float) -> bool:
        return _least_error(devices, task, instance, share, deadline) > supply.A * (1 + _TIGHT)

    bandwidth = _critical(lambda factor: missed(share * factor, shared.T), constraints.bandwidth)
    latency = _critical(lambda factor: missed(share, shared.T * factor), constraints.max_latency)
    error = rounds = None
    # A part of Delta, whatever power of itself N / zeta makes of the mean error, and what computing it back rounds off.
    part = min(_ADMIT, 0.1 * _ADMIT * curve.zeta / constraints.rounds)
    mean = _least_error(devices, task, instance, share, shared.T) * (1 + part) / count - curve.gamma
    mean += _TIGHT * (1 + abs(curve.gamma))
    if mean < 1:
        error = math.exp(constraints.rounds / curve.zeta * (mean - 1))
        rounds = curve.zeta * math.log(1 / constraints.max_global_error) / (1 - mean) * (1 + _TIGHT)
    found = {"bandwidth": bandwidth, "max_latency": latency, "max_global_error": error, "rounds": rounds}
    cures = {name: admitted(name, value) for name, value in found.items()}
    stuck = np.flatnonzero(_reach(devices, task, instance, share, shared.T) < fleet.D_lo * (1 - _TIGHT))
    return InfeasibleError(
        _message(devices, stuck, constraints, cures),
        min_bandwidth=cures["bandwidth"],
        min_latency=cures["max_latency"],
        min_global_error=cures["max_global_error"],
        min_rounds=cures["rounds"],
        devices=tuple(int(i) for i in stuck),
    )


def _critical(missed: Callable[[float], bool], limit: float) -> float | None:
    """Least value of a limit with which nothing is missed; None where doubling it on and on does not help."""
    lo = hi = 0.0
    for power in range(1, _DOUBLINGS + 1):
        hi = float(power)
        if not missed(math.exp2(hi)):
            break
        lo = hi
    else:
        return None
    for _ in range(_HALVINGS):
        middle = 0.5 * (lo + hi)
        lo, hi = (middle, hi) if missed(math.exp2(middle)) else (lo, middle)
    return limit * math.exp2(hi) * (1 + _ADMIT)


def _message(
    devices: Devices, stuck: NDArray[np.intp], constraints: Constraints, cures: dict[str, float | None]
) -> str:
    message = "no plan with equal shares of the band meets all limits"
    if stuck.size:
        names = ", ".join(str(devices.ids[i]) for i in stuck[:5]) + (", ..." if stuck.size > 5 else "")
        message += (
            f"; {stuck.size} of {len(devices)} devices ({names}) miss the deadline with their share at full power and"
            " with no synthetic data"
        )
    known = [
        f"{name} = {rounded_up(to)} instead of {getattr(constraints, name):.7g}" for name, to in cures.items() if to
    ]
    if known:
        return f"{message}. Any one of these admits a plan: {'; '.join(known)}"
    return f"{message}, and no change of a single limit does: allow more synthetic data, or change several limits"
