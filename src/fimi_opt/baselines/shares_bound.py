"""A lower bound on the energy where every device's bandwidth is given; it shares no code with the search for the plan.

For a price nu >= 0 of the error limit no plan takes less than the sum over devices of

    min [ E_cmp(D, t) + E_com(T - t) + nu alpha D^-beta ]  -  nu A.

The function in brackets is jointly convex in (D, t), so its tangent plane at any point is below it, and the least of a
plane over the box of the device's limits is closed form; ``D <= F t`` enters with a multiplier mu >= 0, for which any
value is valid. So every price and every point give a bound; good ones make it tight. Rounding is taken off.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt import models
from fimi_opt.types import Constraints, Devices, Task

Floats = NDArray[np.float64]

# Each term is formed with less than 16 roundings, and sums are exact.
_ROUNDINGS = 16 * 2.0**-52
# How near D must be to its cap and to F t for the plane to treat them as active; any value is valid.
_CORNER = 1e-12


def shares_bound(
    devices: Devices,
    constraints: Constraints,
    task: Task,
    bandwidth: ArrayLike,
    error_price: float,
    compute_time: ArrayLike,
) -> float:
    """Energy in joules that no plan with these bandwidths goes below.

    Parameters
    ----------
    devices, constraints, task
        The instance; the whole band plays no part.
    bandwidth
        b, (I,), Hz, with which every device can upload in time.
    error_price
        J per unit of the limit on the mean local error; negative ones as zero.
    compute_time
        t, (I,), s: where the tangent planes touch; outside the device's limits, the nearest point inside.

    Returns
    -------
    float
        The bound, valid for every price and time, less what rounding can have added; at least 0.

    Examples
    --------
    >>> from fimi_opt.baselines import without_bandwidth_allocation
    >>> from fimi_opt.scenarios import paper
    >>> scenario = paper(seed=0)
    >>> plan = without_bandwidth_allocation(*scenario)
    >>> round(shares_bound(*scenario, plan.bandwidth, plan.prices.error, plan.compute_time) / plan.energy, 9)
    1.0
    """
    curve, count = task.learning, len(devices)
    cycles = task.local_epochs * task.cycles_per_sample
    work, speed = devices.energy_coefficient * cycles**3, devices.max_frequency / cycles
    least = devices.local_samples
    most = least + constraints.max_synthetic
    band = np.asarray(bandwidth, np.float64)
    radio = (devices.channel_gain, devices.noise_density, task.update_bits)
    shortest = least / speed
    longest = constraints.max_latency - models.upload_time(band, devices.max_power, *radio)
    t = np.clip(compute_time, shortest, np.maximum(longest, shortest))
    u = constraints.max_latency - t
    nu = max(error_price, 0.0) / count
    # Data: the closed-form minimiser for this t, a few digits upwards so that the slope left over points at D_loc.
    want = (nu * curve.alpha * curve.beta * t**2 / (3 * work)) ** (1 / (curve.beta + 3)) * (1 + 1e-15)
    reach = speed * t
    samples = np.clip(want, least, np.maximum(np.minimum(most, reach), least))
    energy, error = work * samples**3 / t**2, nu * curve.alpha * samples**-curve.beta
    cost, worth = 3 * energy / samples, curve.beta * error / samples
    # Radio: -dE_com/du = N0 b / g (e^v (v - 1) + 1).
    v = task.update_bits * math.log(2.0) / (band * u)
    density = devices.noise_density * band / devices.channel_gain
    sent = density * np.expm1(v) * u
    value = density * (v * np.exp(v) - np.expm1(v))
    # At the corner of D = D_hi and D = F t the multiplier is free: the one that balances time.
    mu = np.where(reach * (1 - _CORNER) <= samples, np.maximum(worth - cost, 0.0), 0.0)
    balancing = np.maximum(value - 2 * energy / t, 0.0) / speed
    mu = np.where(most * (1 - _CORNER) <= samples, np.minimum(mu, balancing), mu)
    slope_data, slope_time = cost - worth + mu, value - 2 * energy / t - mu * speed
    move_data = np.where(slope_data > 0, least - samples, most - samples)
    move_time = np.where(slope_time > 0, shortest - t, longest - t)
    total = energy + sent + error + mu * (samples - reach) + slope_data * move_data + slope_time * move_time
    size = energy + sent + error + mu * (samples + reach) + (cost + worth + mu) * np.abs(move_data)
    noise = density * (v * np.exp(v) + np.expm1(v))
    size += (noise + 2 * energy / t + mu * speed) * np.abs(move_time)
    # t + u = T but for rounding, which the slope in u makes good.
    size += noise * constraints.max_latency
    limit = models.mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
    bound = math.fsum(total) - nu * count * limit
    bound -= _ROUNDINGS * (math.fsum(size) + nu * count * abs(limit))
    return max(bound, 0.0)
