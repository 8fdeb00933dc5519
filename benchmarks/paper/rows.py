"""Rows of results on disk, one line each: a run that was interrupted goes on where it stopped.

A row belongs to its settings and to a stamp of the code that made it; rows of other code are not used.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Settings: TypeAlias = Mapping[str, str | int | float]


class Record(Protocol):
    """A NamedTuple of numbers, texts and lists of them."""

    def _asdict(self) -> dict[str, Any]: ...


RowT = TypeVar("RowT", bound=Record)
Watch: TypeAlias = Callable[[Sequence[Settings], str], Iterable[Settings]]


def whole_lines(path: Path) -> list[str]:
    """Lines of a file that is appended to, none where it is missing; what an interruption left of one is cut off."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    return whole.decode("utf-8").splitlines()


class Store:
    """A JSON-lines file that rows are appended to as they are finished.

    Parameters
    ----------
    path
        The file; made, with its folder, where it is missing.
    stamp
        What the rows depend on beside their settings: see :func:`stamp_of`.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self._path, self._stamp = path, stamp
        self._lines: dict[str, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()

    def row(self, name: str, settings: Settings, make: Callable[[], Record]) -> dict[str, Any]:
        """Return the saved row of these settings, or make and save it; both are read back from their line."""
        key = json.dumps([name, dict(settings)], sort_keys=True)
        if key not in self._lines:
            line = json.dumps(make()._asdict())
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([self._stamp, key, line]) + "\n")
            self._lines[key] = line
        row: dict[str, Any] = json.loads(self._lines[key])
        return row

    def _read(self) -> None:
        """Take over the lines with this stamp."""
        for text in whole_lines(self._path):
            stamp, key, line = json.loads(text)
            if stamp == self._stamp:
                self._lines[key] = line


@dataclass(frozen=True)
class Part(Generic[RowT]):
    """One table or picture: which rows it needs, how to draw them and what to say about them.

    Attributes
    ----------
    name
        Of the part, its rows and its picture.
    kind
        The rows' class.
    measure
        Makes the row of one entry of `settings`.
    settings
        Arguments of `measure`, one entry a row.
    texts
        What the page quotes from the rows, by name.
    size
        Width and height of the picture, inches; None for a part without one.
    draw
        Draws the rows.
    """

    name: str
    kind: Callable[..., RowT]
    measure: Callable[..., RowT]
    settings: Sequence[Settings]
    texts: Callable[[list[RowT]], dict[str, str]]
    size: tuple[float, float] | None = None
    draw: "Callable[[list[RowT], Figure], None] | None" = None

    def collect(self, store: Store, watch: Watch) -> list[RowT]:
        """Return the rows in the settings' order, made where they are not saved."""
        return list(self._collect(store, watch))

    def _collect(self, store: Store, watch: Watch) -> Iterator[RowT]:
        for settings in watch(self.settings, self.name):
            # Part by part: `lambda` would see the next settings if it were kept.
            yield self.kind(**store.row(self.name, settings, lambda s=settings: self.measure(**s)))  # type: ignore[misc]


def stamp_of(folders: Iterable[Path]) -> str:
    """Return a hash of every Python file in these folders: rows that other code made are stale.

    Parameters
    ----------
    folders
        Searched to any depth, in this order.

    Returns
    -------
    str
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
