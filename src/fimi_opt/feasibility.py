"""Whether any plan exists, and what would admit one: the least band, deadline, error and rounds.

P1 is feasible exactly when the least total bandwidth that meets the learning limit fits the band. That problem is
convex as well and splits per device at one price lambda (Hz per unit of error); tracing lambda gives the least
bandwidth for an error limit and the least error for a band, and a root search around it the least deadline.
"""

import contextlib
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._checks import admitted, rounded_up
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.feasibility import Frontier, least_split, times_of, trade
from fimi_opt._kernels.fleet import Answer, Fleet, empty_answer
from fimi_opt._kernels.search import DONE, bracketed_step
from fimi_opt.errors import InfeasibleError, NumericalError
from fimi_opt.models import rate
from fimi_opt.solvers.instance import Instance
from fimi_opt.types import Constraints, Devices, Task

Floats = NDArray[np.float64]

# Limits that are missed by no more than this are met: computing a limit from the plan that just meets it (every device
# at D_max, say) leaves roundings of this size. Plans are checked to 1e-9.
_TIGHT = 1e-14
# Critical values are given this much on the admitting side, so that solving again with one of them has a plan to find.
_ADMIT = 1e-9
# A root search in ln(T - T_0) halves its bracket at least every other step: 1,400 wide to 1e-13.
_MAX_LATENCY_STEPS = 200
_LATENCY_TOL = 1e-13
# What a float resolves of a deadline.
_ROUNDING = 2.0**-52


class LeastBandwidth(NamedTuple):
    """Least band (Hz, inf where none is enough) that meets the learning limit, and the splits x = ln(t/y) it takes."""

    bandwidth: float
    x: Floats
    per_second: float


def least_bandwidth_for(fleet: Fleet, shared: Shared, A: float) -> LeastBandwidth:
    """Least total bandwidth with which every device meets the deadline and errors sum to at most A."""
    x = np.zeros(fleet.a.size)
    if not _every_device_open(fleet, shared):
        return LeastBandwidth(math.inf, x, math.inf)
    totals = least_split(fleet, shared, -math.inf, x)
    if totals.e <= A:
        return LeastBandwidth(totals.b, x, totals.b_T)
    most = least_split(fleet, shared, math.inf, x)
    if most.e > A * (1 + _TIGHT):
        return LeastBandwidth(math.inf, x, math.inf)
    if most.e >= A * (1 - _TIGHT) and math.isfinite(most.b):
        return LeastBandwidth(most.b, x, most.b_T)
    totals = _traded(fleet, shared, A, math.inf, x)
    return LeastBandwidth(totals.b, x, totals.b_T)


def least_error_for(fleet: Fleet, shared: Shared, B: float) -> float:
    """Least sum of alpha D^-beta that the band B and the deadline leave; inf where not even the local data fits."""
    x = np.zeros(fleet.a.size)
    if not _every_device_open(fleet, shared) or least_split(fleet, shared, -math.inf, x).b > B:
        return math.inf
    most = least_split(fleet, shared, math.inf, x)
    return most.e if most.b <= B else _traded(fleet, shared, math.inf, B, x).e


def least_latency_for(fleet: Fleet, shared: Shared, A: float, B: float) -> float | None:
    """Least deadline (s) with which the band B is enough; None where no deadline is.

    The least bandwidth falls with T: a bracketed Newton search in ln(T - T_0), whose slope is the
    multiplier's.
    """
    if np.sum(shared.alpha * fleet.D_hi**-shared.beta) > A * (1 + _TIGHT):
        return None
    # Towards T_0, with which no band at all is enough, the least bandwidth grows like 1 / (T - T_0).
    T_0 = float(np.max(fleet.D_lo / fleet.F + fleet.h / fleet.P))
    shortest = float(np.max(_shortest_times(fleet, shared, B)))
    p = lo = math.log(max(shortest - T_0, _ROUNDING * T_0))
    hi, last = math.inf, math.inf
    for _ in range(_MAX_LATENCY_STEPS):
        T = T_0 + math.exp(p)
        least = least_bandwidth_for(fleet, shared._replace(T=T), A)
        residual = math.log(least.bandwidth / B)
        lo, hi = (p, hi) if residual > 0 else (lo, p)
        if math.isfinite(residual):
            slope = -math.exp(p) * least.per_second / least.bandwidth
            step = bracketed_step(p, residual, slope, lo, hi, last)
        else:
            step = _into(lo, hi, last)
        if abs(residual) <= _LATENCY_TOL or hi - lo <= _LATENCY_TOL or T_0 + math.exp(p + step) == T:
            return T
        last = abs(step)
        p += step
    raise NumericalError("the search for the least deadline did not end; please report these devices and limits")


def _traded(fleet: Fleet, shared: Shared, A: float, B: float, x: Floats) -> Frontier:
    """Totals where errors sum to A (B infinite) or bandwidths to B (A infinite); the splits into `x`."""
    totals, ended = trade(fleet, shared, A, B, x)
    if ended != DONE:
        raise NumericalError("the search along the frontier of error and band did not end; please report this instance")
    return totals


def check(devices: Devices, constraints: Constraints, task: Task, instance: Instance) -> tuple[Instance, Answer]:
    """A time split inside every limit: with half of the band that is to spare, the least error.

    Returns
    -------
    Instance, Answer
        The instance, its limits moved by at most `_TIGHT` where they leave no more room than rounding does, and the
        split.

    Raises
    ------
    InfeasibleError
        If there is none; it says what would admit a plan.
    """
    fleet, shared, supply, _ = instance
    x = np.zeros(len(devices))
    if _every_device_open(fleet, shared):
        least_error = least_split(fleet, shared, math.inf, x).e
        if supply.A < least_error <= supply.A * (1 + _TIGHT):
            supply = supply._replace(A=least_error)
    least = least_bandwidth_for(fleet, shared, supply.A)
    if least.bandwidth > supply.B * (1 + _TIGHT):
        raise diagnose(devices, constraints, task, instance, least.bandwidth)
    supply = supply._replace(B=max(supply.B, least.bandwidth))
    middle = 0.5 * (least.bandwidth + supply.B)
    if least_split(fleet, shared, math.inf, x).b > middle:
        x[:] = least.x
        _, ended = trade(fleet, shared, math.inf, middle, x)
        if ended != DONE:  # no room between the two
            x[:] = least.x
    answer = empty_answer(len(devices))
    answer.x[:] = x
    times_of(fleet, shared, x, answer.t, answer.y)
    return instance._replace(supply=supply), answer


def diagnose(
    devices: Devices, constraints: Constraints, task: Task, instance: Instance, least: float
) -> InfeasibleError:
    """The error that says, for each limit on its own, what would admit a plan."""
    fleet, shared, supply, _ = instance
    count = len(devices)
    alone = _shortest_times(fleet, shared, supply.B)
    stuck = np.flatnonzero(alone > constraints.max_latency)
    min_latency = min_error = min_rounds = None
    # At the ends of what floats hold a search may not end: then this one cure is not known.
    with contextlib.suppress(NumericalError):
        min_latency = least_latency_for(fleet, shared, supply.A, supply.B)
    with contextlib.suppress(NumericalError):
        least_error = least_error_for(fleet, shared, supply.B) / count
        min_error, min_rounds = _least_learning(constraints, task, least_error)
    min_bandwidth = admitted("bandwidth", least * (1 + _ADMIT))
    min_latency = admitted("max_latency", None if min_latency is None else min_latency * (1 + _ADMIT))
    cures = []
    if min_bandwidth is not None:
        cures.append(f"bandwidth = {rounded_up(min_bandwidth)} Hz instead of {constraints.bandwidth:.7g}")
    if min_latency is not None:
        cures.append(f"max_latency = {rounded_up(min_latency)} s instead of {constraints.max_latency:.7g}")
    if min_error is not None:
        cures.append(f"max_global_error = {rounded_up(min_error)} instead of {constraints.max_global_error:.7g}")
    if min_rounds is not None:
        cures.append(f"rounds = {rounded_up(min_rounds)} instead of {constraints.rounds:.7g}")
    return InfeasibleError(
        _message(devices, constraints, stuck, alone, cures),
        min_bandwidth=min_bandwidth,
        min_latency=min_latency,
        min_global_error=min_error,
        min_rounds=min_rounds,
        devices=tuple(int(i) for i in stuck),
    )


def _message(
    devices: Devices, constraints: Constraints, stuck: NDArray[np.intp], alone: Floats, cures: list[str]
) -> str:
    message = "no plan meets all limits"
    if stuck.size:
        names = ", ".join(str(devices.ids[i]) for i in stuck[:5]) + (", ..." if stuck.size > 5 else "")
        worst = float(np.max(alone[stuck]))
        message += (
            f"; {stuck.size} of {len(devices)} devices ({names}) miss the deadline even with the whole band and no"
            f" synthetic data: they need {worst:.7g} s, the deadline is {constraints.max_latency:.7g} s"
        )
    if cures:
        return f"{message}. Any one of these admits a plan: {'; '.join(cures)}"
    return f"{message}, and no change of a single limit does: allow more synthetic data, or change several limits"


def _least_learning(constraints: Constraints, task: Task, least: float) -> tuple[float | None, float | None]:
    """Least Delta_max and least N that admit a mean of alpha D^-beta of `least`."""
    curve = task.learning
    # A part of Delta, whatever power of itself N / zeta makes of the mean error, and what computing it back rounds off.
    part = min(_ADMIT, 0.1 * _ADMIT * curve.zeta / constraints.rounds)
    mean = least * (1 + part) - curve.gamma + _TIGHT * (1 + abs(curve.gamma))
    if not mean < 1:
        return None, None
    error = math.exp(constraints.rounds / curve.zeta * (mean - 1))
    rounds = curve.zeta * math.log(1 / constraints.max_global_error) / (1 - mean)
    return admitted("max_global_error", error), admitted("rounds", rounds * (1 + _TIGHT))


def _shortest_times(fleet: Fleet, shared: Shared, B: float) -> Floats:
    """Least time (s) of a round with the whole band, full power and local data only, (I,): FIMI (17), (18)."""
    bits = shared.s / math.log(2.0)
    seconds = bits / rate(B, fleet.P, 1.0, fleet.h / shared.s)
    return np.asarray(fleet.D_lo / fleet.F + seconds)


def _every_device_open(fleet: Fleet, shared: Shared) -> bool:
    return bool(np.all(fleet.D_lo / fleet.F + fleet.h / fleet.P < shared.T))


def _into(lo: float, hi: float, last: float) -> float:
    """Step from a deadline at which no band is enough: half way to one that is known, or twice the last step."""
    if math.isfinite(hi):
        return 0.5 * (hi - lo)
    return 2 * last if math.isfinite(last) else 1e-3
