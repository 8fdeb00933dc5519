"""What the first solve of a process costs, and whether many processes at once can spoil the cache that they share.

``python benchmarks/cold_start.py times`` prints a table of medians; ``race`` starts processes at once on an empty
cache, round after round, forked and spawned by turns, and compares every answer bit by bit.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPEATS = 7
PATIENCE = 600.0  # seconds for all processes of a round

TIMES = """
import time
begun = time.perf_counter()
import fimi_opt as fo
imported = time.perf_counter()
devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
limits = fo.Constraints(0.2, 200, 60.0, 3e6, 2000)
{work}
worked = time.perf_counter()
{work}
print(imported - begun, worked - imported, time.perf_counter() - worked)
"""
WORKS = {"solve": "fo.solve(devices, limits)", "warm_up": "fo.warm_up()"}

RACE = """
import multiprocessing, os, sys
import fimi_opt as fo

DEVICES = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
LIMITS = fo.Constraints(0.2, 200, 60.0, 3e6, 2000)

def bound(): return fo.lower_bound(DEVICES, LIMITS, fo.PAPER_TASK, fo.Prices(80.0, 1e-6, 0.2)).hex()
def amounts(): return fo.allocate_data(DEVICES, LIMITS, [40.0, 41.0]).synthetic_samples.tobytes().hex()
def categories(): return fo.allocate_categories([[3, 1, 0], [0, 1, 1]], [4, 2]).tobytes().hex()
def plan():
    found = fo.solve(DEVICES, LIMITS)
    rows = found.synthetic_samples, found.frequency, found.bandwidth, found.power
    return b"".join(row.tobytes() for row in rows).hex() + found.lower_bound.hex()

def work(names, turn, together, answers):
    turn %= len(names)
    together.wait()
    done = {name: globals()[name]() for name in names[turn:] + names[:turn]}
    answers.put(" ".join(done[name] for name in names))

if __name__ == "__main__":
    method, count, *names = sys.argv[1:]
    context, count = multiprocessing.get_context(method), int(count)
    together, answers = context.Barrier(count), context.SimpleQueue()
    processes = [context.Process(target=work, args=(names, turn, together, answers)) for turn in range(count)]
    for process in processes: process.start()
    for process in processes: process.join()
    codes = [process.exitcode for process in processes]
    assert codes == [0] * count, codes
    found = {answers.get() for _ in processes}
    assert len(found) == 1, found
    print(*found)
"""
READER = RACE.partition("if __name__")[0] + "print(*(globals()[name]() for name in sys.argv[1:]))"


def fresh(cache: Path, *command: str) -> str:
    """Return what a new process prints that has its cache there."""
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}:\n{done.stderr}")
    return done.stdout


def times() -> None:
    """Print what an import, a first call and a second one take, with an empty cache and with a full one."""
    print(f"{'':22}{'import':>10}{'first':>10}{'again':>10}   seconds; medians of {REPEATS} where the cache is full")
    for name, work in WORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            rows = [_row(Path(folder), work) for _ in range(1 + REPEATS)]
        filled = [statistics.median(column) for column in zip(*rows[1:], strict=True)]
        for label, row in (("empty", rows[0]), ("full", filled)):
            print(f"{name}, cache {label}".ljust(22) + "".join(f"{seconds:10.4f}" for seconds in row))


def _row(cache: Path, work: str) -> list[float]:
    return [float(word) for word in fresh(cache, "-c", TIMES.format(work=work)).split()]


def race(processes: int, rounds: int, jobs: list[str]) -> None:
    """Start so many processes at once on an empty cache, as often as that; stop where an answer differs."""
    expected = set[str]()
    for number in range(1, rounds + 1):
        method = ("fork", "spawn")[number % 2]
        with tempfile.TemporaryDirectory() as folder:
            script, cache = Path(folder, "race.py"), Path(folder, "cache")
            script.write_text(RACE, encoding="utf-8")
            expected.add(fresh(cache, str(script), method, str(processes), *jobs))
            expected |= {fresh(cache, "-c", READER, *jobs) for _ in range(2)}
        if len(expected) > 1:
            raise SystemExit(f"round {number}, {method}: answers differ: {expected}")
        print(f"round {number} of {rounds}: {processes} processes by {method}, {' '.join(jobs)}: the same", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("times")
    racing = commands.add_parser("race")
    racing.add_argument("--processes", type=int, default=8)
    racing.add_argument("--rounds", type=int, default=50)
    racing.add_argument("--jobs", nargs="+", default=["bound"], choices=["bound", "amounts", "categories", "plan"])
    given = parser.parse_args()
    if given.command == "times":
        times()
    else:
        race(given.processes, given.rounds, given.jobs)


if __name__ == "__main__":
    main()
