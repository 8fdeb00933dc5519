"""Why there is no plan, as data: the check before a search that must not fail, and the error where it refuses."""

import contextlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt._checks import RANGES, admitted
from fimi_opt._kernels.feasibility import times_of, usual_price
from fimi_opt._kernels.fleet import Answer, Fleet
from fimi_opt.errors import DeviceNeed, InfeasibleError, NumericalError
from fimi_opt.feasibility.critical import (
    ADMIT,
    TIGHT,
    Least,
    error_at_most,
    error_without_band,
    every_device_open,
    least_bandwidth_for,
    least_error_for,
    least_latency_for,
    least_synthetic_for,
    shortest_times,
    upload_times,
)
from fimi_opt.feasibility.frontier import least_split, trade
from fimi_opt.feasibility.wording import Facts, Way, sentence
from fimi_opt.solvers.instance import Instance, unasked
from fimi_opt.types import MOST_SYNTHETIC, Constraints, Devices, Task

Floats = NDArray[np.float64]


class Cures(NamedTuple):
    """The least value of each limit that admits a plan, the others kept; None where there is none."""

    bandwidth: float | None
    max_latency: float | None
    max_global_error: float | None
    rounds: float | None
    max_synthetic: float | None


def check(
    devices: Devices, constraints: Constraints, task: Task, instance: Instance, workers: int = 1
) -> tuple[Instance, Answer]:
    """A time split inside every limit: with half of the band that is to spare, the least error.

    Returns
    -------
    Instance, Answer
        The instance, its limits moved by at most `TIGHT` where they leave no more room than rounding does, and the
        split.

    Raises
    ------
    InfeasibleError
        If there is none; it says what would admit a plan.
    """
    fleet, shared, supply, _ = instance
    x = np.zeros(len(devices))
    if every_device_open(fleet, shared):
        least_error = least_split(fleet, shared, math.inf, x, workers).e
        if supply.A < least_error <= supply.A * (1 + TIGHT):
            supply = supply._replace(A=least_error)
    least = least_bandwidth_for(fleet, shared, supply.A, None, workers)
    if least.bandwidth > supply.B * (1 + TIGHT):
        raise diagnose(devices, constraints, task, instance, least, workers)
    supply = supply._replace(B=max(supply.B, least.bandwidth))
    middle = 0.5 * (least.bandwidth + supply.B)
    if least_split(fleet, shared, math.inf, x, workers).b > middle:
        x[:] = least.x
        first = least.log_price if math.isfinite(least.log_price) else usual_price(fleet, shared)
        *_, found = trade(fleet, shared, math.inf, middle, first, x, workers)
        if not found:  # no room between the two
            x[:] = least.x
    answer = unasked(len(devices))
    answer.x[:] = x
    times_of(fleet, shared, x, answer.t, answer.y)
    return instance._replace(supply=supply), answer


def diagnose(
    devices: Devices, constraints: Constraints, task: Task, instance: Instance, least: Least, workers: int = 1
) -> InfeasibleError:
    """The error that says why there is no plan and, for each limit on its own, what would admit one."""
    fleet, shared, supply, _ = instance
    stuck = np.flatnonzero(shortest_times(fleet, shared, supply.B) > constraints.max_latency)
    needs = _needs(devices, instance, stuck)
    ways = _ways(instance, needs)
    cures = _cures(constraints, task, instance, least, workers)
    facts = _facts(task, instance, least, workers)
    reasons = (("devices",) if needs else ()) + _reasons(instance, facts, bool(needs))
    return InfeasibleError(
        sentence(devices, constraints, ways, reasons, facts, cures._asdict()),
        min_bandwidth=cures.bandwidth,
        min_latency=cures.max_latency,
        min_global_error=cures.max_global_error,
        min_rounds=cures.rounds,
        min_synthetic=cures.max_synthetic,
        devices=tuple(stuck.tolist()),
        needs=needs,
        reasons=reasons,
    )


def least_learning(constraints: Constraints, task: Task, least: float) -> tuple[float | None, float | None]:
    """Least Delta_max and least N that admit a mean of alpha D^-beta of `least`."""
    curve = task.learning
    # A part of Delta, whatever power of itself N / zeta makes of the mean error, and what computing it back rounds off.
    part = min(ADMIT, 0.1 * ADMIT * curve.zeta / constraints.rounds)
    mean = least * (1 + part) - curve.gamma + TIGHT * (1 + abs(curve.gamma))
    if not mean < 1:
        return None, None
    error = math.exp(constraints.rounds / curve.zeta * (mean - 1))
    rounds = curve.zeta * math.log(1 / constraints.max_global_error) / (1 - mean)
    return admitted("max_global_error", error), admitted("rounds", rounds * (1 + TIGHT))


def _cures(constraints: Constraints, task: Task, instance: Instance, least: Least, workers: int) -> Cures:
    fleet, shared, (A, B), _ = instance
    latency = error = rounds = synthetic = None
    # At the ends of what floats hold a search may not end: then this one cure is not known.
    with contextlib.suppress(NumericalError):
        latency = least_latency_for(fleet, shared, A, B, least, workers)
    with contextlib.suppress(NumericalError):
        least_error = least_error_for(fleet, shared, B, least, workers).error
        error, rounds = least_learning(constraints, task, least_error / fleet.a.size)
    with contextlib.suppress(NumericalError):
        synthetic = least_synthetic_for(fleet, shared, A, B, least, workers)
    return Cures(
        admitted("bandwidth", least.bandwidth * (1 + ADMIT)),
        admitted("max_latency", latency),
        error,
        rounds,
        synthetic if synthetic is not None and synthetic <= MOST_SYNTHETIC else None,
    )


def _facts(task: Task, instance: Instance, least: Least, workers: int) -> Facts:
    """The figures that the reasons are told with."""
    fleet, shared, (A, B), _ = instance
    count, gamma = fleet.a.size, task.learning.gamma
    local = math.inf
    if every_device_open(fleet, shared):
        local = least_split(fleet, shared, -math.inf, np.zeros(count), workers).b
    return Facts(
        A / count - gamma,
        -gamma,
        error_at_most(fleet, shared) / count - gamma,
        error_without_band(fleet, shared) / count - gamma,
        least.bandwidth * (1 + ADMIT) - B,
        local > B,
    )


def _reasons(instance: Instance, facts: Facts, stuck: bool) -> tuple[str, ...]:
    """Which limits are beyond reach; of the devices that are beyond it alone the caller knows."""
    fleet, shared, supply, _ = instance
    if supply.A <= 0:
        return ("curve",)
    if error_at_most(fleet, shared) > supply.A * (1 + TIGHT):
        return ("data",)
    if stuck:
        return ()
    return ("band",) if math.isfinite(facts.short) else ("time",)


def _needs(devices: Devices, instance: Instance, stuck: NDArray[np.intp]) -> tuple[DeviceNeed, ...]:
    """What each device that misses the deadline alone needs to meet it."""
    fleet, shared, supply, cycles = instance
    fleet = Fleet(*(row[stuck] for row in fleet))
    uploading = upload_times(fleet, shared, supply.B)
    training = fleet.D_lo / fleet.F
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        left = (shared.T * (1 - TIGHT) - uploading) * (1 - ADMIT)
        frequency = np.where(left > 0, cycles * fleet.D_lo / left, np.inf)
        left = (shared.T * (1 - TIGHT) - training) * (1 - ADMIT)
        noise = devices.noise_density[stuck] * supply.B / devices.channel_gain[stuck]
        power = np.where(left > 0, noise * np.expm1(shared.s / (supply.B * np.maximum(left, 0))), np.inf)
    latency = (training + uploading) * (1 + ADMIT)
    columns = (
        stuck.tolist(),
        latency.tolist(),
        _within("max_frequency", frequency),
        _within("max_power", power),
    )
    return tuple(map(DeviceNeed._make, zip(*columns, strict=True)))


def _ways(instance: Instance, needs: tuple[DeviceNeed, ...]) -> dict[Way, list[DeviceNeed]]:
    """The devices that miss the deadline, by what keeps them from it."""
    fleet, shared, supply, _ = instance
    late_training = fleet.D_lo / fleet.F >= shared.T
    late_uploading = upload_times(fleet, shared, supply.B) >= shared.T
    ways: dict[Way, list[DeviceNeed]] = {way: [] for way in Way}
    for need in needs:
        trains, uploads = not late_training[need.device], not late_uploading[need.device]
        if trains:
            ways[Way.BOTH if uploads else Way.UPLOADING].append(need)
        else:
            ways[Way.TRAINING if uploads else Way.EITHER].append(need)
    return ways


def _within(name: str, values: Floats) -> Iterator[float | None]:
    """Values, None for those that :class:`Devices` does not take."""
    return (value if value <= RANGES[name].greatest else None for value in values.tolist())
