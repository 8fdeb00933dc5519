"""Energy of given time splits, many at a time: one P6 and one P7 each."""

import math

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.fleet import Answer, Fleet, Supply, empty_answer
from fimi_opt._kernels.joint import complete, total_energy
from fimi_opt._kernels.lambertw import slack_exponent
from fimi_opt._kernels.subproblems import SOLVED

Floats = NDArray[np.float64]


@kernel
def set_split(fleet: Fleet, shared: Shared, eta: Floats, answer: Answer) -> bool:
    """Fill the answer's t and y from the splits eta = t / T; return whether every device has time to upload at all."""
    open_ = True
    for i in range(eta.size):
        answer.t[i] = eta[i] * shared.T
        answer.y[i] = (1.0 - eta[i]) * shared.T - fleet.h[i] / fleet.P[i]
        open_ = open_ and answer.y[i] > 0.0
    return open_


@kernel
def shortfall(fleet: Fleet, shared: Shared, supply: Supply, answer: Answer) -> float:
    """By what part of itself the split misses the learning limit or the band; 0 where it misses neither."""
    errors = bands = 0.0
    for i in range(fleet.a.size):
        cap = max(min(fleet.D_hi[i], fleet.F[i] * answer.t[i]), fleet.D_lo[i])
        errors += shared.alpha * cap**-shared.beta
        u = fleet.h[i] / fleet.P[i] + answer.y[i]
        bands += shared.s / (u * slack_exponent(fleet.h[i] / (fleet.P[i] * u), answer.y[i] / u))
    return max(errors / supply.A - 1.0, bands / supply.B - 1.0, 0.0)


@kernel
def evaluate_splits(
    fleet: Fleet,
    shared: Shared,
    supply: Supply,
    eta: Floats,
    log_w: float,
    first: int,
    stop: int,
    energy: Floats,
    missed: Floats,
) -> None:
    """Fill energy (J; inf where infeasible) and the shortfall of the samples first..stop-1, rows of eta."""
    answer = empty_answer(fleet.a.size)
    for m in range(first, stop):
        energy[m], missed[m] = math.inf, math.inf
        if not set_split(fleet, shared, eta[m], answer):
            continue
        _, _, code = complete(fleet, shared, supply, answer, log_w)
        if code == SOLVED:
            energy[m], missed[m] = total_energy(fleet, shared, answer), 0.0
        else:
            missed[m] = shortfall(fleet, shared, supply, answer)
