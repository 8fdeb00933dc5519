"""The least change of deadline, band and error together that admits a plan.

A plan exists where the devices' bandwidths, data amounts and times fit the band B, the sum A of alpha D^-beta and the
deadline T. These constraints are jointly convex in the decision and (B, T, A), so the limits that admit a plan are a
convex set, the shadow of a convex one. Each relative change, B/B_0 - 1, T/T_0 - 1, and as a function of A also
Delta/Delta_0 - 1 (an exponential) or N/N_0 - 1 (1 over affine), is convex, and so is their weighted sum: its one
minimum is found by two searches, one inside the other, each for the sign change of a monotone slope. For given T, along
the frontier of error and band, whose slope is lambda (:mod:`fimi_opt.feasibility`), there is one point where a hertz
and the error that it spares cost the same; over T, one deadline where a second costs what it spares.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fimi_opt._checks import RANGES
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.fleet import Fleet
from fimi_opt.feasibility import least_bandwidth_for
from fimi_opt.feasibility.critical import ADMIT, TIGHT, Least, least_error_for, no_time
from fimi_opt.feasibility.frontier import least_split
from fimi_opt.feasibility.roots import root_above
from fimi_opt.solvers.instance import Instance
from fimi_opt.types import Constraints, Task

# How near to 1 a global error may come: in N m / zeta = -ln Delta; and by which factor rounds may grow.
_NEAR_ONE, _MOST_ROUNDS = 1e-9, 1e9
_ROUNDING = 2.0**-52


class Point(NamedTuple):
    """The best error and band for some deadline, and what one second more of it would spare of the objective."""

    A: float
    B: float
    per_second: float


class _Learning(NamedTuple):
    """What it costs to let the errors sum to A > A_0: weight x (Delta/Delta_0 - 1), or of N; m = 1 + gamma - A/I.

    Attributes
    ----------
    weight, rounds
        The weight; whether it is of the rounds.
    size, most
        I, and the largest A that is tried.
    top, steep, base
        1 + gamma; N/zeta; ln of 1/Delta_0, of what the change is relative to.
    """

    weight: float
    rounds: bool
    size: int
    most: float
    top: float
    steep: float
    base: float

    def log_rise(self, A: float) -> tuple[float, float]:
        """Return ln of the cost's derivative by A, and the derivative of that: inf where no rounds are enough."""
        m = self.top - A / self.size
        if not self.rounds:
            steep = self.steep / self.size
            return math.log(self.weight * steep) + self.base - self.steep * m, steep
        if m <= 0:
            return math.inf, 0.0
        return math.log(self.weight * self.base / (self.steep * self.size)) - 2 * math.log(m), 2 / (m * self.size)


def _learning(instance: Instance, constraints: Constraints, task: Task, free: Mapping[str, float]) -> _Learning | None:
    """The cost of the error limit; None where it stays."""
    weight = free.get("max_global_error", free.get("rounds"))
    if weight is None:
        return None
    curve, count = task.learning, instance.fleet.a.size
    steep, base = constraints.rounds / curve.zeta, -math.log(constraints.max_global_error)
    least_m = _NEAR_ONE / steep if "max_global_error" in free else base / steep / _MOST_ROUNDS
    least_m = max(least_m, 1e4 * _ROUNDING * (1 + abs(curve.gamma)))
    top = 1 + curve.gamma
    return _Learning(weight, "rounds" in free, count, count * (top - least_m), top, steep, base)


def least_change(
    instance: Instance, constraints: Constraints, task: Task, free: Mapping[str, float], workers: int
) -> tuple[float, Point] | None:
    """The deadline, drawn in as the instance's is, and the rest; None where nothing admits a plan."""
    fleet, shared, supply, _ = instance
    learning = _learning(instance, constraints, task, free)
    per_hertz = free["bandwidth"] / supply.B if "bandwidth" in free else None

    def best(T: float) -> Point | None:
        return _best_at(fleet, shared._replace(T=T), supply.A, supply.B, learning, per_hertz, workers)

    point = best(shared.T)
    if "max_latency" not in free:
        return None if point is None else (shared.T, point)
    per_second = free["max_latency"] / shared.T
    if point is not None and point.per_second <= per_second:
        return shared.T, point
    if best(RANGES["max_latency"].greatest) is None:
        return None

    def spared(T: float) -> tuple[float, float]:
        point = best(T)
        if point is None:
            return math.inf, math.nan
        return (math.log(point.per_second / per_second) if point.per_second > 0 else -math.inf), math.nan

    pole = no_time(fleet)
    T = root_above(pole, max(shared.T, pole * (1 + 2 * _ROUNDING)), spared, "the best deadline")
    T = max(T, shared.T) * (1 + ADMIT)
    point = best(T)
    return None if point is None else (T, point)


def _best_at(
    fleet: Fleet,
    shared: Shared,
    A: float,
    B: float,
    learning: _Learning | None,
    per_hertz: float | None,
    workers: int,
) -> Point | None:
    """Least cost of error and band for the deadline in `shared`; None where no free limits admit a plan."""
    narrow = least_error_for(fleet, shared, B, None, workers)
    # A rounding of the error limit is granted where nothing else could give way for it.
    if narrow.error <= (A * (1 + TIGHT) if learning is None and per_hertz is None else A):
        return Point(A, B, 0.0)
    if learning is not None and narrow.error <= learning.most:
        rise, _ = learning.log_rise(narrow.error)
        if per_hertz is None or rise <= math.log(per_hertz) + narrow.log_price:
            return Point(narrow.error, B, math.exp(rise - narrow.log_price) * narrow.per_second)
    if per_hertz is None:
        return None
    strict = least_bandwidth_for(fleet, shared, A, narrow, workers)
    if learning is None or _stays(learning, strict, A, per_hertz):
        return _along(strict, A, per_hertz)
    loose = least_bandwidth_for(fleet, shared, learning.most, strict, workers)
    if not math.isfinite(loose.bandwidth) or not _falls(learning, loose, per_hertz):
        return _along(loose, learning.most, per_hertz)
    return _between(fleet, shared, learning, per_hertz, workers)


def _stays(learning: _Learning, least: Least, A: float, per_hertz: float) -> bool:
    """Whether hertz are cheaper than error where the error is at its given limit."""
    return math.isfinite(least.bandwidth) and learning.log_rise(A)[0] >= math.log(per_hertz) + least.log_price


def _falls(learning: _Learning, least: Least, per_hertz: float) -> bool:
    """Whether hertz are cheaper than error where the error is as large as it may become."""
    return learning.log_rise(learning.most)[0] > math.log(per_hertz) + least.log_price


def _along(least: Least, A: float, per_hertz: float) -> Point | None:
    if not math.isfinite(least.bandwidth):
        return None
    return Point(A, least.bandwidth, per_hertz * least.per_second)


def _between(fleet: Fleet, shared: Shared, learning: _Learning, per_hertz: float, workers: int) -> Point:
    """The point of the frontier where a hertz costs as much as the error that it spares."""
    x = np.zeros(fleet.a.size)

    def excess(price: float) -> tuple[float, float]:
        totals = least_split(fleet, shared, math.log(price), x, workers)
        rise, bend = learning.log_rise(totals.e)
        return rise - math.log(per_hertz * price), totals.e_p * bend - 1.0

    first = shared.s * fleet.a.size / (shared.T * shared.alpha)
    price = root_above(0.0, first, excess, "the best error")
    totals = least_split(fleet, shared, math.log(price), x, workers)
    return Point(totals.e, totals.b, per_hertz * totals.b_T)
