"""Imports go one way, and importing the package loads and prints nothing that it does not need."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "fimi_opt"
RUNTIME = {"numpy", "scipy", "numba"}
OPTIONAL = {"casadi", "clarabel", "cma", "cvxpy", "flwr", "hypothesis", "matplotlib", "mpmath", "pandas", "pytest"}
# The only files that may import more than the runtime dependencies: each belongs to an extra.
EXTRAS = ("plotting/", "plan/framing.py", "adapters/")


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def check_contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    return run_python(code, folder)


def imported_names(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("fimi_opt" if node.level else str(node.module).partition(".")[0])
    return names


def test_contracts_are_kept() -> None:
    done = check_contracts(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("certificate.py", "import fimi_opt._kernels"),
        ("certificate.py", "import fimi_opt.solvers"),
        ("models/radio.py", "import fimi_opt._kernels"),
        ("_kernels/__init__.py", "import fimi_opt.types"),
        ("errors.py", "import fimi_opt"),
        ("unplaced.py", "import math"),
    ],
)
def test_a_wrong_import_breaks_a_contract(tmp_path: Path, file: str, line: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = shutil.copytree(PACKAGE, tmp_path / "src" / "fimi_opt", ignore=shutil.ignore_patterns("__pycache__"))
    with (package / file).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}\n")
    done = check_contracts(tmp_path)
    assert done.returncode == 1
    module = "fimi_opt." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert "BROKEN" in done.stdout
    assert module in done.stdout


def test_source_imports_only_runtime_dependencies() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if not path.relative_to(PACKAGE).as_posix().startswith(EXTRAS)]
    assert files
    allowed = RUNTIME | {"fimi_opt"} | sys.stdlib_module_names
    foreign = {path.relative_to(ROOT).as_posix(): imported_names(path) - allowed for path in files}
    assert not {name: names for name, names in foreign.items() if names}


def test_import_is_silent_and_loads_no_extra() -> None:
    done = run_python("import sys, fimi_opt; import json; print(json.dumps(sorted(sys.modules)))", ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}  # fails if anything else was printed
    assert "fimi_opt" in loaded
    assert not loaded & OPTIONAL
