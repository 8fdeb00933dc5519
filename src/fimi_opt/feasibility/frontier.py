"""The frontier of error and band of a whole fleet: small ones in one piece, large ones in blocks on threads."""

import functools

import numpy as np
from numpy.typing import NDArray

from fimi_opt._kernels import feasibility as kernels
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.feasibility import Frontier
from fimi_opt._kernels.fleet import Fleet
from fimi_opt._kernels.search import DONE, ONE, P2, start
from fimi_opt._threads import rows_of_blocks
from fimi_opt.solvers.large import BLOCK, evenly

Floats = NDArray[np.float64]
Ending = tuple[Frontier, float, bool]


def least_split(fleet: Fleet, shared: Shared, log_price: float, x: Floats, workers: int = 1) -> Frontier:
    """Fill `x` with the splits for ln lambda (-inf: least bandwidth whatever the error; inf: least error); totals."""
    if x.size <= BLOCK:
        return Frontier(*kernels.least_split(fleet, shared, log_price, x, 0, x.size))

    one_block = functools.partial(kernels.least_split, fleet, shared, log_price, x)
    parts = rows_of_blocks(one_block, x.size, BLOCK, len(Frontier._fields), workers)
    with np.errstate(over="ignore", invalid="ignore"):  # as in one piece: infinite sums are answers
        return Frontier(*parts.sum(axis=0).tolist())


def trade(fleet: Fleet, shared: Shared, A: float, B: float, log_price: float, x: Floats, workers: int = 1) -> Ending:
    """Totals where errors sum to A (B infinite) or bandwidths to B (A infinite), ln lambda there, whether it was found.

    Searches from ln lambda and the splits `x`, and fills `x` with those that it ends at.
    """
    if x.size > BLOCK:
        return trade_in_blocks(fleet, shared, A, B, log_price, x, workers)
    *totals, log_price, mode = kernels.trade(fleet, shared, A, B, log_price, x)
    return Frontier(*totals), log_price, mode == DONE


def trade_in_blocks(
    fleet: Fleet, shared: Shared, A: float, B: float, log_price: float, x: Floats, workers: int
) -> Ending:
    """As :func:`trade`, each pass over the fleet on threads."""
    state, mode = start(0.0, log_price, ONE), ONE
    while mode == ONE:  # bounded: the search counts its evaluations
        log_price = float(state[P2])
        totals = least_split(fleet, shared, log_price, x, workers)
        mode = kernels.towards(state, totals, A, B)
    return totals, log_price, mode == DONE


def sampled(fleet: Fleet) -> tuple[Fleet, float]:
    """Devices evenly spaced over a large fleet, and their share of it."""
    chosen = evenly(fleet.a.size)
    return Fleet(*(row[chosen] for row in fleet)), chosen.size / fleet.a.size
