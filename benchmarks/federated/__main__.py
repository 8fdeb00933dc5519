"""Measure, plan, synthesise, train, compare, and write the page: ``python -m benchmarks.federated``."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .campaign import Order, run
from .settings import ROUNDS

ROOT = Path(__file__).parents[2]
SEEDS = 20
# What a shell reports of a command that was interrupted: 128 + SIGINT.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all that is missing and write the page; 1 where FIMI is not ahead of TFL and HDC by the margin."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.federated", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="splits of the data, drops and starts")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of training")
    parser.add_argument("--jobs", type=int, default=_cores(), help="processes")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "federated", help="for finished rows")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the page and its pictures")
    parser.add_argument("--torch", action="store_true", help="with a diffusion model and a GAN, on a page of their own")
    options = parser.parse_args(arguments)
    for name, least in (("seeds", 2), ("rounds", 1), ("jobs", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} must be at least {least}, got {getattr(options, name)}")
    for module, extra in [("sklearn", "federated"), ("matplotlib", "plot"), *[("torch", "torch")] * options.torch]:
        if importlib.util.find_spec(module) is None:
            parser.error(f"{module} is missing: pip install 'fimi-opt[{extra}]'")
    order = Order(options.seeds, options.rounds, options.jobs, options.folder, options.torch)
    try:
        return report(order, options.docs)
    except KeyboardInterrupt:
        print(f"\ninterrupted; finished rows are in {options.folder}: the same command goes on", file=sys.stderr)
        return INTERRUPTED


def report(order: Order, docs: Path) -> int:
    """Run, draw, write the page, and say whether the one claim holds."""
    from . import page, pictures, tables  # matplotlib is an extra

    found = run(order)
    name = "federated-torch" if order.torch else "federated"
    docs.mkdir(parents=True, exist_ok=True)
    pictures.save(found, docs / name)
    (docs / f"{name}.md").write_text(page.fill(name, tables.texts(found)), encoding="utf-8")
    leads = tables.leads(found.runs)
    for lead in leads:
        print(lead.text)
    return 0 if all(lead.holds for lead in leads) else 1


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
