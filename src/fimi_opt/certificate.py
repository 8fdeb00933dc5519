"""Check an answer from the instance alone: how far a plan misses its limits, and how low any plan's energy can be.

Nothing here is shared with the solvers or their kernels, so that checker and solver cannot share a bug.

The lower bound is Lagrange's: for prices nu of error and w of bandwidth, both >= 0, no plan takes less than

    q(nu, w) = sum_i min [ E_cmp + E_com + nu alpha D^-beta + w b ]  -  nu A  -  w B,

the minimum over each device's own limits. A point *near* that minimum would overstate it. The inner function is
jointly convex in (D, t, b), so its tangent plane at any point is below it everywhere, and the least value of a plane
over the box of the device's limits is closed form. f_max and P_max couple two variables each; they enter with
multipliers mu, pi >= 0 of their own, for which any value is valid. The bound is therefore rigorous for every point and
every price; good ones only make it tight. What rounding can have added is taken off.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fimi_opt._threads import run_blocks
from fimi_opt.errors import InvalidInputError
from fimi_opt.models import compute_time, local_error, mean_error_limit, upload_time
from fimi_opt.types import Constraints, Devices, Task, most_synthetic

if TYPE_CHECKING:
    from fimi_opt.plan import Plan, Prices

Floats = NDArray[np.float64]

# Each term is formed with less than 16 roundings, and sums are compensated.
_ROUNDINGS = 16 * 2.0**-52
# How near D must be to D_hi and F t for the plane to treat them as a corner; any value is valid.
_CORNER = 1e-12
# Time beyond the least upload time is not resolved below e^-60 of the compute time.
_LOG_ENDS = 60.0
# A free band (w = 0) asks for v = 0 and an infinite bandwidth: this is as good and stays finite.
_LEAST_EFFICIENCY = 1e-100
# Devices judged at a time: fixed, so that sums do not depend on the threads.
BLOCK = 8192
_NOTHING = (0.0, 0.0, 0.0, 0.0)
# Halvings of a bracket in ln(t / u) or ln v that is at most 1,400 wide, to the last digit.
_HALVINGS = 64


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
    seconds = compute_time(samples, plan.frequency, task.cycles_per_sample, task.local_epochs) + upload_time(
        plan.bandwidth, plan.power, devices.channel_gain, devices.noise_density, task.update_bits
    )
    decision = (plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
    if not all(np.all(np.isfinite(row)) for row in decision) or min(map(np.min, decision[1:])) <= 0:
        return Violations(*(6 * (math.nan,)))
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


class Split(NamedTuple):
    """Where the tangent planes touch: compute time t (s), upload time u (s) and bandwidth b (Hz), each (I,)."""

    t: Floats
    u: Floats
    b: Floats


def lower_bound(
    devices: Devices, constraints: Constraints, task: Task, prices: Prices, split: Split | None = None
) -> float:
    """Energy in joules that no plan goes below, from the prices alone: the certificate that anyone can check.

    Parameters
    ----------
    devices, constraints, task
        The instance.
    prices
        Any prices; ``error`` and ``bandwidth`` are read, negative ones as zero.
    split
        Where to touch; a plan's own times and bands where it is optimal for the prices. By default the device's best
        answer to the prices, found by bisection.

    Returns
    -------
    float
        The bound, valid for every price and split, less what rounding can have added; at least 0, and inf where a
        device can take part in no plan.

    Raises
    ------
    ValueError
        If a price is not finite, or shapes do not fit.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 3e-11, 0.2)
    >>> plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> bound = fo.lower_bound(devices, plan.constraints, plan.task, plan.prices)
    >>> bound <= plan.energy <= bound * (1 + 1e-9)
    True
    """
    if not (math.isfinite(prices.error) and math.isfinite(prices.bandwidth)):
        raise InvalidInputError(f"prices must be finite, got error {prices.error}, bandwidth {prices.bandwidth}")
    empty = np.empty(0)
    touch = Split(empty, empty, empty) if split is None else split
    if split is not None and any(np.shape(row) != (len(devices),) for row in split):
        raise InvalidInputError(f"split needs three arrays of shape ({len(devices)},)")
    problem = _problem(devices, constraints, task, prices)
    return _dual(problem, [_bound(*problem, touch, 0, len(devices))])


class Judgement(NamedTuple):
    """What a decision takes (J), the least that any could take (J), and the largest relative violation of a limit."""

    energy: float
    lower_bound: float
    violation: float


def judge(
    devices: Devices,
    constraints: Constraints,
    task: Task,
    decision: Floats,
    prices: Prices,
    split: Split,
    workers: int = 1,
) -> Judgement:
    """Judge a solver's decision, rows (D_gen, f, b, P), and its prices, in one pass over the devices each.

    The same figures as a plan's energy, :func:`lower_bound` and :func:`verify` to rounding, for solve() to check every
    plan with before it is returned.
    """
    problem = _problem(devices, constraints, task, prices)
    count = len(devices)
    measured, bounds = [_NOTHING] * -(-count // BLOCK), [(0.0, 0.0)] * -(-count // BLOCK)

    def run(first: int, stop: int) -> None:
        measured[first // BLOCK] = _measure(*problem[:4], decision, first, stop)
        bounds[first // BLOCK] = _bound(*problem, split, first, stop)

    run_blocks(run, count, BLOCK, workers)
    limits = problem[3]
    energy, errors, band = (math.fsum(part[k] for part in measured) for k in range(3))
    worst = max(max(part[3] for part in measured), band / limits.B - 1, 1 - limits.A / errors)
    return Judgement(energy, _dual(problem, bounds), worst if energy >= 0 else math.inf)


def _dual(problem: _Problem, bounds: list[tuple[float, float]]) -> float:
    """Value of the dual from its blocks' sums, less what rounding can have added to it."""
    _, _, _, limits, nu, w = problem
    total, size = (math.fsum(part[k] for part in bounds) for k in range(2))
    bound = math.fsum((total, -nu * limits.A, -w * limits.B))
    bound -= _ROUNDINGS * (size + nu * limits.A_size + w * limits.B)
    return bound if bound > 0 else 0.0


def _problem(devices: Devices, constraints: Constraints, task: Task, prices: Prices) -> _Problem:
    """Cycles per sample, nats of one update, the fleet and its limits, and the prices per unit of A and of B."""
    curve, count = task.learning, len(devices)
    limit = mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
    fleet = _Fleet(
        devices.energy_coefficient,
        devices.max_frequency,
        devices.noise_density,
        devices.channel_gain,
        devices.max_power,
        devices.local_samples,
        most_synthetic(constraints, count),
    )
    # A is a difference of terms of this size, and no more exact than they are.
    size = count * (2.0 + 2.0 * abs(curve.gamma) + abs(limit))
    limits = _Limits(curve.alpha, curve.beta, count * limit, size, constraints.bandwidth, constraints.max_latency)
    cycles = task.local_epochs * task.cycles_per_sample
    nats = task.update_bits * math.log(2.0)
    return cycles, nats, fleet, limits, max(prices.error, 0.0) / count, max(prices.bandwidth, 0.0)


class _Fleet(NamedTuple):
    eps: Floats
    f_max: Floats
    N0: Floats
    g: Floats
    P: Floats
    D_loc: Floats
    D_max: Floats


class _Limits(NamedTuple):
    alpha: float
    beta: float
    A: float
    A_size: float
    B: float
    T: float


_Problem: TypeAlias = tuple[float, float, _Fleet, _Limits, float, float]


class _Device(NamedTuple):
    a: float
    F: float
    h: float
    P: float
    D_lo: float
    D_hi: float
    s: float
    nu: float
    w: float


@njit(cache=True, nogil=True, error_model="numpy")
def _phi(v: float) -> float:
    """(e^v - 1) / v."""
    return math.expm1(v) / v if v > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _marginal(v: float) -> float:
    """G(v) = e^v (v - 1) + 1 = sum over n >= 2 of v^n (n - 1) / n!, summed where the closed form cancels."""
    if v > 1.0:
        return math.exp(v) * (v - 1.0) + 1.0
    term, total = 0.5 * v * v, 0.0
    for n in range(2, 24):
        total += term * (n - 1)
        term *= v / (n + 1)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _tangent(dev: _Device, lim: _Limits, t: float, u: float, v: float) -> tuple[float, float, float]:
    """Least value of the tangent plane at (t, u, v) over the device's box, its slope in t, and the terms' size."""
    alpha, beta, nu, w = lim.alpha, lim.beta, dev.nu, dev.w
    # Radio: where v is held down the power limit's multiplier pi takes up the slope in b, elsewhere the slope costs
    # at most itself times b (b is at least 0), or times B - b where v is too large.
    b = dev.s / (u * v)
    G = _marginal(v)
    sent, full = dev.h * _phi(v), dev.P * u
    slope_b = w - dev.h * u * G / dev.s
    pi = max(slope_b, 0.0) * dev.s / (dev.h * u * G)
    if slope_b * b <= pi * (full - sent):
        pi = 0.0
    else:
        slope_b = 0.0
    value = (1.0 + pi) * sent - pi * full + w * b
    value -= slope_b * b if slope_b > 0.0 else -slope_b * (lim.B - b)
    size = (1.0 + pi) * sent + pi * full + 2.0 * w * b
    slope_u = -pi * dev.P - (1.0 + pi) * dev.h * G / (u * v)
    # Data: the closed-form minimiser for this t, a few digits upwards so that the slope left over points at D_lo.
    want = (nu * alpha * beta * t * t / (3.0 * dev.a)) ** (1.0 / (beta + 3.0)) * (1.0 + 1e-15)
    reach = dev.F * t
    D = min(max(want, dev.D_lo), max(min(dev.D_hi, reach), dev.D_lo))
    energy = dev.a * D * D * D / (t * t)
    error = nu * alpha * D**-beta
    cost, worth = 3.0 * energy / D, beta * error / D
    mu = 0.0
    if reach * (1.0 - _CORNER) <= D:
        mu = max(worth - cost, 0.0)
        if dev.D_hi * (1.0 - _CORNER) <= D:  # at the corner of both limits mu is free: the one that balances time
            mu = min(mu, max(-slope_u - 2.0 * energy / t, 0.0) / dev.F)
    slope_D = cost - worth + mu
    value += energy + error + mu * (D - reach)
    value -= slope_D * (D - dev.D_lo) if slope_D > 0.0 else -slope_D * (dev.D_hi - D)
    size += energy + error + mu * (D + reach) + (cost + worth) * (D - dev.D_lo)
    slope_t = -2.0 * energy / t - mu * dev.F
    # Time: t + u = T but for rounding, which the slope in u makes good.
    slope = slope_t - slope_u
    reach_t = t - dev.D_lo / dev.F if slope > 0.0 else dev.h / dev.P - max(u, lim.T - t)
    size += (-slope_t - slope_u) * abs(reach_t)
    return value - slope * reach_t + slope_u * (lim.T - t - u), slope, size


@njit(cache=True, nogil=True, error_model="numpy")
def _price_met(dev: _Device, u: float, v: float) -> float:
    """One Newton step from v towards G(v) = w s / (h u), then a little below: so that the slope in b points at 0.

    Where that would break the power limit, v is left where it is: the limit's multiplier meets the price there.
    """
    y = dev.w * dev.s / (dev.h * u)
    better = v - (_marginal(v) - y) / (v * math.exp(v))
    allowed = 0.5 * v < better < 2.0 * v and dev.h * _phi(better) <= dev.P * u
    return max((better if allowed else v) * (1.0 - 1e-15), _LEAST_EFFICIENCY)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_efficiency(dev: _Device, u: float) -> float:
    """Efficiency v for the price of bandwidth at upload time u, the power limit kept: by bisection in ln v."""
    y, k = dev.w * dev.s / (dev.h * u), dev.h / (dev.P * u)
    lo, hi = -700.0, 6.5
    for _ in range(_HALVINGS):
        middle = 0.5 * (lo + hi)
        v = math.exp(middle)
        if _marginal(v) < y and _phi(v) * k < 1.0:
            lo = middle
        else:
            hi = middle
    return max(math.exp(lo), _LEAST_EFFICIENCY)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_split(dev: _Device, lim: _Limits) -> tuple[float, float, float]:
    """Return t, u and v of the device's best answer to the prices: by bisection in ln(t / y) on the tangent's slope."""
    t_lo, u_lo = dev.D_lo / dev.F, dev.h / dev.P
    room = lim.T - u_lo  # what t and y = u - u_lo share: in ln(t / y) either end is resolved
    lo, hi = math.log(t_lo / (room - t_lo)), _LOG_ENDS
    for _ in range(_HALVINGS):
        x = 0.5 * (lo + hi)
        u = u_lo + room / (1.0 + math.exp(x))
        t = room / (1.0 + math.exp(-x))
        _, slope, _ = _tangent(dev, lim, t, u, _best_efficiency(dev, u))
        if slope > 0.0:
            hi = x
        else:
            lo = x
    u, t = u_lo + room / (1.0 + math.exp(lo)), room / (1.0 + math.exp(-lo))
    return t, u, _best_efficiency(dev, u)


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(
    cycles: float, s: float, fleet: _Fleet, lim: _Limits, decision: Floats, first: int, stop: int
) -> tuple[float, float, float, float]:
    """Energy, alpha D^-beta and bandwidth of a block by (5)-(10), and its worst relative violation of own limits."""
    energy = errors = band = 0.0
    worst = -math.inf
    for i in range(first, stop):
        gen, f, b, P = decision[0, i], decision[1, i], decision[2, i], decision[3, i]
        D_max = fleet.D_max[i if fleet.D_max.size > 1 else 0]
        work = cycles * (fleet.D_loc[i] + gen)
        seconds = s / (b * math.log1p(fleet.g[i] * P / (fleet.N0[i] * b)))
        energy += fleet.eps[i] * work * f * f + P * seconds
        errors += lim.alpha * (fleet.D_loc[i] + gen) ** -lim.beta
        band += b
        worst = max(worst, (work / f + seconds) / lim.T - 1.0, f / fleet.f_max[i] - 1.0, P / fleet.P[i] - 1.0)
        worst = max(worst, -gen / fleet.D_loc[i], (gen - D_max) / fleet.D_loc[i])
    return energy, errors, band, worst


@njit(cache=True, nogil=True, error_model="numpy")
def _bound(
    cycles: float,
    s: float,
    fleet: _Fleet,
    lim: _Limits,
    nu: float,
    w: float,
    split: Split,
    first: int,
    stop: int,
) -> tuple[float, float]:
    """Sum over a block of the tangent planes' least values, at the split or, where it is empty, at the best answers.

    The second is the size of the terms, of which rounding takes its part.
    """
    total = carry = size = 0.0
    for i in range(first, stop):
        D_max = fleet.D_max[i if fleet.D_max.size > 1 else 0]
        dev = _Device(
            fleet.eps[i] * cycles**3,
            fleet.f_max[i] / cycles,
            fleet.N0[i] * s / fleet.g[i],
            fleet.P[i],
            fleet.D_loc[i],
            fleet.D_loc[i] + D_max,
            s,
            nu,
            w,
        )
        if split.t.size:
            t, u = split.t[i], split.u[i]
            v = _price_met(dev, u, s / (u * split.b[i]))
        elif dev.D_lo / dev.F + dev.h / dev.P < lim.T:
            t, u, v = _best_split(dev, lim)
        else:
            return math.inf, 0.0  # this device can take part in no plan
        least, _, terms = _tangent(dev, lim, t, u, v)
        size += terms
        # Neumaier's compensated sum.
        new = total + least
        carry += (total - new) + least if abs(total) >= abs(least) else (least - new) + total
        total = new
    return total + carry, size
