"""Time one solve of a small fleet through the public call, IPOPT's beside it in the same run.

Usage: python benchmarks/solve_speed.py [DEVICES ...]     (default: 20)

A time is printed only after the answer was judged: certified gap, violation, and IPOPT's energy within AGREEMENT.
"""

import statistics
import sys
import time
from collections.abc import Callable

from ipopt import Ipopt

import fimi_opt as fo
from fimi_opt.scenarios import paper

GAP_LIMIT = 1e-9
VIOLATION_LIMIT = 1e-9
# IPOPT stops at a scaled tolerance of 1e-8 by default: 1e-6 of the energy at 1,000 devices.
AGREEMENT = 1e-5
RUNS = 200


def main() -> int:
    sizes = [int(text) for text in sys.argv[1:]] or [20]
    begin = time.perf_counter()
    fo.solve(*paper(seed=1))
    print(f"first solve in this process, compiling or reading the cache: {time.perf_counter() - begin:.2f} s")
    print("devices  solve, median of runs (us)   spread  certified gap  IPOPT's solve (us)   ratio")
    for size in sizes:
        devices, constraints, task = paper(seed=0, devices=size, bandwidth=1e6 * size)
        plan = fo.solve(devices, constraints, task)
        peer = Ipopt(devices, constraints, task)
        agreement = abs(peer.solve().energy / plan.energy - 1)
        if plan.gap > GAP_LIMIT or max(fo.verify(plan)) > VIOLATION_LIMIT or agreement > AGREEMENT:
            print(f"{size:7}  not timed: gap {plan.gap:.1e}, {fo.verify(plan)}, IPOPT {agreement:.1e} away")
            return 1
        ours = timed(lambda d=devices, c=constraints, t=task: fo.solve(d, c, t), RUNS)  # type: ignore[misc]
        theirs = statistics.median(peer.solve().seconds for _ in range(20)) * 1e6
        median, spread = statistics.median(ours), statistics.quantiles(ours, n=10)
        print(
            f"{size:7}  {median:27.0f}  {spread[0]:.0f}-{spread[-1]:.0f}  {plan.gap:13.1e}  {theirs:18.0f}"
            f"  {theirs / median:6.1f}"
        )
    return 0


def timed(call: Callable[[], object], runs: int) -> list[float]:
    """Microseconds of each of so many calls, after ten that are not counted."""
    for _ in range(10):
        call()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1e6)
    return times


if __name__ == "__main__":
    sys.exit(main())
