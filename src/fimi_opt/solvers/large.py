"""P1 for a large fleet: prices from a sample first, then all devices in blocks, on ordinary threads.

Blocks are of a fixed size and their sums are added in order, so that a plan is the same on any number of threads.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels.fleet import FIRST_SPLIT, Answer, Fleet, Price, Supply, empty_answer, evaluate, residuals
from fimi_opt._kernels.joint import Outcome, every_split_open, needs_no_synthetic, quick
from fimi_opt._kernels.large import fitted_starts, movable, settle, terms
from fimi_opt._kernels.search import DONE, FAILED, NEWTON, ONE, P1, P2, advance, start
from fimi_opt._threads import run_blocks
from fimi_opt.solvers.instance import Instance
from fimi_opt.solvers.joint import JointSolution, WarmStart, warm_splits

Floats = NDArray[np.float64]

# Devices of one block: its constants and answers, 1.1 MB, stay in a core's second-level cache.
BLOCK = 8192
# Fleets from this size on are solved in blocks.
LARGE = 4 * BLOCK
# The sample's prices are off by 1 / sqrt(SAMPLE) of the fleet's spread: one Newton step of the whole fleet from right.
SAMPLE = 4096
# Scaling the free data amounts and bandwidths to the limits moves them by no more than this, or the plan is not taken.
_MOST_SCALED = 1e-9


def solve_large(instance: Instance, workers: int, warm: WarmStart | None = None) -> JointSolution | None:
    """Minimise P1; None where the sample's prices or the last residuals say that the fleet is not an easy one."""
    fleet, shared, supply, _ = instance
    if not every_split_open(fleet, shared):
        return None
    count = fleet.a.size
    answer = empty_answer(count)
    if warm is not None and not math.isnan(warm.log_nu + warm.log_w):
        log_nu, log_w = warm.log_nu, warm.log_w
        answer.x[:] = warm_splits(instance, warm)
    else:
        sample = _sample(instance)
        if sample is None:
            return None
        log_nu, log_w = sample[0].log_nu, sample[0].log_w
        run_blocks(lambda first, stop: fitted_starts(fleet, sample[1], answer.x, first, stop), count, BLOCK, workers)
    enough = needs_no_synthetic(fleet, shared, supply)
    state = start(-math.inf if enough else log_nu, log_w, ONE if enough else NEWTON)
    price = Price(float(state[P1]), float(state[P2]), 0.0, 0.0)
    evaluations = inner = 0
    mode = ONE
    while mode not in (DONE, FAILED):  # bounded: the search counts its evaluations
        e, b, e_nu, e_w, b_w, steps = _totals(instance, price, answer, workers)
        evaluations, inner = evaluations + 1, inner + int(steps)
        mode = advance(state, residuals(e, b, e_nu, e_w, b_w, supply, price.log_nu, price.log_w))
        if mode not in (DONE, FAILED):
            d1 = 0.0 if enough else state[P1] - price.log_nu
            price = Price(float(state[P1]), float(state[P2]), d1, state[P2] - price.log_w)
    if mode == FAILED:
        return None
    return _settled(instance, price, answer, workers, evaluations, inner)


def _sample(instance: Instance) -> tuple[Outcome, Floats] | None:
    """Solve evenly spaced devices with their share of the limits; return what they say, and a fit of their splits."""
    fleet, shared, supply, _ = instance
    chosen = np.linspace(0, fleet.a.size - 1, SAMPLE).astype(np.intp)
    few = Fleet(*(row[chosen] for row in fleet))
    share = SAMPLE / fleet.a.size
    answer = empty_answer(SAMPLE)
    answer.x[:] = FIRST_SPLIT
    outcome = quick(few, shared, Supply(supply.A * share, supply.B * share), answer, math.nan, math.nan)
    if not outcome.good:
        return None
    weights, *_ = np.linalg.lstsq(terms(few), outcome.touch.x, rcond=None)
    return outcome, np.ascontiguousarray(weights, np.float64)


def _totals(instance: Instance, price: Price, answer: Answer, workers: int) -> list[float]:
    """Evaluate the whole fleet; sums over the blocks in their order."""
    fleet, shared, _, _ = instance
    parts = np.empty((-(-fleet.a.size // BLOCK), 6))

    def run(first: int, stop: int) -> None:
        parts[first // BLOCK] = evaluate(fleet, shared, price, answer, first, stop)

    run_blocks(run, fleet.a.size, BLOCK, workers)
    return [math.fsum(column) for column in parts.T]


def _settled(
    instance: Instance, price: Price, answer: Answer, workers: int, evaluations: int, inner: int
) -> JointSolution | None:
    """Scale what no bound holds to the limits, a change of the last digits, and fill the decision."""
    fleet, shared, supply, cycles = instance
    count, nu, w = fleet.a.size, math.exp(price.log_nu), math.exp(price.log_w)
    parts = np.empty((-(-count // BLOCK), 5))

    def run(first: int, stop: int) -> None:
        parts[first // BLOCK] = movable(fleet, shared, answer, w, first, stop)

    run_blocks(run, count, BLOCK, workers)
    errors, free_errors, bands, free_bands, value = (math.fsum(column) for column in parts.T)
    more_data = (errors - supply.A) / (shared.beta * free_errors) if nu > 0 and free_errors > 0 else 0.0
    more_band = (supply.B - bands) / free_bands if free_bands > 0 else 0.0
    closed = free_bands > 0 and (nu == 0 or free_errors > 0)
    if not (closed and abs(more_data) <= _MOST_SCALED and abs(more_band) <= _MOST_SCALED):
        return None
    rows = np.empty((4, count))
    run_blocks(
        lambda first, stop: settle(fleet, shared, cycles, answer, more_data, more_band, rows, first, stop),
        count,
        BLOCK,
        workers,
    )
    split = (answer.t, fleet.h / fleet.P + answer.y, answer.b)
    return JointSolution(rows, split, nu, w, value, evaluations, inner)
