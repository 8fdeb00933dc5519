"""What a plan takes and misses, and that no plan exists: from the paper's formulas, sharing no code with the library.

Letters as in the library's mathematics: a device uploads in u seconds at full power over b hertz when
ln(1 + x) / x = N0 s / (g P u) and b = g P / (N0 x). Both u and b are closed form in x, so x is what is searched.
"""

import math
from typing import NamedTuple

import numpy as np
from fleets import Floats, Problem

import fimi_opt as fo

# A golden section of ln x, 100 wide, down to rounding.
_GOLDEN = (math.sqrt(5) - 1) / 2
_SECTIONS = 110
_EPS = 2.0**-52
_LOG_X = (-60.0, 40.0)
# Around a multiplier that is given: a factor of 10^10 each way, down to 1e-9 of its logarithm.
_REACH, _TRIES = 23.0, 50


class Measured(NamedTuple):
    """Joules a round, the largest relative violation of a limit, and the least parts of T for computing and uploads."""

    energy: float
    violation: float
    compute_share: float
    upload_share: float


def measured(problem: Problem, D_gen: Floats, f: Floats, b: Floats, P: Floats) -> Measured:
    """Judge a decision; NaN and negative amounts violate by infinity."""
    d, limits, task = problem
    curve = task.learning
    rows = (d.local_samples + D_gen, f, b, P)
    if not all(np.all(np.isfinite(row)) and np.all(row > 0) for row in rows):
        return Measured(math.nan, math.inf, math.nan, math.nan)
    D = rows[0]
    cycles = task.local_epochs * task.cycles_per_sample * D
    upload = task.update_bits * math.log(2) / (b * np.log1p(d.channel_gain * P / (d.noise_density * b)))
    errors = math.fsum(curve.alpha * D**-curve.beta) / D.size
    # Where 1 + gamma all but cancels against the limit on the mean, a rounding of either is much of what is left.
    limit = mean_limit(problem)
    rounding = 4 * _EPS * (1 + abs(curve.gamma) + abs(limit - 1))
    missed = (
        float(np.max((cycles / f + upload) / limits.max_latency)) - 1,
        float(np.max(f / d.max_frequency)) - 1,
        float(np.max(P / d.max_power)) - 1,
        math.fsum(b) / limits.bandwidth - 1,
        1 - (limit + curve.gamma + rounding) / errors,
        float(np.max(-D_gen / d.local_samples)),
        float(np.max((D_gen - limits.max_synthetic) / d.local_samples)),
    )
    energy = math.fsum(d.energy_coefficient * cycles * f**2) + math.fsum(P * upload)
    shares = (float(np.min(part)) / limits.max_latency for part in (cycles / f, upload))
    return Measured(energy, max(missed), *shares)


def mean_limit(problem: Problem) -> float:
    """Limit on the mean of alpha D^-beta - gamma."""
    _, limits, task = problem
    return 1 + task.learning.zeta / limits.rounds * math.log(limits.max_global_error)


def slowest_alone(problem: Problem) -> Floats:
    """Seconds that each device takes with the whole band, full power and local data only."""
    d, limits, task = problem
    B = limits.bandwidth
    upload = task.update_bits * math.log(2) / (B * np.log1p(d.channel_gain * d.max_power / (d.noise_density * B)))
    return np.asarray(task.local_epochs * task.cycles_per_sample * d.local_samples / d.max_frequency + upload)


def room_without_band(problem: Problem) -> float:
    """What an unlimited band leaves: below 0 where some device still misses the deadline, or all data the error limit.

    The smaller of the two reliefs, relative to the deadline and to the limit on the mean of alpha D^-beta.
    """
    d, limits, task = problem
    curve, T = task.learning, limits.max_latency
    speed = d.max_frequency / (task.local_epochs * task.cycles_per_sample)
    at_once = d.noise_density * task.update_bits * math.log(2) / (d.channel_gain * d.max_power)
    spare = float(np.min(T - d.local_samples / speed - at_once)) / T
    if spare <= 0:
        return spare
    most = np.maximum(np.minimum(d.local_samples + limits.max_synthetic, speed * (T - at_once)), d.local_samples)
    limit = mean_limit(problem) + curve.gamma
    errors = math.fsum(curve.alpha * most**-curve.beta) / most.size
    return min(spare, limit / errors - 1)


def band_bound(problem: Problem, price: float, enough: float = math.inf) -> float:
    """Band (Hz) that no plan goes below, by weak duality: at the price (Hz per unit of a device's error), or a better.

    The search for a better price ends where the bound is `enough`.
    """
    at_price = _band_dual(problem, price)
    if at_price >= enough or not price > 0:
        return at_price
    low, high = math.log(price) - _REACH, math.log(price) + _REACH
    best = max(at_price, _band_dual(problem, 0.0))
    for _ in range(_TRIES):
        if best >= enough:
            break
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        at = _band_dual(problem, math.exp(left)), _band_dual(problem, math.exp(right))
        best = max(best, *at)
        low, high = (low, right) if at[0] >= at[1] else (left, high)
    return best


def _band_dual(problem: Problem, price: float) -> float:
    """Sum of the devices' least b + price alpha D^-beta, less the price of the error limit."""
    d, limits, task = problem
    curve = task.learning
    speed = d.max_frequency / (task.local_epochs * task.cycles_per_sample)
    received = d.channel_gain * d.max_power
    at_once = d.noise_density * task.update_bits * math.log(2) / received
    most = d.local_samples + limits.max_synthetic

    def cost(log_x: Floats) -> Floats:
        x = np.exp(log_x)
        t = limits.max_latency - at_once * x / np.log1p(x)
        D = np.minimum(most, speed * t)
        open_ = d.local_samples <= D
        error = curve.alpha * np.where(open_, D, 1.0) ** -curve.beta
        return np.where(open_, received / (d.noise_density * x) + price * error, np.inf)

    low, high = (np.full(len(d), end) for end in _LOG_X)
    for _ in range(_SECTIONS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        lower = cost(left) <= cost(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    return math.fsum((*cost(low), -price * len(d) * (mean_limit(problem) + curve.gamma)))


def rounding_of_dual(problem: Problem, price: float) -> float:
    """Hertz that rounding may have taken off the bound at this price: a few units in the last place of its terms."""
    gamma = abs(problem.task.learning.gamma)
    return 32 * _EPS * price * len(problem.devices) * (2 + 2 * gamma + abs(mean_limit(problem)))


def keeps_classes(plan: fo.Plan, tolerance: float) -> bool:
    """Whether the samples of each class fill up to one level a device, and sum to what the device adds."""
    counts, table = plan.devices.class_counts, plan.synthetic_by_class
    if counts is None or table is None:
        return counts is None and table is None
    added = np.asarray(table, dtype=np.float64)
    size = counts.sum(axis=1) + plan.synthetic_samples
    filled = np.where(added > 0, counts + added, -np.inf).max(axis=1)  # level of the classes that got any
    sums = np.abs(added.sum(axis=1) - plan.synthetic_samples)
    below = np.where(added > 0, filled[:, None] - counts - added, np.maximum(filled[:, None] - counts, 0.0))
    below = np.where(np.isfinite(below), below, 0.0)
    # Samples may come whole: then levels differ by one.
    whole = 1.0 if np.issubdtype(np.asarray(table).dtype, np.integer) else 0.0
    return bool(
        np.all(added >= 0) and np.all(sums <= tolerance * size) and np.all(below <= tolerance * size[:, None] + whole)
    )
