"""P1 for a large fleet: prices from a sample first, then all devices in blocks, on ordinary threads.

Blocks are of a fixed size and their sums are added in order, so that a plan is the same on any number of threads.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels.fleet import Supply
from fimi_opt._kernels.lanes import Given, Totals
from fimi_opt._kernels.large import answers, fitted, normal_equations, settled, sweep
from fimi_opt._kernels.settling import Movable
from fimi_opt._kernels.smooth import MOST_EVALUATIONS, Aim, aim, plan, scaling
from fimi_opt._threads import rows_of_blocks, run_blocks
from fimi_opt.solvers.instance import Problem
from fimi_opt.solvers.joint import JointSolution, WarmStart

Floats = NDArray[np.float64]

# Devices of one block, a thread's piece of work: half a millisecond.
BLOCK = 8192
# Fleets from this size on are solved in blocks.
LARGE = 4 * BLOCK
# The sample's prices are off by 1 / sqrt(SAMPLE) of the fleet's spread: one Newton step of the whole fleet from right.
SAMPLE = 4096
# Read-only, as a plan's times are: for numba an array that can be written is of another type, and compiled for anew.
NO_TIMES = np.empty(0)
NO_TIMES.flags.writeable = False
# Added to the fit's matrix, relative to its diagonal: a feature that all devices share leaves it singular.
_RIDGE = 1e-9


def solve_large(problem: Problem, workers: int, warm: WarmStart | None = None) -> JointSolution | None:
    """Minimise P1; None where the sample has no plan or the fleet's steps do not end in one."""
    given, shared, supply, cycles = problem
    count = given.samples.size
    if warm is not None and not math.isnan(warm.log_nu + warm.log_w):
        log_nu, log_w, times = warm
        fit = np.empty((3, 0))
    else:
        sample = _sample(problem)
        if sample is None:
            return None
        (log_nu, log_w, fit), times = sample, NO_TIMES
    rows, split = np.empty((4, count)), np.empty((2, count))
    move, steps, enough = Aim(0.0, 0.0, False), 0, False
    for evaluation in range(MOST_EVALUATIONS):
        fresh = evaluation == 0
        prices = (log_nu, math.exp(log_w), move.d1, move.d2)
        one_block = functools.partial(sweep, given, rows, split, times, fit, cycles, shared, *prices, fresh)
        parts = rows_of_blocks(one_block, count, BLOCK, 9, workers)
        steps += int(parts[:, 6].sum())
        if fresh:
            if not parts[:, 8].max() < shared.T:
                return None
            enough = math.fsum(parts[:, 7]) <= supply.A
            if enough and log_nu > -math.inf:  # the sample, or the earlier fleet, was not
                log_nu = -math.inf
                continue
        if not enough and log_nu == -math.inf:
            return None
        sums = [math.fsum(column) for column in parts[:, :5].T]
        totals = Totals._make((*sums, float(parts[:, 5].max())))
        move = Aim(*aim(totals, supply, log_nu, log_w, enough))
        log_nu, log_w = log_nu + move.d1, log_w + move.d2
        if move.close:
            return _settled(problem, rows, split, log_nu, log_w, move, workers, evaluation + 1, steps)
        if not math.isfinite(move.d1 + move.d2):
            break
    return None


def evenly(count: int) -> NDArray[np.intp]:
    """Indices of `SAMPLE` devices evenly spaced over `count`."""
    return np.linspace(0, count - 1, SAMPLE).astype(np.intp)


def _sample(problem: Problem) -> tuple[float, float, Floats] | None:
    """Plan evenly spaced devices with their share of the limits; return ln nu, ln w and a fit of their starts."""
    given, shared, supply, cycles = problem
    count = given.samples.size
    chosen = evenly(count)
    few = Given(*(row[chosen] if row.size > 1 else row for row in given))
    for row in few:
        row.flags.writeable = False
    share = SAMPLE / count
    rows, split = np.empty((4, SAMPLE)), np.empty((2, SAMPLE))
    good, log_nu, log_w, *_ = plan(
        few, cycles, shared, Supply(supply.A * share, supply.B * share), math.nan, math.nan, NO_TIMES, rows, split
    )
    if not good:
        return None
    known = fitted(few, cycles, shared, rows, split)
    features = known[:3]
    centre, spread = features.mean(axis=1), features.std(axis=1)
    scale = 1.0 / np.where(spread > 0, spread, 1.0)
    equations = normal_equations((features - centre[:, None]) * scale[:, None], known[3])
    matrix, right = equations[:, :-1], equations[:, -1]
    weights = np.linalg.solve(matrix + _RIDGE * np.diag(matrix.diagonal() + 1.0), right)
    fit = np.zeros((3, weights.size))
    fit[0], fit[1, :3], fit[2, :3] = weights, centre, scale
    return log_nu, log_w, fit


def _settled(
    problem: Problem,
    rows: Floats,
    split: Floats,
    log_nu: float,
    log_w: float,
    last: Aim,
    workers: int,
    evaluations: int,
    steps: int,
) -> JointSolution | None:
    """Take the last step, scale what no bound holds to the limits, a change of the last digits, and fill the plan."""
    given, shared, supply, cycles = problem
    count, w = given.samples.size, math.exp(log_w)
    at = (log_nu, w, last.d1, last.d2)
    one_block = functools.partial(answers, given, rows, split, cycles, shared, *at)
    parts = rows_of_blocks(one_block, count, BLOCK, 5, workers)
    total = Movable(*(math.fsum(column) for column in parts.T))
    more_data, more_band, small = scaling(total, shared, supply, log_nu == -math.inf)
    if not small:
        return None
    run_blocks(
        lambda i, j: settled(given, rows, split, cycles, shared, more_data, more_band, i, j), count, BLOCK, workers
    )
    touch = (split[0], split[1], rows[2])
    return JointSolution(rows, touch, math.exp(log_nu), w, total.value, evaluations, steps)
