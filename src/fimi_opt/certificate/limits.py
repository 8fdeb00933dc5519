"""How far a plan misses its limits, from its decision and the model's formulas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fimi_opt.models import compute_time, local_error, mean_error_limit, upload_time

if TYPE_CHECKING:
    from fimi_opt.plan import Plan


class Violations(NamedTuple):
    """Largest relative violation of each limit; 0 or less where the limit is kept, inf where nothing is.

    Attributes
    ----------
    learning
        Mean of alpha D^-beta against its limit, relative to itself.
    latency
        Slowest device against the deadline T.
    bandwidth
        Sum of b against the band B.
    frequency, power
        Largest f / f_max and P / P_max, less one.
    synthetic
        D_gen below 0 or above D_max, relative to D_loc.
    """

    learning: float
    latency: float
    bandwidth: float
    frequency: float
    power: float
    synthetic: float

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(self)


def verify(plan: Plan) -> Violations:
    """Recompute every limit from the plan's decision with the model's formulas alone.

    Parameters
    ----------
    plan
        Any plan; only its decision (synthetic samples, frequency, bandwidth, power) is read.

    Returns
    -------
    Violations
        The largest relative violation of each constraint; ``max(verify(plan))`` is the worst.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 3e-11, 0.2)
    >>> plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> max(fo.verify(plan)) < 1e-9
    True
    """
    with np.errstate(all="ignore"):
        found = _violations(plan)
    # A decision that is no plan at all (negative power, no frequency) has no time or error: all limits are violated.
    return Violations(*(math.inf if math.isnan(value) else value for value in found))


def _violations(plan: Plan) -> Violations:
    devices, limits, task = plan.devices, plan.constraints, plan.task
    curve = task.learning
    samples = devices.local_samples + plan.synthetic_samples
    decision = (samples, plan.frequency, plan.bandwidth, plan.power)
    if not all(np.all(np.isfinite(row)) and np.min(row) > 0 for row in decision):
        return Violations(*(6 * (math.nan,)))
    seconds = compute_time(samples, plan.frequency, task.cycles_per_sample, task.local_epochs) + upload_time(
        plan.bandwidth, plan.power, devices.channel_gain, devices.noise_density, task.update_bits
    )
    excess = float(np.mean(local_error(samples, curve.alpha, curve.beta, 0.0)))
    allowed = mean_error_limit(limits.max_global_error, limits.rounds, curve.zeta) + curve.gamma
    beyond = np.maximum(-plan.synthetic_samples, plan.synthetic_samples - limits.max_synthetic)
    return Violations(
        learning=(excess - allowed) / excess,
        latency=float(np.max(seconds)) / limits.max_latency - 1,
        bandwidth=float(np.sum(plan.bandwidth)) / limits.bandwidth - 1,
        frequency=float(np.max(plan.frequency / devices.max_frequency)) - 1,
        power=float(np.max(plan.power / devices.max_power)) - 1,
        synthetic=float(np.max(beyond / devices.local_samples)),
    )
