"""Draw the pictures of docs/plots.md by the lines that stand there: ``python docs/plots.py``."""

import contextlib
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("plots.md")


def code(page: Path = PAGE) -> str:
    """Return the Python code of the page, in its order."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def draw(folder: Path) -> None:
    """Draw every picture into ``plots`` below a folder."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        exec(compile(code(), str(PAGE), "exec"), names)


if __name__ == "__main__":
    draw(PAGE.parent)
