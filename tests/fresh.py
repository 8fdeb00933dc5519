"""New processes, with a cache of compiled kernels that is the test's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fimi_opt as fo

PACKAGE = Path(fo.__file__).resolve().parent
TESTS = Path(__file__).resolve().parent
# Files of the cache: an index per kernel, and a file per signature.
CACHED = ("*.nbi", "*.nbc")

# What the subprocesses share: three small jobs with kernels of their own, and what became of the kernels.
JOBS = """
import sys
import fimi_opt as fo
from numba.core.dispatcher import Dispatcher

DEVICES = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
LIMITS = fo.Constraints(0.2, 200, 60.0, 3e6, 2000)

def bound(): return fo.lower_bound(DEVICES, LIMITS, fo.PAPER_TASK, fo.Prices(80.0, 1e-6, 0.2)).hex()
def amounts(): return fo.allocate_data(DEVICES, LIMITS, [40.0, 41.0]).synthetic_samples.tobytes().hex()
def categories(): return fo.allocate_categories([[3, 1, 0], [0, 1, 1]], [4, 2]).tobytes().hex()

def kernels():
    modules = [module for name, module in sys.modules.items() if name.startswith("fimi_opt")]
    return {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}

def counts():
    stats = [kernel.stats for kernel in kernels().values()]
    return tuple(sum(sum(one[field].values()) for one in stats) for field in (1, 2))  # cache hits, misses
"""
BOUND = JOBS + "print(bound(), *counts())"


def run(code: str | Path, *arguments: str, **environment: str | Path) -> list[str]:
    """Words that a new process prints, of code or a script; where its cache lies is the caller's business alone."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_CACHE", "XDG_CACHE"))}
    places = {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(TESTS)]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", *([code] if isinstance(code, Path) else ["-c", code]), *arguments],
        env={**given, **places, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def cached(folder: Path) -> list[Path]:
    return sorted(path for pattern in CACHED for path in folder.rglob(pattern))


def copy_of_package(folder: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, folder / "fimi_opt", ignore=shutil.ignore_patterns("__pycache__")))
