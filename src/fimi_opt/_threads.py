"""Ordinary threads over fixed blocks: the blocks, not the threads, decide what is computed together."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fimi_opt._checks import whole


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(workers: int | None) -> int:
    """Number of threads to use: `workers`, or the usable cores where it is None.

    Raises
    ------
    ValueError
        If `workers` is not a whole number of at least 1.
    """
    return usable_cores() if workers is None else whole("workers", workers, 1)


def run_blocks(run: Callable[[int, int], None], count: int, block: int, workers: int) -> None:
    """Call ``run(first, stop)`` for every block of `count` items, on up to `workers` threads at once.

    `run` must release the GIL to gain from it, and write its results by item, so that threads cannot change them.
    """
    starts = range(0, count, block)
    if workers == 1 or len(starts) <= 1:
        for first in starts:
            run(first, min(first + block, count))
        return
    with ThreadPoolExecutor(min(workers, len(starts))) as pool:
        try:
            for done in [pool.submit(run, first, min(first + block, count)) for first in starts]:
                done.result()
        except BaseException:  # an interrupt above all: what no thread has begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def rows_of_blocks(
    kernel: Callable[[int, int], tuple[float, ...]], count: int, block: int, width: int, workers: int
) -> NDArray[np.float64]:
    """What ``kernel(first, stop)`` returns for every block, `width` numbers, as rows in the blocks' order."""
    rows = np.empty((-(-count // block), width))

    def run(first: int, stop: int) -> None:
        rows[first // block] = kernel(first, stop)

    run_blocks(run, count, block, workers)
    return rows
