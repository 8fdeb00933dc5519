"""From the public types to the constants that the solvers compute with: the one place where letters meet words."""

import math
from typing import NamedTuple

import numpy as np

from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.fleet import Fleet, Supply, fill_fleet
from fimi_opt._threads import run_blocks
from fimi_opt.models import mean_error_limit
from fimi_opt.types import Constraints, Devices, Task, most_synthetic

# The solvers keep the limits drawn in by a few roundings, so that a plan keeps them in exact arithmetic too.
_INSIDE = 1.0 - 4.0 * 2.0**-52
# Devices prepared at a time.
_BLOCK = 65_536


class Instance(NamedTuple):
    """Fleet constants, what the devices share, the two coupling limits, and tau omega (cycles per sample)."""

    fleet: Fleet
    shared: Shared
    supply: Supply
    cycles: float


def make_instance(devices: Devices, constraints: Constraints, task: Task, workers: int = 1) -> Instance:
    """Constants of P1 for these devices, limits and task.

    Raises
    ------
    ValueError
        If `constraints.max_synthetic` has neither one value nor one per device.
    """
    count = len(devices)
    curve = task.learning
    cycles = task.local_epochs * task.cycles_per_sample
    s = task.update_bits * math.log(2.0)
    limit = mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
    table = np.empty((len(Fleet._fields), count))
    given = (
        devices.local_samples,
        devices.energy_coefficient,
        devices.max_frequency,
        devices.channel_gain,
        devices.max_power,
        devices.noise_density,
        most_synthetic(constraints, count),
    )
    run_blocks(lambda first, stop: fill_fleet(table, first, stop, cycles, s, *given), count, _BLOCK, workers)
    shared = Shared(curve.alpha, curve.beta, s, _INSIDE * constraints.max_latency, math.log(curve.alpha * curve.beta))
    return Instance(Fleet(*table), shared, Supply(_INSIDE * count * limit, _INSIDE * constraints.bandwidth), cycles)
