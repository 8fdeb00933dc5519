"""What only a process of its own can tell: the memory of a solve, and what a first solve costs."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .contenders import CERTIFIED
from .measuring import tell
from .rows import Memory, Results, Start

ROOT = Path(__file__).parents[2]
FIRST_SOLVE = str(Path(__file__).with_name("first_solve.py"))
MOST_SECONDS = 1800

EMPTY = "import and first solve, numba's cache empty"
FILLED = "import and first solve, cache filled"
# Beside it: what no program that uses numba gets below.
BELOW = {
    "`import fimi_opt`": ["-c", "import fimi_opt"],
    "`import numpy, numba`": ["-c", "import numpy, numba"],
    "`pass`": ["-c", "pass"],
}


def measure_memory(devices: int, results: Results) -> None:
    """Add the peak memory of one solve, or why there is none."""
    tell(f"memory of a solve for {devices:,} devices")
    done = _run(["-m", "benchmarks.speed.memory", str(devices)], {})
    if done.returncode:
        results.faults.append(f"memory of {devices:,} devices: {_last_line(done.stderr)}")
    else:
        memory = Memory(**json.loads(done.stdout))
        results.memory.append(memory)
        if not memory.gap <= CERTIFIED.gap:
            results.faults.append(f"memory of {devices:,} devices: gap {memory.gap:.1e}")
    results.save()


def measure_starts(compilations: int, runs: int, results: Results) -> None:
    """Add the seconds of fresh processes: so many with an empty cache, so many of every other kind in turns."""
    times: dict[str, list[float]] = {what: [] for what in (EMPTY, FILLED, *BELOW)}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(compilations):
                tell(f"first solve with an empty cache, {number + 1} of {compilations}")
                cache = {"NUMBA_CACHE_DIR": str(Path(folder) / str(number))}
                times[EMPTY].append(_start([FIRST_SOLVE], cache))
            for number in range(runs):
                tell(f"fresh processes, {number + 1} of {runs}")
                times[FILLED].append(_start([FIRST_SOLVE], cache))
                for what, command in BELOW.items():
                    times[what].append(_start(command, cache))
    except RuntimeError as error:
        results.faults.append(f"first solve: {error}")
    finally:
        for what, seconds in times.items():
            if seconds:
                low, median, high = np.quantile(seconds, (0.1, 0.5, 0.9)).tolist()
                results.starts.append(Start(what, median, low, high, len(seconds)))
        results.save()


def _start(command: Sequence[str], cache: Mapping[str, str]) -> float:
    """Seconds of a fresh process; its plan, if it makes one, is judged by its own gap.

    Raises
    ------
    RuntimeError
        If it failed, or its gap is open.
    """
    begin = time.perf_counter()
    done = _run(command, cache)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(_last_line(done.stderr))
    if done.stdout and not float(done.stdout) <= CERTIFIED.gap:
        raise RuntimeError(f"gap {done.stdout.strip()}")
    return seconds


def _run(command: Sequence[str], changes: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    # As a user's process would be: this one's choice for its peers is not passed on.
    inherited = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**inherited, **changes},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
