"""What a device costs at a given amount of data and price of bandwidth: the table from which whole amounts are chosen.

Letters as in :mod:`fimi_opt._kernels.device`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Device, Shared, respond, room
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.feasibility import full_power
from fimi_opt._kernels.fleet import Fleet

Floats = NDArray[np.float64]


@kernel
def cost_at(fleet: Fleet, shared: Shared, i: int, D: float, w: float, x: float) -> tuple[float, float, float]:
    """Least of E_cmp + E_com + w b of device i that trains on D samples, its least band, and its best x = ln(t / y).

    Both infinite where the deadline leaves no time to train on so many; the search for x starts from the given one.
    """
    log_D = math.log(D)
    dev = Device(fleet.a[i], fleet.F[i], fleet.h[i], fleet.P[i], D, D, fleet.log_a[i], fleet.log_F[i], log_D, log_D)
    y = room(dev, shared.T) - D / dev.F
    if not y > 0.0:
        return math.inf, math.inf, x
    best, _ = respond(dev, shared, -math.inf, w, x)
    v = shared.s / (best.b * (dev.h / dev.P + best.y))
    growth, _ = exponentials(v)
    cost = dev.a * D * D * D / (best.t * best.t) + dev.h * growth / v + w * best.b
    return cost, full_power(dev, shared.s, y).b, best.x


@kernel
def tabulate(
    fleet: Fleet,
    shared: Shared,
    which: NDArray[np.intp],
    samples: Floats,
    w: float,
    x: Floats,
    costs: Floats,
    bands: Floats,
) -> None:
    """Fill costs and least bands, (K, V), of devices `which` (K,) at `samples` (K, V), rows started from x (K,)."""
    for k in range(which.size):
        start = x[k]
        for j in range(samples.shape[1]):
            costs[k, j], bands[k, j], start = cost_at(fleet, shared, which[k], samples[k, j], w, start)
