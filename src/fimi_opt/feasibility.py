"""Whether any plan exists, and what would admit one: the least band, deadline, error and rounds.

P1 is feasible exactly when the least total bandwidth that meets the learning limit fits the band. That problem is
convex as well and splits per device at one price lambda (Hz per unit of error); tracing lambda gives the least
bandwidth for an error limit and the least error for a band, and a root search around it the least deadline.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.feasibility import least_split, times_of, trade
from fimi_opt._kernels.fleet import Answer, Fleet
from fimi_opt._kernels.search import DONE, bracketed_step
from fimi_opt.errors import InfeasibleError
from fimi_opt.models import rate
from fimi_opt.solvers.instance import Instance
from fimi_opt.types import Constraints, Devices, Task

Floats = NDArray[np.float64]

# Limits that are missed by no more than this are met: computing a limit from the plan that just meets it (every device
# at D_max, say) leaves roundings of this size. Plans are checked to 1e-9.
_TIGHT = 1e-14
# Critical values are given this much on the admitting side, so that solving again with one of them has a plan to find.
_ADMIT = 1e-9
# A root search in ln T halves its bracket at least every other step: 1,400 wide to 1e-13.
_MAX_LATENCY_STEPS = 200
_LATENCY_TOL = 1e-13
# A deadline of e^60 times the shortest conceivable one is as good as none.
_LOG_LATENCY_SPAN = 60.0


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
    totals, ended = trade(fleet, shared, A, math.inf, x)
    if ended != DONE:
        return LeastBandwidth(math.inf, x, math.inf)
    return LeastBandwidth(totals.b, x, totals.b_T)


def least_error_for(fleet: Fleet, shared: Shared, B: float) -> float:
    """Least sum of alpha D^-beta that the band B and the deadline leave; inf where not even the local data fits."""
    x = np.zeros(fleet.a.size)
    if not _every_device_open(fleet, shared):
        return math.inf
    if least_split(fleet, shared, -math.inf, x).b > B:
        return math.inf
    most = least_split(fleet, shared, math.inf, x)
    if most.b <= B:
        return most.e
    totals, ended = trade(fleet, shared, math.inf, B, x)
    return totals.e if ended == DONE else math.inf


def least_latency_for(fleet: Fleet, shared: Shared, A: float, B: float) -> float | None:
    """Least deadline (s) with which the band B is enough; None where no deadline is.

    The least bandwidth falls with T: a bracketed Newton search in ln T, whose slope is the multiplier's.
    """
    if np.sum(shared.alpha * fleet.D_hi**-shared.beta) > A * (1 + _TIGHT):
        return None
    lo = float(np.log(np.max(_shortest_times(fleet, shared, B))))
    hi, last, end = math.inf, math.inf, lo + _LOG_LATENCY_SPAN
    p = lo
    for _ in range(_MAX_LATENCY_STEPS):
        least = least_bandwidth_for(fleet, shared._replace(T=math.exp(p)), A)
        residual = math.log(least.bandwidth / B)
        if residual > 0:
            lo = p
        else:
            hi = p
        if abs(residual) <= _LATENCY_TOL or hi - lo <= _LATENCY_TOL:
            return math.exp(p)
        slope = -math.exp(p) * least.per_second / least.bandwidth if math.isfinite(residual) else -math.inf
        step = bracketed_step(p, residual, slope, lo, hi, last) if math.isfinite(residual) else _into(lo, hi, last)
        last = abs(step)
        p += step
        if p > end:
            return None
    return math.exp(hi) if math.isfinite(hi) else None


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
        if ended != DONE:
            x[:] = least.x
    answer = Answer(*np.empty((5, len(devices))))
    answer.x[:] = x
    times_of(fleet, shared, x, answer.t, answer.y)
    return instance._replace(supply=supply), answer


def diagnose(
    devices: Devices, constraints: Constraints, task: Task, instance: Instance, min_bandwidth: float
) -> InfeasibleError:
    """The error that says, for each limit on its own, what would admit a plan."""
    fleet, shared, supply, _ = instance
    curve, count = task.learning, len(devices)
    alone = _shortest_times(fleet, shared, supply.B)
    stuck = np.flatnonzero(alone > constraints.max_latency)
    min_latency = least_latency_for(fleet, shared, supply.A, supply.B)
    least_mean = least_error_for(fleet, shared, supply.B) / count
    least_mean = least_mean * (1 + _ADMIT) - curve.gamma
    min_error = min_rounds = None
    if least_mean < 1:
        min_error = math.exp(constraints.rounds / curve.zeta * (least_mean - 1))
        min_rounds = curve.zeta * math.log(1 / constraints.max_global_error) / (1 - least_mean)
    min_bandwidth *= 1 + _ADMIT
    if min_latency is not None:
        min_latency *= 1 + _ADMIT
    cures = []
    if math.isfinite(min_bandwidth):
        cures.append(f"bandwidth = {_up(min_bandwidth)} Hz instead of {constraints.bandwidth:.7g}")
    if min_latency is not None:
        cures.append(f"max_latency = {_up(min_latency)} s instead of {constraints.max_latency:.7g}")
    if min_error is not None and min_rounds is not None:
        cures.append(f"max_global_error = {_up(min_error)} instead of {constraints.max_global_error:.7g}")
        cures.append(f"rounds = {_up(min_rounds)} instead of {constraints.rounds:.7g}")
    return InfeasibleError(
        _message(devices, constraints, stuck, alone, cures),
        min_bandwidth=min_bandwidth if math.isfinite(min_bandwidth) else None,
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


def _up(value: float) -> str:
    """Seven significant digits, rounded up: the printed number admits a plan as well."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 6)
    return f"{math.ceil(value / unit) * unit:.7g}"


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
