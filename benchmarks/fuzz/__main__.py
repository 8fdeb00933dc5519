"""Run a campaign: ``python -m benchmarks.fuzz --count 100000 --seed 1``; the same command goes on where it stopped."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .campaign import Order, run
from .drawing import LARGEST
from .report import page

ROOT = Path(__file__).parents[2]
# What a shell reports of a command that was interrupted: 128 + SIGINT.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign that is asked for; 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="instances")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--largest", type=int, default=LARGEST, help="devices of the largest fleets")
    parser.add_argument("--peers", type=int, default=0, help="how many of them IPOPT and Clarabel get as well")
    parser.add_argument("--shrink", type=int, default=3, help="failures of each kind to shrink to small cases")
    parser.add_argument("--jobs", type=int, default=_cores(), help="processes")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one instance")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz", help="for rows, summary and cases")
    parser.add_argument("--page", type=Path, help="where to write the page of the documentation as well")
    options = parser.parse_args(arguments)
    for name, least in (("count", 1), ("seed", 0), ("largest", 1), ("peers", 0), ("shrink", 0), ("jobs", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} must be at least {least}, got {getattr(options, name)}")
    if not options.limit > 0:
        parser.error(f"--limit must be positive, got {options.limit}")
    order = Order(
        options.seed,
        options.count,
        options.largest,
        options.peers,
        options.shrink,
        options.jobs,
        options.limit,
        options.folder,
    )
    try:
        figures = run(order)
    except KeyboardInterrupt:
        print(f"\ninterrupted; rows are in {options.folder}: the same command goes on", file=sys.stderr)
        return INTERRUPTED
    text = page(figures)
    if options.page is not None:
        options.page.write_text(text, encoding="utf-8")
    print(text)
    return 1 if figures["all"]["failures"] else 0


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
