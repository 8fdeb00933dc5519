"""P7: the cheapest shares of the band when every device's upload time is given."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import positive_array, rounded_up
from fimi_opt._kernels.subproblems import SOLVED, share_band
from fimi_opt.errors import InfeasibleError, NumericalError
from fimi_opt.models import least_bandwidth, transmit_power
from fimi_opt.solvers.instance import make_instance
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task, check_instance

Floats = NDArray[np.float64]


# Roundings of the least bandwidths' sum against the band; plans are checked to 3e-12.
_ROUNDING = 1e-12
_TIME_ROUNDING = 4 * 2.0**-52
# A critical value is given this much on the admitting side.
_ADMIT = 1e-9


class BandwidthShares(NamedTuple):
    """The solution of P7.

    Attributes
    ----------
    bandwidth
        b, (I,), Hz.
    power
        The transmit power that uploads in the given time over b, (I,), W.
    multiplier
        w >= 0, J/Hz: what one more hertz of the band saves; inf where the band is the least that the powers leave.
    """

    bandwidth: Floats
    power: Floats
    multiplier: float


def allocate_bandwidth(
    devices: Devices, constraints: Constraints, upload_time: ArrayLike, task: Task = PAPER_TASK
) -> BandwidthShares:
    """Cheapest bandwidths for given upload times: FIMI problem (P7), eqs. (32)-(40), corrected: docs errata.

    ``b = max(b_min, s / (u z(w)))`` with ``z = 1 + W_0((w g / (N0 u) - 1) / e)``, s = S ln 2 and b_min of eq. (31):
    closed form per device, one scalar search for the price w at which they fill the band.

    Parameters
    ----------
    devices, constraints, task
        The instance; its data and processors play no part.
    upload_time
        u, (I,), s: how long each device may upload in one round.

    Returns
    -------
    BandwidthShares
        Bandwidths, powers and the multiplier.

    Raises
    ------
    InfeasibleError
        If no bandwidth lets a device upload in its time with its power, or the least bandwidths exceed the band
        (`min_bandwidth` says by how much).
    ValueError
        If `upload_time` is not (I,) positive numbers in a computable range.
    NumericalError
        If the search for the price ends early, which no known instance makes it do.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 3e-11, 0.2)
    >>> limits = fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)
    >>> fo.allocate_bandwidth(devices, limits, [20.0, 10.0]).bandwidth.round(-3)
    array([1089000., 1911000.])
    """
    check_instance(devices, constraints, task)
    fleet, shared, supply, _ = make_instance(devices, constraints, task)
    # Where power binds, a rounding of the time moves the least bandwidth by far more: the times are granted one.
    u = positive_array("upload_time", upload_time, (len(devices),)) * (1 + _TIME_ROUNDING)
    radio = (devices.channel_gain, devices.noise_density, task.update_bits)
    least = least_bandwidth(u, devices.max_power, *radio)
    total = float(np.sum(least))
    never = np.flatnonzero(~np.isfinite(least))
    if never.size:
        i = int(never[0])
        raise InfeasibleError(
            f"{never.size} of {len(devices)} devices can't upload in their upload_time with any bandwidth: device"
            f" {devices.ids[i]} needs more than {fleet.h[i] / fleet.P[i]:.6g} s at its max_power and has {u[i]:.6g} s",
            devices=tuple(int(i) for i in never),
        )
    if total > constraints.bandwidth * (1 + _ROUNDING):
        raise InfeasibleError(
            f"the least bandwidths for upload_time sum to {rounded_up(total)} Hz, the band is"
            f" {constraints.bandwidth:.7g} Hz",
            min_bandwidth=total * (1 + _ADMIT),
        )
    b = np.empty(len(devices))
    # The price at which an average device would take its share starts the search.
    v = float(np.median(shared.s * len(devices) / (supply.B * u)))
    start = math.log(float(np.median(fleet.h * u))) - math.log(shared.s) + 2 * math.log(v) + min(v, 100.0)
    # Where power binds, the least bandwidths and their sum are known no better than u - h / P is.
    y = np.maximum(u - fleet.h / fleet.P, _ROUNDING * u)
    for band in (supply.B, supply.B * (1 + _ROUNDING), max(supply.B, total) * (1 + 1e3 * _ROUNDING)):
        log_w, code = share_band(fleet, shared, y, band, start, b)
        if code == SOLVED:
            break
    else:
        raise NumericalError("the search for the price of bandwidth ended early; please report this instance")
    power = np.minimum(transmit_power(b, u, *radio), devices.max_power)
    return BandwidthShares(b, power, math.exp(log_w))
