"""Pages of the site that are files at the root of the repository: CHANGELOG.md, CONTRIBUTING.md, SECURITY.md."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "security": "SECURITY.md"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Put the files where their pages are."""
    app.connect("source-read", _put)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _put(app: Sphinx, page: str, source: list[str]) -> None:
    if page in PAGES:
        app.env.note_dependency(str(ROOT / PAGES[page]))
        source[0] = moved((ROOT / PAGES[page]).read_text(encoding="utf-8"))


def moved(text: str) -> str:
    """The text with its links as they are from the folder of the documentation."""
    return re.sub(r"\]\(([^)\s]+)\)", lambda link: f"]({_from_here(link[1])})", text)


def _from_here(target: str) -> str:
    if target.startswith(("http:", "https:", "#")):
        return target
    file, mark, heading = target.partition("#")
    pages = {name: f"{page}.md" for page, name in PAGES.items()}
    if file in pages:
        return pages[file] + mark + heading
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
