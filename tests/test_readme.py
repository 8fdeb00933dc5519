"""The README says what is so: its example, commands, links, names and figures."""

import contextlib
import importlib.util
import inspect
import io
import pathlib
import re

import fimi_opt as fo
from fimi_opt.__main__ import main

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_stands_below_it() -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    [expected] = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert without_gap(printed.getvalue()) == without_gap(expected)


def without_gap(text: str) -> str:
    """The gap is rounding's: its digits differ from machine to machine."""
    return re.sub(r"gap [-\d.e]+", "gap", text)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(targets) > 15
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_names_are_those_of_the_package() -> None:
    names = set(re.findall(r"`(?:fo\.)?([a-z_]+)\(", README)) | set(re.findall(r"`fimi_opt\.(\w+)`", README))
    assert {"solve", "verify", "partitions"} <= names
    for name in names:
        assert hasattr(fo, name) or importlib.util.find_spec(f"fimi_opt.{name}"), name


def test_keywords_are_those_of_solve() -> None:
    given = set(re.findall(r"solve\(\.\.\., (\w+)=", README))
    assert {"warm_start", "integer", "method"} <= given <= set(inspect.signature(fo.solve).parameters)


def test_make_plans_the_fleet_that_is_named(tmp_path: pathlib.Path) -> None:
    [line] = re.findall(r'make plan ARGS="([^"]+)"', README)
    out = tmp_path / "plan.json"
    words = [str(out) if word == "plan.json" else word for word in line.split()]
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(io.StringIO()):
        assert main(words) == 0
    assert fo.Plan.from_json(out.read_text(encoding="utf-8")).status is fo.Status.OPTIMAL


def test_its_targets_are_the_makefiles() -> None:
    targets = set(re.findall(r"`make ([a-z-]+)`|^\$ make ([a-z-]+)", README, re.MULTILINE))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"plan", "test"} <= {a or b for a, b in targets} <= known


def test_its_figures_are_those_of_the_benchmarks() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for size, ratio in (("20", "69"), ("1,000", "209")):
        assert f"{ratio} times as long" in README
        [row] = re.findall(rf"^\| IPOPT[^|]*\| {size} \|.*", page, re.MULTILINE)
        assert f"{float(row.split('|')[5].replace(',', '')):.0f}" == ratio


def test_its_figures_are_those_of_the_campaign() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    [count] = re.findall(r"^Seed \d+, ([\d,]+) instances", page, re.MULTILINE)
    [share] = re.findall(r"certified to a gap of 1e-9: ([\d.]+) %", page)
    [worst] = re.findall(r"The largest gap is ([-\de.+]+),", page)
    text = " ".join(README.split())
    assert f"Of {count} random instances" in text
    [(said_share, said_worst)] = re.findall(r"([\d.]+) % of those .*? certified to 1e-9 and all to ([-\de.]+);", text)
    assert float(said_share) <= float(share)
    assert float(worst) <= float(said_worst)


def test_its_figures_are_those_of_the_training() -> None:
    page = (ROOT / "docs" / "federated.md").read_text(encoding="utf-8")
    [lead] = re.findall(r"scarce: FIMI less TFL, equal steps: \+([\d.]+ ± [\d.]+) points", page)
    assert f"worth {lead} points" in " ".join(README.split())
