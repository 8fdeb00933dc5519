"""The tie rule of the integer category allocation: which of the equally filled classes get the remainder."""

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel


@kernel
def share_out(
    tied: NDArray[np.bool_],
    remainder: NDArray[np.int64],
    totals: NDArray[np.float64],
    visits: NDArray[np.int64],
    queue: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Give each visited device's remainder, one sample a class, to the tied classes that the fleet has least of.

    One pass in O(I C): the queue stays sorted because the classes served, and those passed over, each stay sorted and
    only have to be merged. Of equals the one that waited goes first.

    Parameters
    ----------
    tied
        Whether a class may get a sample of the remainder, (I, C).
    remainder
        Samples to give, (I,), at most the number of tied classes.
    totals
        Samples of each class in the fleet, (C,), less anything that is the same for all; updated in place.
    visits
        Indices of the devices in the order of their turn.
    queue
        The classes by ascending total, (C,); updated in place.

    Returns
    -------
    ndarray
        Whether a class got a sample, (I, C).
    """
    extra = np.zeros(tied.shape, np.bool_)
    classes = queue.size
    served, passed = np.empty_like(queue), np.empty_like(queue)
    for i in visits:
        n_served = n_passed = 0
        for c in queue:
            if n_served < remainder[i] and tied[i, c]:
                extra[i, c] = True
                totals[c] += 1.0
                served[n_served] = c
                n_served += 1
            else:
                passed[n_passed] = c
                n_passed += 1
        s = p = 0
        for k in range(classes):
            if s == n_served or (p < n_passed and totals[passed[p]] <= totals[served[s]]):
                queue[k] = passed[p]
                p += 1
            else:
                queue[k] = served[s]
                s += 1
    return extra


@kernel
def even_out(
    tied: NDArray[np.bool_],
    extra: NDArray[np.bool_],
    totals: NDArray[np.float64],
    visits: NDArray[np.int64],
) -> None:
    """Move samples of the remainder between a device's tied classes while that narrows the fleet's gap between the two.

    Afterwards no device can move one: among its tied classes, one that got a sample is at most 1 ahead of one that
    did not.

    Parameters
    ----------
    tied, totals, visits
        As for :func:`share_out`, the totals whole; `totals` is updated in place.
    extra
        Whether a class got a sample, (I, C); updated in place.
    """
    classes = totals.size
    # A move between whole totals lowers half their squared distance from the mean by 1 or more, so that many passes
    # suffice (1e9 only keeps the range an integer). In random order about C passes did on chains of C classes made to
    # be slow; usually it is 2.
    distance = 0.5 * ((totals - totals.mean()) ** 2).sum()
    for _ in range(int(min(distance, 1e9)) + 1):
        moved = False
        for i in visits:
            for _ in range(classes):
                fullest = emptiest = -1
                for c in range(classes):
                    if extra[i, c]:
                        if fullest < 0 or totals[c] > totals[fullest]:
                            fullest = c
                    elif tied[i, c] and (emptiest < 0 or totals[c] < totals[emptiest]):
                        emptiest = c
                if fullest < 0 or emptiest < 0 or totals[fullest] - totals[emptiest] < 2.0:
                    break
                extra[i, fullest], extra[i, emptiest] = False, True
                totals[fullest] -= 1.0
                totals[emptiest] += 1.0
                moved = True
        if not moved:
            break
