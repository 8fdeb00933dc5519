"""The first solve of a process: what is loaded, what compiles, and a cache that may be missing, full, torn or old."""

import ast
import os
import pickle
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fresh import BOUND, CACHED, JOBS, PACKAGE, cached, copy_of_package, run

from fimi_opt import _jit

DECORATORS = {_jit.kernel.__name__, _jit.inlined.__name__}


@pytest.fixture
def locked(tmp_path: Path) -> Mapping[str, Path]:
    """An install, and a home, in which nobody can make the folder of a cache, not even root."""
    package = copy_of_package(tmp_path / "site")
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    return {"PYTHONPATH": tmp_path / "site", "HOME": tmp_path / "home"}


def lock_home(home: Path) -> None:
    home.mkdir()
    for name in (".cache", "Library", "AppData"):
        (home / name).touch()


@pytest.fixture(scope="module")
def expected() -> str:
    return run(BOUND)[0]


def test_import_leaves_out_what_no_solve_needs() -> None:
    code = "import sys, fimi_opt; print(*sys.modules)"
    unneeded = {"scipy.special", "scipy.optimize", "fimi_opt.baselines", "fimi_opt.reading", "fimi_opt.scenarios"}
    assert not unneeded & set(run(code))


WARM = (
    JOBS
    + """
import warnings
fo.warm_up()
warm = {key: kernel.signatures for key, kernel in kernels().items()}
fo.warm_up()
import numpy as np
import fleets
from fimi_opt.scenarios import paper

def attempt(problem, **options):
    try: return fo.solve(*problem, **options)
    except (fo.InfeasibleError, fo.NumericalError): return None

warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
problems = [paper(1), fleets.tightened(fleets.paper_like(6, 0), 1e-9), *(fleets.wild(10, seed) for seed in range(10))]
problems += [fleets.degenerate(name, count, 11) for name in fleets.DEGENERATE for count in (1, 7)]
for problem in problems: attempt(problem)
attempt(paper(1, devices=40_000, bandwidth=4e10))
attempt(paper(1, devices=40_000, bandwidth=4e8))
attempt(paper(1, devices=10_000, bandwidth=1e9))
attempt(paper(2), method="cross-entropy", search=fo.CrossEntropy(100, 10, 3))
# Integers, other types and layouts, arrays that can be written and that cannot.
task = fo.Task(fo.PAPER_TASK.learning, 5_000_000, 1, 110_000_000)
devices = fo.Devices(np.array([1250, 900, 700, 800], np.float32)[::2], 5e-27, 1_500_000_000, [3e-11, 1e-10], [1, 1])
limits = fo.Constraints(np.float32(0.2), 200, 60, np.int64(3_000_000), [2000, 1999])
plan = fo.solve(devices, limits, task, tol=1)
fo.solve_many([(devices, limits, task), paper(3)])
fo.solve(devices, limits, task, warm_start=plan)
split = plan.compute_time, plan.upload_time, plan.bandwidth
for prices in (plan.prices, fo.Prices(1, 1, 1), fo.Prices(np.float64(1), 0, 0)):
    fo.lower_bound(devices, limits, task, prices)
    fo.lower_bound(devices, limits, task, prices, fo.Split(*split))
    fo.lower_bound(devices, limits, task, prices, fo.Split(*(row.copy() for row in split)))
fo.verify(plan)
fo.allocate_data(devices, limits, plan.compute_time, task)
fo.allocate_data(devices, limits, plan.compute_time.copy(), task)
fo.allocate_bandwidth(devices, limits, plan.upload_time, task)
fo.allocate_bandwidth(devices, limits, plan.upload_time.copy(), task)
categories()
for key, kernel in kernels().items():
    if warm[key] != kernel.signatures:
        print(kernel.py_func.__qualname__, *set(kernel.signatures) - set(warm[key]))
"""
)


@pytest.mark.slow
def test_after_warm_up_nothing_is_compiled_or_loaded() -> None:
    for _ in range(2):  # the second time from a cache that holds all
        assert run(WARM) == []


@pytest.mark.release
@pytest.mark.slow
def test_cache_lies_beside_the_source_where_that_can_be_written(tmp_path: Path, expected: str) -> None:
    package = copy_of_package(tmp_path / "site")
    home = tmp_path / "home"
    found = run(BOUND, PYTHONPATH=package.parent, HOME=home)
    assert found[0] == expected
    assert cached(package / "certificate" / "__pycache__")
    assert not home.exists()
    again = run(BOUND, PYTHONPATH=package.parent, HOME=home)
    assert again[0] == expected
    assert (int(again[1]) > 0, int(again[2])) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["home", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "nowhere"])
def test_read_only_install(tmp_path: Path, locked: Mapping[str, Path], place: str, expected: str) -> None:
    chosen: dict[str, Path] = {}
    if place != "home":
        lock_home(locked["HOME"])
    if place.isupper():
        chosen = {place: tmp_path / "chosen"}
    if place == "XDG_CACHE_HOME" and sys.platform != "linux":
        pytest.skip("a convention of Linux")
    assert run(BOUND, **locked, **chosen)[0] == expected
    assert bool(cached(tmp_path)) == (place != "nowhere")
    assert bool(cached(locked["HOME"])) == (place == "home")


@pytest.mark.release
@pytest.mark.slow
@pytest.mark.parametrize("name", ["site.zip", "site.pyz"])  # numba knows the first
@pytest.mark.parametrize("writable", [True, False])
def test_install_in_an_archive(tmp_path: Path, name: str, writable: bool, expected: str) -> None:
    copy_of_package(tmp_path / "site")
    archive = shutil.make_archive(str(tmp_path / "site"), "zip", tmp_path / "site")
    os.rename(archive, tmp_path / name)
    if not writable:
        lock_home(tmp_path / "home")
    assert run(BOUND, PYTHONPATH=tmp_path / name, HOME=tmp_path / "home")[0] == expected
    assert bool(cached(tmp_path)) == (writable and name.endswith(".zip"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of resources are Unix's")
def test_full_disk(tmp_path: Path, expected: str) -> None:
    # No file may grow by a byte, as on a full disk; files can still be made, so that numba thinks it may cache.
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    assert run(full + BOUND, NUMBA_CACHE_DIR=tmp_path)[0] == expected
    assert run(BOUND, NUMBA_CACHE_DIR=tmp_path)[0] == expected


@pytest.mark.release
@pytest.mark.slow
@pytest.mark.parametrize("pattern", CACHED)
def test_damaged_cache_mends_itself(tmp_path: Path, pattern: str, expected: str) -> None:
    run(BOUND, NUMBA_CACHE_DIR=tmp_path)
    paths = sorted(tmp_path.rglob(pattern))
    for number, path in enumerate(paths):
        whole = path.read_bytes()
        path.write_bytes([whole[: len(whole) // 2], b"", b"no pickle", pickle.dumps(None)][number % 4])
    damaged, mended = (run(BOUND, NUMBA_CACHE_DIR=tmp_path) for _ in range(2))
    assert damaged[0] == mended[0] == expected
    assert int(damaged[2]) == len(paths) > 4
    assert int(mended[2]) == 0


@pytest.mark.slow
def test_code_from_before_a_change_in_another_file_is_not_run(tmp_path: Path) -> None:
    package = copy_of_package(tmp_path / "site")
    places = {"PYTHONPATH": package.parent, "NUMBA_CACHE_DIR": tmp_path / "cache"}
    fresh, before = run(BOUND, **places), run(BOUND, **places)
    assert int(before[2]) == 0
    with (package / "_kernels" / "__init__.py").open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    assert run(BOUND, **places) == fresh  # as many hits and misses as with no cache


def test_kernels_use_only_what_the_cache_watches() -> None:
    checked = 0
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = ".".join(("fimi_opt", *path.relative_to(PACKAGE).parts[:-1], ""))
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        origin = {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            if any(isinstance(by, ast.Name) and by.id in DECORATORS for by in function.decorator_list):
                used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} - DECORATORS
                modules = {origin[name] for name in used if origin.get(name, "").startswith("fimi_opt")}
                assert all(module.startswith((own, "fimi_opt._")) for module in modules), (path, function.name)
                checked += 1
    assert checked > 20


def test_code_of_another_signature_is_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries: Any = _jit._Entries  # numba's have no types
    one, other, later = (entries(str(tmp_path), "kernel", "stamp") for _ in range(3))
    save_data = one._save_data

    def interrupted(name: str, data: Any) -> None:
        other.save("float", "code for floats")
        save_data(name, data)

    # Both read the index before either wrote it, so both number their code 1: the index is other's, the code is one's.
    monkeypatch.setattr(other, "_load_index", dict)
    monkeypatch.setattr(one, "_save_data", interrupted)
    one.save("int", "code for ints")
    assert later.load("float") is None
    later.save("float", "code for floats")
    later.save("int", "code for ints")
    assert (later.load("float"), later.load("int")) == ("code for floats", "code for ints")
    changed = entries(str(tmp_path), "kernel", "another stamp")
    assert changed.load("int") is None
