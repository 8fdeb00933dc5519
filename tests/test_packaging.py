"""What ships is complete, says one version, and names no machine."""

import os
import re
import subprocess
import sys
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
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][A-Za-z0-9.]*)")
GENERATED = {"__pycache__", "build", "dist", "htmlcov"}
MACHINE_PATH = re.compile(r"(?<![\w.)}>])/(?:home|mnt|opt|root|tmp|Users|var|work)\b|\b[A-Za-z]:\\\w", re.ASCII)
REGISTRY = re.compile(
    r"pypi\.org|python[h]osted|index[-_]url|find[-_]links|file:/{2}|local[h]ost|/simple[/]|https?://[0-9.]+[:/]"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
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
    assert [line for line in PINS if not PIN.fullmatch(line)] == []
    names = [canonicalize_name(line.partition("==")[0]) for line in PINS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("wanted", requirements(), ids=str)
def test_every_dependency_is_pinned_inside_its_bounds(wanted: Requirement) -> None:
    pins = dict(line.split("==") for line in PINS)
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
