"""Time every method at every size and write the page: ``python -m benchmarks.speed``."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[2]
SIZES = (20, 1_000, 100_000, 1_000_000)
TEN_MILLION = 10_000_000
# Rounds of a size; of its slow methods fewer, as many as fit into BUDGET seconds.
ROUNDS = {20: 30, 1_000: 30, 100_000: 20, 1_000_000: 15, TEN_MILLION: 5}
BUDGET = 20.0
FLEETS, FLEET, FLEET_ROUNDS = 10_000, 20, 7
COMPILATIONS, STARTS = 3, 15
NEEDED = ("casadi", "clarabel", "cma", "cvxpy", "matplotlib")
# What a shell reports of a command that was interrupted: 128 + SIGINT.
INTERRUPTED = 130

if TYPE_CHECKING:
    from .rows import Results


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, then write the picture and the page; 1 if an answer was not good enough to be timed."""
    options = _parse(arguments)
    # Before NumPy is loaded. Matrices of 60 x 80 are slower on several threads, which then wait in everybody's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # After the check that the extras are there.
    from .rows import Results, load
    from .table import HEADER, cells, plain

    file = options.docs / "benchmarks" / "results.json"
    if options.page:
        results = load(file)
    else:
        from .machine import describe

        results = Results(file, describe())
        results.save()
        try:
            _measure(results, options)
        except KeyboardInterrupt:
            print(f"\ninterrupted; what was measured is in {file}", file=sys.stderr)
            return INTERRUPTED
        print(plain(HEADER, [cells(results, row) for row in results.rows]))
    _write(results, options.docs)
    for failure in results.failures():
        print(failure, file=sys.stderr)
    return 1 if results.failures() else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="DEVICES", help="fleets to time")
    parser.add_argument("--ten-million", action="store_true", help="10,000,000 devices as well: minutes, and gigabytes")
    parser.add_argument(
        "--rounds", type=int, help="rounds of each size; default: 30 for the smallest, 5 for the largest"
    )
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds for the rounds of one method at one size")
    parser.add_argument("--fleets", type=int, default=FLEETS, help="fleets of the batch")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the page, results and picture")
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: page and picture from the results there are"
    )
    options = parser.parse_args(arguments)
    for name in ("rounds", "budget", "fleets"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            parser.error(f"--{name} must be positive, got {value}")
    if min(options.sizes) <= 0:
        parser.error(f"--sizes must be positive, got {min(options.sizes)}")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f"{', '.join(missing)} missing: pip install 'fimi-opt[bench]'")
    return options


def _measure(results: "Results", options: argparse.Namespace) -> None:
    """Measure all, small fleets first."""
    from .children import measure_memory, measure_starts
    from .contenders import LOOP, fleet, many
    from .measuring import measure
    from .rows import group_of

    sizes = sorted({*options.sizes, *([TEN_MILLION] if options.ten_million else [])})
    for size in sizes:
        measure(fleet(size), size, group_of(size), options.rounds or _rounds(size), options.budget, results)
    group = f"{options.fleets:,} fleets of {FLEET}"
    rounds = min(FLEET_ROUNDS, options.rounds or FLEET_ROUNDS)
    measure(many(options.fleets, FLEET), FLEET, group, rounds, options.budget, results, LOOP)
    for size in (size for size in sizes if size >= SIZES[-1]):
        measure_memory(size, results)
    runs = options.rounds or STARTS
    measure_starts(min(COMPILATIONS, runs), min(STARTS, runs), results)
    results.complete = True
    results.save()


def _rounds(size: int) -> int:
    """Rounds of a size: those of the next larger one that is listed."""
    return next((rounds for listed, rounds in ROUNDS.items() if size <= listed), ROUNDS[TEN_MILLION])


def _write(results: "Results", docs: Path) -> None:
    from .page import fill
    from .picture import draw

    draw(results, docs / "benchmarks" / "time.png")
    (docs / "benchmarks.md").write_text(fill(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
