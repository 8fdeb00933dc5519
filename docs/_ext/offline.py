"""After a build: every link inside leads somewhere, and no page asks the network for anything."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

# What a browser fetches when it opens a page, in contrast to what a reader may follow.
_FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Page(NamedTuple):
    """The names in a page that links can point to, the links, and what it fetches."""

    names: set[str]
    links: list[str]
    fetched: list[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page(set(), [], [])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the names and addresses of one tag."""
        given = {name: value for name, value in attrs if value}
        self.page.names.update(given[key] for key in ("id", "name") if key in given)
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag in _FETCHED and _FETCHED[tag] in given:
            self.page.fetched.append(given[_FETCHED[tag]])


def setup(app: Sphinx) -> dict[str, Any]:
    """Check what was built."""
    app.connect("build-finished", _check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _check(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.name == "html":
        for mistake in check(Path(app.outdir)):
            logger.warning(mistake)


def check(folder: Path) -> list[str]:
    """Broken links inside a site, and addresses of the network that its pages fetch, in words; none if all is well."""
    pages = {path.resolve(): read(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(folder.resolve())
        found += [f"{where} fetches {address}" for address in page.fetched if _is_remote(address)]
        inside = [link for link in page.links + page.fetched if not _is_remote(link)]
        found += [f"{where} points to {link}, which is not there" for link in inside if not _leads(path, link, pages)]
    for style in sorted(folder.rglob("*.css")):
        text = style.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            found.append(f"{style.relative_to(folder)} fetches from the network")
    return found


def read(path: Path) -> Page:
    """Names and links of one page."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def _is_remote(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "mailto")


def _leads(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme:  # data:, javascript:
        return parts.scheme == "data"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in pages:
        return target.exists()
    return not parts.fragment or unquote(parts.fragment) in pages[target].names
