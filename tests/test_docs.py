"""The documentation's own pages: what they show runs as it stands, what they name exists.

The other pages (errata, prices, plan files, ...) are run by tests of their own; how pages hang together and what their
build checks is in test_site.py.
"""

import contextlib
import functools
import importlib
import io
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from typing import Any, NamedTuple

import pytest

import fimi_opt as fo

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages written by hand for the site, every block of which is run here.
PAGES = ("index", "getting-started", "choosing", "certificate", "mathematics", *(
    f"recipes/{page.stem}" for page in sorted((DOCS / "recipes").glob("*.md"))
))  # fmt: skip

# The choice's figures are rounded, and a machine is as fast as it is on the day.
FIGURES = 1.5
# The worked example's bound and the library's: both are sums of some ten terms, and the library takes off what rounding
# can have added, some 1e-13 of the terms.
SAME_BOUND = 1e-12


def read(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


# --- What is shown ----------------------------------------------------------------------------------------------------


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)]


def without_rounding(text: str) -> str:
    """The digits of a certified gap are rounding's, and differ from machine to machine."""
    return re.sub(r"gap [-\d.e]+", "gap", text)


def run(page: str, names: dict[str, Any]) -> list[tuple[str, str]]:
    """Run the page's Python in order; what each block printed, and what the page says that it prints."""
    shown, found = blocks(page), []
    for index, block in enumerate(shown):
        if block.language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(block.text, f"{page}.md", "exec"), names)
            following = shown[index + 1] if index + 1 < len(shown) else None
            says = following.text if following is not None and following.language == "text" else ""
            found.append((printed.getvalue(), says))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_python_prints_what_the_page_says(page: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for printed, says in run(page, {}):
        assert without_rounding(printed) == without_rounding(says)


def test_commands_print_what_the_page_says(tmp_path: pathlib.Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    consoles = [block.text for block in blocks("getting-started") if block.language == "console"]
    assert len(consoles) == 2
    for console in consoles:
        command, _, says = console.partition("\n")
        arguments = re.sub(r"^\$ (make plan|\.venv/bin/python -m fimi_opt) ?", "", command)
        assert not arguments.startswith("$")
        done = subprocess.run(
            [sys.executable, "-m", "fimi_opt", *shlex.split(arguments)],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        # "..." stands for lines that are left out.
        pieces = [re.escape(piece) for piece in without_rounding(says).split("...\n")]
        assert re.fullmatch("(?s:.*)".join(pieces), without_rounding(done.stdout))
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["schema"] == "fimi-plan/1"


def test_the_bound_by_hand_is_the_librarys() -> None:
    names: dict[str, Any] = {}
    run("certificate", names)
    devices, limits, task, plan = (names[name] for name in ("devices", "limits", "task", "plan"))
    for part in (0.5, 1.0, 2.0):
        nu, w = part * names["nu"], part * names["w"]
        proven = fo.lower_bound(devices, limits, task, fo.Prices(nu, w, 0.0))
        assert proven == pytest.approx(names["q"](nu, w), rel=SAME_BOUND)
    assert plan.energy == pytest.approx(names["q"](names["nu"], names["w"]), rel=SAME_BOUND)


def test_the_bound_by_hand_is_as_short_as_the_page_says() -> None:
    [code] = [block.text for block in blocks("certificate") if "def inner" in block.text]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("print") and '"""' not in line]
    assert len(lines) <= 15


# --- What is said -----------------------------------------------------------------------------------------------------

UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}


@pytest.mark.parametrize(
    ("row", "figure", "method", "devices"),
    [
        ("the plan of least energy", 0, "solve", 20),
        ("the plan of least energy", 1, "solve", 1000),
        ("the plan of least energy", 2, "solve", 1_000_000),
        ("the same every round", 0, "solve, warm start", 20),
        ("the same every round", 1, "solve, warm start", 100_000),
        ("many fleets", 0, "solve_many", 20),
        ("the paper's search", 0, "cross-entropy", 20),
    ],
)
def test_times_are_those_of_the_benchmarks(row: str, figure: int, method: str, devices: int) -> None:
    [line] = [line for line in read("choosing").splitlines() if line.startswith(f"| {row}")]
    value, unit = re.findall(r"([\d.]+) (µs|ms|s)\b", line.rsplit("|", 2)[1])[figure]
    rows = json.loads((DOCS / "benchmarks" / "results.json").read_text(encoding="utf-8"))["rows"]
    [measured] = [found["median"] for found in rows if (found["method"], found["devices"]) == (method, devices)]
    assert 1 / FIGURES < float(value) * UNITS[unit] / measured < FIGURES


@pytest.mark.parametrize("page", PAGES)
def test_functions_that_are_named_exist(page: str) -> None:
    for name in re.findall(r"`(?:fo|fimi_opt)\.([a-z_A-Z.]+)", read(page)):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"fimi_opt.{name.split('.')[0]}")
        functools.reduce(getattr, name.rstrip(".").split("."), fo)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/release.md", "docs/citing.md"])
def test_files_that_are_named_exist(page: str) -> None:
    places = (ROOT, ROOT / "src" / "fimi_opt", ROOT / "src" / "fimi_opt" / "baselines", DOCS / "api")
    named = re.findall(r"`([\w./-]+\.(?:py|md|rst|toml|txt|cff))`", (ROOT / page).read_text(encoding="utf-8"))
    assert named
    for name in set(named) - {"utils.py"}:  # of which there is none
        assert any((place / name).exists() for place in places), name


def test_architecture_names_every_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract["name"] == "Imports go one way"]
    [table] = re.findall(r"^\| layer .*?(?=\n\n)", read("architecture"), re.MULTILINE | re.DOTALL)
    rows = [row.split("|")[2] for row in table.splitlines()[2:]]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [re.findall(r"\w+", layer) for layer in layers]


def test_as_many_errata_as_the_page_says() -> None:
    assert f"[{read('errata').count(chr(10) + '## ')} entries of errata]" in read("citing")


# --- Notation ---------------------------------------------------------------------------------------------------------


def fields_of(kind: type) -> set[str]:
    if issubclass(kind, tuple):
        return set(getattr(kind, "_fields", ()))
    return set(getattr(kind, "__dataclass_fields__", ()))


def public(kind: type) -> set[str]:
    """Fields, and values that are formed from them."""
    formed = {
        name
        for name, value in vars(kind).items()
        if not name.startswith("_") and (isinstance(value, property) or type(value).__name__ == "lazy")
    }
    return fields_of(kind) | formed


# What a plan holds beside quantities.
NO_LETTER = {"prices", "status", "method", "devices", "constraints", "task", "scheme", "history"}


@pytest.mark.parametrize(
    ("kinds", "heading"),
    [
        ((fo.Devices,), "What a device has"),
        ((fo.Task, fo.LearningCurve), "What is trained"),
        ((fo.Constraints,), "What limits a plan"),
        ((fo.Plan,), "What a plan says"),
        ((fo.Prices,), "What limits cost"),
    ],
)
def test_notation_names_every_field(kinds: tuple[type, ...], heading: str) -> None:
    [section] = [part for part in read("notation").split("\n## ") if part.startswith(heading)]
    named = re.findall(r"^\|[^|]*\| `(\w+)` \|", section, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == set().union(*(public(kind) for kind in kinds)) - NO_LETTER


def test_shapes_of_the_notation_are_those_of_a_plan() -> None:
    devices = fo.Devices([4.0, 6.0], 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[1, 1, 2], [2, 2, 2]])
    plan = fo.solve(devices, fo.Constraints(0.9, 200, 60.0, 3e6, 2000))
    sizes = {"(I,)": (2,), "(I, C)": (2, 3), "": ()}
    for holder, heading in ((devices, "What a device has"), (plan, "What a plan says")):
        [section] = [part for part in read("notation").split("\n## ") if part.startswith(heading)]
        rows = re.findall(r"^\|[^|]*\| `(\w+)` \| ?([^|]*?) ?\|", section, re.MULTILINE)
        assert rows
        for name, shape in rows:
            value = getattr(holder, name)
            assert (getattr(value, "shape", (len(value),) if name == "ids" else ())) == sizes[shape], name
