"""P6: the cheapest data amounts when every device's compute time is given."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import positive_array
from fimi_opt._kernels.subproblems import INFEASIBLE, fill_data
from fimi_opt.errors import InfeasibleError
from fimi_opt.models import local_error
from fimi_opt.solvers.instance import make_instance
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task, check_instance

Floats = NDArray[np.float64]

# A compute time that is short of the local data's by no more than rounding trains them at f_max.
_ROUNDING = 1e-12


class DataAmounts(NamedTuple):
    """The solution of P6.

    Attributes
    ----------
    synthetic_samples
        D_gen, (I,), samples.
    frequency
        The CPU frequency f = tau omega D / t that trains D in the given time, (I,), Hz.
    multiplier
        nu >= 0, J per unit of the limit on the sum of local errors: what relaxing the learning limit saves. 0 where the
        local data is enough; where every device is at a bound it is not unique, and the least one is given.
    """

    synthetic_samples: Floats
    frequency: Floats
    multiplier: float


def allocate_data(
    devices: Devices, constraints: Constraints, compute_time: ArrayLike, task: Task = PAPER_TASK
) -> DataAmounts:
    """Cheapest synthetic data for given compute times: FIMI problem (P6), eqs. (21)-(29), corrected: docs errata.

    With e = alpha D^-beta the optimum is ``e = clip((3 rho / (beta nu))**(beta / (beta + 3)), e_min, e_max)``,
    ``rho = eps (tau omega)^3 alpha^(3 / beta) / t^2``; the paper leaves out gamma. For a known active set nu is closed
    form, so the sorted breakpoints give it exactly: no bisection.

    Parameters
    ----------
    devices, constraints, task
        The instance; its band and powers play no part.
    compute_time
        t, (I,), s: how long each device may train in one round.

    Returns
    -------
    DataAmounts
        Synthetic samples, frequencies and the multiplier.

    Raises
    ------
    InfeasibleError
        If a device can't train even its local data in its time, or all data that fits the times and D_max still
        misses the learning limit.
    ValueError
        If `compute_time` is not (I,) positive numbers in a computable range.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 3e-11, 0.2)
    >>> limits = fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)
    >>> fo.allocate_data(devices, limits, [40.0, 40.0]).synthetic_samples.round(1)
    array([331.1, 681.1])
    """
    check_instance(devices, constraints, task)
    fleet, shared, supply, cycles = make_instance(devices, constraints, task)
    t = positive_array("compute_time", compute_time, (len(devices),)).copy()  # writable, as a solver's own: one kernel
    slow = np.flatnonzero(fleet.F * t < fleet.D_lo * (1 - _ROUNDING))
    if slow.size:
        i = int(slow[0])
        raise InfeasibleError(
            f"{slow.size} of {len(devices)} devices can't train their local data in their compute_time: device"
            f" {devices.ids[i]} needs {fleet.D_lo[i] / fleet.F[i]:.6g} s at its max_frequency and has {t[i]:.6g} s",
            devices=tuple(int(i) for i in slow),
        )
    D = np.empty(len(devices))
    log_nu, code = fill_data(fleet, shared, t, supply.A, D)
    if code == INFEASIBLE:  # by no more than rounding?
        log_nu, code = fill_data(fleet, shared, t, supply.A * (1 + _ROUNDING), D)
    if code == INFEASIBLE:
        most = np.maximum(np.minimum(fleet.D_hi, fleet.F * t), fleet.D_lo)
        curve, count = task.learning, len(devices)
        least = float(np.mean(local_error(most, curve.alpha, curve.beta, curve.gamma)))
        raise InfeasibleError(
            "all the data that fits compute_time and max_synthetic is too little: the mean local error falls to"
            f" {least:.6g}, the limit is {supply.A / count - curve.gamma:.6g}"
        )
    return DataAmounts(D - fleet.D_lo, np.minimum(D / t, fleet.F) * cycles, math.exp(log_nu))
