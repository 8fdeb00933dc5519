"""Make every row, picture and the page: ``python -m benchmarks.paper [PART ...]``."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fimi_opt as fo

from . import ablations, amounts, convergence, curves, limits, readings, schemes, searches
from .page import fill
from .progress import watch
from .rows import Part, Store, stamp_of

ROOT = Path(__file__).parents[2]
PARTS: tuple[Part[Any], ...] = tuple(
    module.PART for module in (schemes, readings, curves, convergence, amounts, ablations, limits, searches)
)
# What a shell reports of a command that was interrupted: 128 + SIGINT.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the parts that are asked for, and the page where all are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    names = ", ".join(part.name for part in PARTS)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these, without the page: {names}")
    parser.add_argument("--rows", type=Path, default=ROOT / "build" / "paper" / "rows.jsonl", help="finished rows")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the page and its pictures")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - {part.name for part in PARTS})
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}")
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("pictures need matplotlib: pip install 'fimi-opt[plot]'")
    try:
        make(options.rows, options.docs, options.parts)
    except KeyboardInterrupt:
        print(f"\ninterrupted; finished rows are in {options.rows}: the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def make(rows: Path, docs: Path, names: Sequence[str]) -> None:
    """Make the rows that are missing, then pictures, then the page if all parts (no names) are asked for."""
    from .drawing import save  # needs an extra

    store = Store(rows, stamp_of([Path(fo.__file__).parent, Path(__file__).parent]))
    texts: dict[str, str] = {}
    for part in PARTS:
        if names and part.name not in names:
            continue
        found = part.collect(store, watch)
        texts |= part.texts(found)
        save(part, found, docs / "reproduction")
    if not names:
        (docs / "reproduction.md").write_text(fill(texts), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
