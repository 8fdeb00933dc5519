"""A plan on real processes, measured: ``python -m benchmarks.testbed``; it needs root and Linux."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import network, report
from .commands import TestbedError
from .plans import set_up
from .preflight import facilities
from .running import measure, sweep

PAGE = Path(__file__).parents[2] / "docs" / "testbed.md"
# pytest's and automake's mark of what was left out.
SKIPPED = 77


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test bed and print planned against measured times; 77 where this machine cannot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.testbed", description=__doc__)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="the deadline of a round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cycles",
        action="store_true",
        help="train for the planned processor time, not the planned steps: for a machine that others use as well",
    )
    parser.add_argument("--check", action="store_true", help="only say whether this machine can, and clean up")
    parser.add_argument("--write", action="store_true", help=f"the table into {PAGE.parent.name}/{PAGE.name}")
    options = parser.parse_args(arguments)
    for name, value, most in (("devices", options.devices, network.MOST_DEVICES), ("rounds", options.rounds, 1000)):
        if not 1 <= value <= most:
            parser.error(f"--{name} must be between 1 and {most}, got {value}")
    if not 1 <= options.seconds <= 600:
        parser.error(f"--seconds must be between 1 and 600, got {options.seconds:g}")
    if options.seed < 0:
        parser.error(f"--seed must be at least 0, got {options.seed}")
    try:
        groups = facilities()
        if isinstance(groups, str):
            _show(f"skipped: {groups}")
            return SKIPPED
        for run in sweep(groups):
            _show(f"removed what {run} had left")
        if options.check:
            print(f"this machine can: cgroup version {groups.version}")
            return 0
        setup = set_up(options.devices, options.seconds, len(os.sched_getaffinity(0)), options.seed)
        outcome = measure(setup, options.rounds, groups, _show, options.cycles)
    except TestbedError as error:
        _show(f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        _show("interrupted: what was made is removed")
        return 130
    print(report.text(report.rows(setup, outcome)))
    print("", *report.summary(setup, outcome), report.conditions(setup, outcome), sep="\n")
    if options.write:
        page = report.replaced(PAGE.read_text(encoding="utf-8"), report.markdown(setup, outcome))
        PAGE.write_text(page, encoding="utf-8")
    return 0


def _show(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
