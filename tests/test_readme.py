"""The README's example prints what the README says."""

import contextlib
import io
import pathlib
import re

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


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
