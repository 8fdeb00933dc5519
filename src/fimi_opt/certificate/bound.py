"""A lower bound on the energy of every plan.

The lower bound is Lagrange's: for prices nu of error and w of bandwidth, both >= 0, no plan takes less than

    q(nu, w) = sum_i min [ E_cmp + E_com + nu alpha D^-beta + w b ]  -  nu A  -  w B,

the minimum over each device's own limits. A point *near* that minimum would overstate it. The inner function is
jointly convex in (D, t, b), so its tangent plane at any point is below it everywhere, and the least value of a plane
over the box of the device's limits is closed form. f_max and P_max couple two variables each; they enter with
multipliers mu, pi >= 0 of their own, for which any value is valid. The bound is therefore rigorous for every point and
every price; good ones only make it tight. What rounding can have added is taken off.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fimi_opt._checks import real, to_array
from fimi_opt._threads import rows_of_blocks
from fimi_opt.certificate.lanes import Fleet, bound_block, judge_block
from fimi_opt.certificate.planes import Limits, Split
from fimi_opt.errors import InvalidInputError
from fimi_opt.models import mean_error_limit
from fimi_opt.types import Constraints, Devices, Task, check_instance, most_synthetic

if TYPE_CHECKING:
    from fimi_opt.plan import Prices

Floats = NDArray[np.float64]
Problem: TypeAlias = tuple[float, float, Fleet, Limits, float, float]

# Each term is formed with less than 16 roundings, and sums are compensated.
_ROUNDINGS = 16 * 2.0**-52
# Devices judged at a time: fixed, so that sums do not depend on the threads.
BLOCK = 8192


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
        If a price is not finite, or the split is not three arrays (I,) of positive numbers.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 3e-11, 0.2)
    >>> plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> bound = fo.lower_bound(devices, plan.constraints, plan.task, plan.prices)
    >>> bound <= plan.energy <= bound * (1 + 1e-9)
    True
    """
    check_instance(devices, constraints, task)
    if not (hasattr(prices, "error") and hasattr(prices, "bandwidth")):
        raise InvalidInputError(f"prices must be a fimi_opt.Prices, got {type(prices).__name__}")
    real("prices.error", prices.error)
    real("prices.bandwidth", prices.bandwidth)
    empty = np.empty(0)
    touch = Split(empty, empty, empty) if split is None else _inside(split, len(devices))
    problem = _problem(devices, constraints, task, prices)
    return _dual(problem, *bound_block(*problem, touch, 0, len(devices)))


def _inside(split: Split, count: int) -> Split:
    """The split as arrays; outside the positive numbers the planes would not be tangents of a convex function."""
    given: object = split
    rows = [to_array("split", row, (count,)).copy() for row in split] if isinstance(given, tuple) else []
    if len(rows) != 3 or not all(np.all((row > 0) & np.isfinite(row)) for row in rows):
        raise InvalidInputError("split must be three arrays t, u, b of positive finite numbers")
    return Split(*rows)


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
    if count <= BLOCK:
        energy, errors, band, worst, least, terms = judge_block(*problem, decision, split, 0, count)
    else:
        one_block = functools.partial(judge_block, *problem, decision, split)
        parts = rows_of_blocks(one_block, count, BLOCK, 6, workers)
        energy, errors, band, _, least, terms = (math.fsum(column) for column in parts.T)
        worst = float(parts[:, 3].max())
    limits = problem[3]
    worst = max(worst, band / limits.B - 1, 1 - limits.A / errors)
    return Judgement(energy, _dual(problem, least, terms), worst if energy >= 0 else math.inf)


def _dual(problem: Problem, total: float, size: float) -> float:
    """Value of the dual from the planes' least values and terms, less what rounding can have added to it."""
    _, _, _, limits, nu, w = problem
    bound = math.fsum((total, -nu * limits.A, -w * limits.B))
    bound -= _ROUNDINGS * (size + nu * abs(limits.A) + w * limits.B)
    return float(bound) if bound > 0 else 0.0


def _problem(devices: Devices, constraints: Constraints, task: Task, prices: Prices) -> Problem:
    """Cycles per sample, nats of one update, the fleet and its limits, and the prices per unit of A and of B."""
    curve, count = task.learning, len(devices)
    limit = mean_error_limit(constraints.max_global_error, constraints.rounds, curve.zeta) + curve.gamma
    fleet = Fleet(
        devices.energy_coefficient,
        devices.max_frequency,
        devices.noise_density,
        devices.channel_gain,
        devices.max_power,
        devices.local_samples,
        most_synthetic(constraints, count),
    )
    # The limit is the number that its formula gives in double precision: what plans are held to.
    limits = Limits(curve.alpha, curve.beta, count * limit, constraints.bandwidth, constraints.max_latency)
    cycles = task.local_epochs * task.cycles_per_sample
    nats = task.update_bits * math.log(2.0)
    return cycles, nats, fleet, limits, max(float(prices.error), 0.0) / count, max(float(prices.bandwidth), 0.0)
