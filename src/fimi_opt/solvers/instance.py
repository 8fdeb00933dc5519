"""From the public types to the constants that the solvers compute with: the one place where letters meet words."""

import math
from typing import NamedTuple

import numpy as np

from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.fleet import Answer, Fleet, Supply, fill_fleet
from fimi_opt._kernels.lanes import Given
from fimi_opt._threads import run_blocks
from fimi_opt.models import mean_error_limit
from fimi_opt.types import Constraints, Devices, Task, most_synthetic

# The solvers keep the limits drawn in by a few roundings, so that a plan keeps them in exact arithmetic too.
INSIDE = 1.0 - 4.0 * 2.0**-52
# Devices prepared at a time.
_BLOCK = 65_536


class Problem(NamedTuple):
    """The devices' own quantities, what they share, the two coupling limits, and tau omega (cycles per sample)."""

    given: Given
    shared: Shared
    supply: Supply
    cycles: float


class Instance(NamedTuple):
    """Fleet constants, what the devices share, the two coupling limits, and tau omega (cycles per sample)."""

    fleet: Fleet
    shared: Shared
    supply: Supply
    cycles: float


def state_problem(devices: Devices, constraints: Constraints, task: Task, inside: float = INSIDE) -> Problem:
    """P1 in letters for these devices, `inside` times these limits, and task; nothing is formed per device.

    Raises
    ------
    ValueError
        If `constraints.max_synthetic` has neither one value nor one per device.
    """
    count = len(devices)
    curve = task.learning
    given = Given(
        devices.energy_coefficient,
        devices.max_frequency,
        devices.noise_density,
        devices.channel_gain,
        devices.max_power,
        devices.local_samples,
        most_synthetic(constraints, count),
    )
    limit = mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
    s = task.update_bits * math.log(2.0)
    shared = Shared(curve.alpha, curve.beta, s, inside * constraints.max_latency, math.log(curve.alpha * curve.beta))
    supply = Supply(inside * count * limit, inside * constraints.bandwidth)
    return Problem(given, shared, supply, task.local_epochs * task.cycles_per_sample)


def make_instance(devices: Devices, constraints: Constraints, task: Task, workers: int = 1) -> Instance:
    """Constants of P1 for these devices, limits and task.

    Raises
    ------
    ValueError
        If `constraints.max_synthetic` has neither one value nor one per device.
    """
    return form_instance(state_problem(devices, constraints, task), workers)


def form_instance(problem: Problem, workers: int = 1) -> Instance:
    """Form each device's constants: the logarithms and quotients that the solvers would form again and again."""
    given, shared, supply, cycles = problem
    count = given.samples.size
    table = np.empty((len(Fleet._fields), count))
    run_blocks(lambda first, stop: fill_fleet(table, first, stop, cycles, shared.s, *given), count, _BLOCK, workers)
    return Instance(Fleet(*table), shared, supply, cycles)


def unasked(count: int) -> Answer:
    """Room for the answers of so many devices, none of which has been asked yet."""
    return Answer(*np.zeros((len(Answer._fields), count)))
