"""Which faults the tests notice: ``python -m benchmarks.mutation``; modules by name, all without."""

import argparse
import ast
import importlib
import json
import math
import os
import random
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .modules import PREPARED, TESTS, tests_of
from .mutants import mutant, sites
from .running import Finder, run_all

ROOT = Path(__file__).parents[2]
# A mutant that takes this many times as long as none is noticed.
_SLOWER = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try a sample of each module's mutants; 1 where a fault went unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as models.radio; by default all that have tests named here")
    parser.add_argument("--count", type=int, default=25, help="mutants of each module, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--limit", type=int, default=60, help="seconds of CPU for one mutant, at least; more counts as noticed"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--source", type=Path, default=ROOT / "src", help="of the package")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "mutation", help="for results and logs")
    parser.add_argument("--tests", nargs="+", help="arguments of pytest in place of the module's own")
    parser.add_argument("--lines", type=int, nargs="+", help="only the mutants of these lines")
    options = parser.parse_args(arguments)
    if options.modules and not set(options.modules) <= set(TESTS):
        parser.error(f"no tests are named for {', '.join(sorted(set(options.modules) - set(TESTS)))}")
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # a mutant of a kernel would cost a compilation
    os.chdir(ROOT)
    sys.path.insert(0, str(options.source))
    for name in PREPARED:
        importlib.import_module(name)
    unnoticed = 0
    for module in options.modules or TESTS:
        unnoticed += _try(module, options)
    return 1 if unnoticed else 0


def _seconds() -> float:
    """CPU time of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _try(module: str, options: argparse.Namespace) -> int:
    """Try one module's mutants and write what became of them; return how many went unnoticed."""
    path = options.source.joinpath("fimi_opt", *module.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    every = sites(source)
    drawn = sites(source)
    random.Random(f"{options.seed} {module}").shuffle(drawn)  # so that the first of many are those of few
    chosen = [site for site in drawn[: options.count] if not options.lines or site.line in options.lines]
    name = f"fimi_opt.{module}"
    tests = options.tests or tests_of(module)
    log = options.folder / f"{module}.log"
    plain = [(module, Finder(name, path, ast.parse(source)))]
    jobs = [(site, Finder(name, path, mutant(source, site))) for site in chosen]
    before = _seconds()
    for _, result, seconds in run_all(plain, tests, 10 * options.limit, 1, log):
        if result != "survived":
            raise SystemExit(f"{module}: its tests fail without any fault ({result}): {log}")
        print(f"{module}: {len(chosen)} of {len(every)} mutants; tests take {seconds:.0f} s", flush=True)
    limit = max(options.limit, math.ceil(_SLOWER * (_seconds() - before)))
    results: list[dict[str, Any]] = []
    for site, result, seconds in run_all(jobs, tests, limit, options.jobs, log):
        results.append({"line": site.line, "change": site.change, "result": result, "seconds": round(seconds, 1)})
        if sys.stderr.isatty():
            print(f"\r{module}: {len(results)} ", end="", file=sys.stderr, flush=True)
        if result == "survived":
            print(f"  {path.name}:{site.line}: {site.change}", flush=True)
    survivors: int = sum(row["result"] == "survived" for row in results)
    print(f"{module}: {len(results) - survivors} of {len(results)} noticed", flush=True)
    found = {"module": module, "possible": len(every), "results": sorted(results, key=lambda row: row["line"])}
    (options.folder / f"{module}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
