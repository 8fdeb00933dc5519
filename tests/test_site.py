"""The site: every page is in its table of contents, links lead somewhere, and the reference holds every public name.

`make docs` checks links between pages and headings once more, as they were built; what it checks with is tested here.
"""

import importlib
import importlib.util
import pathlib
import re
import types

import pytest

import fimi_opt as fo

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"

# --- The site ---------------------------------------------------------------------------------------------------------


def all_pages() -> set[str]:
    found = (path.relative_to(DOCS) for pattern in ("*.md", "*.rst") for path in DOCS.rglob(pattern))
    return {str(path.with_suffix("")) for path in found if path.parts[0] not in ("_build", "_ext")}


def entries(page: str) -> set[str]:
    """Pages that a page's tables of contents name."""
    path = next(DOCS / f"{page}{suffix}" for suffix in (".md", ".rst") if (DOCS / f"{page}{suffix}").exists())
    text = path.read_text(encoding="utf-8")
    trees = re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
    trees += re.findall(r"^\.\. toctree::\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    lines = (line.strip() for tree in trees for line in tree.splitlines())
    folder = pathlib.PurePath(page).parent
    return {str(folder / line) for line in lines if line and not line.startswith(":")}


def test_every_page_is_in_the_table_of_contents() -> None:
    reached, todo = set(), {"index"}
    while todo:
        page = todo.pop()
        reached.add(page)
        todo |= entries(page) - reached
    assert reached == all_pages()


@pytest.mark.parametrize("page", sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    folder = (DOCS / page).parent
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)):
        if not re.match(r"https?:|#", target):
            assert (folder / target.partition("#")[0]).exists(), target


def test_root_files_link_to_what_is_there() -> None:
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            if not re.match(r"https?:|#", target):
                assert (ROOT / target.partition("#")[0]).exists(), target


# --- What the build checks --------------------------------------------------------------------------------------------


def extension(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "mistakes"),
    [
        ('<a href="other.html#there">.</a><img src="a.png"><a href="https://example.org">.</a>', []),
        ('<a href="other.html#gone">.</a>', ["index.html points to other.html#gone, which is not there"]),
        ('<a href="#gone">.</a>', ["index.html points to #gone, which is not there"]),
        ('<img src="gone.png">', ["index.html points to gone.png, which is not there"]),
        ('<a href="javascript:x()">.</a>', ["index.html points to javascript:x(), which is not there"]),
        ('<script src="https://example.org/x.js"></script>', ["index.html fetches https://example.org/x.js"]),
        ('<link href="//example.org/x.css">', ["index.html fetches //example.org/x.css"]),
    ],
)
def test_a_page_that_fetches_or_points_nowhere_is_found(body: str, mistakes: list[str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "index.html").write_text(body, encoding="utf-8")
    (tmp_path / "other.html").write_text('<h1 id="there">.</h1>', encoding="utf-8")
    (tmp_path / "a.png").touch()
    assert extension("offline").check(tmp_path) == mistakes


def test_a_style_that_fetches_is_found(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.css").write_text("body { background: url(https://example.org/x.png) }", encoding="utf-8")
    assert extension("offline").check(tmp_path) == ["x.css fetches from the network"]


def test_links_of_root_pages_are_moved() -> None:
    text = "[a](docs/ops.md#threads) [b](CHANGELOG.md) [c](examples/devices.csv) [d](https://example.org) [e](#here)"
    moved = "[a](ops.md#threads) [b](changelog.md) [c](../examples/devices.csv) [d](https://example.org) [e](#here)"
    assert extension("root_pages").moved(text) == moved


@pytest.mark.parametrize(
    ("formula", "drawn"),
    [
        (r"b\ln x", ["<mi>b</mi> <mspace", "<mi>ln</mi>", "</mspace> <mi>x</mi>"]),
        (r"\log_2(1 + x)", ["<msub> <mi>log</mi> <mn>2</mn> </msub>"]),
        (r"\bar\delta", ["<mover", "\u203e"]),
        (r"\frac{1}{I}\sum_i \delta_i", ["<mfrac>", "∑"]),
    ],
)
def test_formulas_become_mathml(formula: str, drawn: list[str]) -> None:
    text = " ".join(extension("mathml").convert(formula, as_block=True).split())
    assert all(part in text for part in drawn)


def test_a_formula_that_cannot_be_drawn_is_an_error() -> None:
    mathml = extension("mathml")
    with pytest.raises(mathml.MathError):
        mathml.convert(r"\nosuchcommand{x}", as_block=False)


# --- The programming interface ----------------------------------------------------------------------------------------


def documented() -> set[str]:
    """Full names that the reference's pages list, and the modules of which they list all."""
    found = set()
    for path in (DOCS / "api").glob("*.rst"):
        module = ""
        for directive, name in re.findall(r"^\.\. ([\w:]+):: ([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            if directive in ("currentmodule", "automodule"):
                module = name
            found.add(name if name.startswith("fimi_opt") else f"{module}.{name}")
    return found


def test_every_public_name_is_in_the_reference() -> None:
    found = documented()
    assert {f"fimi_opt.{name}" for name in fo.__all__} <= found


@pytest.mark.parametrize(
    "module", ["models", "baselines", "scenarios", "reading", "exporting", "partitions", "emulation", "plotting"]
)
def test_every_module_is_in_the_reference(module: str) -> None:
    name = f"fimi_opt.{module}"
    found = documented()
    assert name in found
    # autodoc finds what has a docstring of its own; constants and aliases are written by hand.
    loaded = importlib.import_module(name)
    for public_name in getattr(loaded, "__all__", ()):
        if not isinstance(getattr(loaded, public_name), type | types.FunctionType):
            source = (ROOT / "src" / "fimi_opt" / module / "__init__.py").read_text(encoding="utf-8")
            explained = re.search(rf'^{public_name}\b.*?^"""', source, re.MULTILINE | re.DOTALL)
            assert explained or f"{name}.{public_name}" in found, public_name
