"""Peak memory of one solve, in a process of its own: ``python -m benchmarks.speed.memory DEVICES`` prints it."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

import fimi_opt as fo

from .fleets import draw
from .rows import Memory

# Linux's account of this process, and the switch that makes its peak the present value.
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Large enough for every kernel to be loaded before memory is looked at.
_WARM_UP = (20, 30_000)


def peak_of(devices: int) -> Memory:
    """Solve for so many devices; everything that stays loaded was loaded before.

    Raises
    ------
    OSError
        If the system keeps no such account.
    """
    for size in _WARM_UP:
        fo.solve(*draw(size))
    before = resident("VmRSS")
    scenario = draw(devices)
    _RESET.write_text("5", encoding="ascii")  # drawing takes more than its result does
    plan = fo.solve(*scenario)
    peak = resident("VmHWM") - before
    fleet, limits, _ = scenario
    given = [value for value in vars(fleet).values() if isinstance(value, np.ndarray)]
    inputs = sum(array.nbytes for array in given) + np.asarray(limits.max_synthetic).nbytes
    rows = plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power
    return Memory(devices, peak, inputs, sum(row.nbytes for row in rows), plan.gap)


def resident(name: str) -> int:
    """Bytes of this process's memory that are in use: VmRSS now, VmHWM at most."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines[name].split()[0]) * 1024


def main(write: Callable[[str], object] = print) -> None:
    write(json.dumps(asdict(peak_of(int(sys.argv[1])))))


if __name__ == "__main__":
    main()
