"""What ships is complete, says one version, and names no machine."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fimi_opt

ROOT = Path(__file__).resolve().parents[1]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
# Extras whose packages can't be installed beside the others: pinned apart.
APART = {
    name: (ROOT / f"constraints-{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("nvflare", "torch")
}
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][A-Za-z0-9.]*)")
GENERATED = {"__pycache__", "build", "dist", "htmlcov"}
MACHINE_PATH = re.compile(r"(?<![\w.)}>])/(?:home|mnt|opt|root|tmp|Users|var|work)\b|\b[A-Za-z]:\\\w", re.ASCII)
REGISTRY = re.compile(
    r"pypi\.org|python[h]osted|index[-_]url|find[-_]links|file:/{2}|local[h]ost|/simple[/]|https?://[0-9.]+[:/]"
)


# One plan, without JIT: what is installed is complete, and compiling is tested elsewhere.
USE = """
import fimi_opt as fo
devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
print(fo.__file__, fo.__version__, plan.status.name)
"""


def build(folder: Path, root: Path = ROOT) -> tuple[Path, Path]:
    """Wheel and sdist of that tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built[0]) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def requirements() -> list[Requirement]:
    """Every declared dependency, of run time and of the extras, but the package itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    return [wanted for wanted in map(Requirement, lines) if canonicalize_name(wanted.name) != project["name"]]


def tracked_files() -> list[Path]:
    """The files of the repository, new ones included; of the folder, where there is no repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""
    paths = [ROOT / name for name in listed.split("\0") if name]
    if ROOT / "pyproject.toml" not in paths:  # no repository, or the folder of another one
        paths = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in GENERATED and (name == ".ci" or name[0] != ".")]
            paths += [Path(folder, name) for name in files]
    return [path for path in paths if path.is_file()]


def test_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in tracked_files() if path.is_relative_to(source)}
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert "fimi_opt/py.typed" in shipped
    assert shipped == files


def test_wheel_has_neither_tests_nor_caches(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {"fimi_opt", f"fimi_opt-{fimi_opt.__version__}.dist-info"}
    assert [name for name in names if not name.endswith((".py", ".typed", ".json")) and ".dist-info/" not in name] == []


def test_sdist_holds_the_tests_and_no_caches(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert inside >= {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "tests/test_packaging.py"}
    tracked = {path.relative_to(ROOT).as_posix() for path in tracked_files()}
    assert inside - tracked == {"PKG-INFO"}


def test_builds_are_the_same_to_the_bit(built: tuple[Path, Path], tmp_path: Path) -> None:
    # The sdist is another folder with other dates; what it builds is what the repository builds.
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    for path in root.rglob("*"):
        os.utime(path, (1e9, 1e9))
    again = build(tmp_path / "again", root)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_install_and_plan(built: tuple[Path, Path], kind: str, tmp_path: Path) -> None:
    archive = built[kind == "sdist"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(archive)], check=True, capture_output=True)
    place = {"PYTHONPATH": str(tmp_path / "site"), "NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", USE]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **place}, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [
        str(tmp_path / "site" / "fimi_opt" / "__init__.py"),
        fimi_opt.__version__,
        "OPTIMAL",
    ]


def test_wheel_metadata(metadata: Message) -> None:
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert {wanted.name for wanted in required if wanted.marker is None} == {"numpy", "scipy", "numba"}
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"


def test_one_version(metadata: Message) -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert fimi_opt.__version__ == metadata["Version"] == cited[1]


def test_constraints_are_exact_and_without_address() -> None:
    for pins in (PINS, *APART.values()):
        assert [line for line in pins if not PIN.fullmatch(line)] == []
        names = [canonicalize_name(line.partition("==")[0]) for line in pins]
        assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("wanted", requirements(), ids=str)
def test_every_dependency_is_pinned_inside_its_bounds(wanted: Requirement) -> None:
    pins = dict(line.split("==") for line in APART.get(wanted.name, PINS))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)])


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if MACHINE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


# In pieces, so that the search does not find this file.
@pytest.mark.parametrize(
    "line",
    [
        *(f"see /{name}/x" for name in ("home", "mnt", "opt", "root", "tmp", "Users", "var", "work")),
        "path=/" + "tmp",
        "C:" + r"\Users",
        "--index" + "-url x",
        "https://" + "10.0.0.1:8080/x",
        "pypi" + ".org",
    ],
)
def test_the_search_finds_what_it_should(line: str) -> None:
    assert MACHINE_PATH.search(line) or REGISTRY.search(line)


def test_ci_script_is_executable() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
