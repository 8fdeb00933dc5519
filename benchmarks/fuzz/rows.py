"""Verdicts on disk, one line each: a campaign that was interrupted goes on where it stopped."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fleets
from paper.rows import stamp_of, whole_lines

import fimi_opt as fo

# What a verdict depends on beside the library.
_SOURCES = ("cases.py", "drawing.py", "judging.py", "peers.py", "placing.py", "proofs.py")


def stamp() -> str:
    """Return a hash of the code that verdicts depend on: those of other code are not used."""
    digest = hashlib.sha256(stamp_of([Path(fo.__file__).parent]).encode())
    for path in (*(Path(__file__).with_name(name) for name in _SOURCES), Path(fleets.__file__)):
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Rows:
    """A JSON-lines file of one code's rows on one seed, by index.

    Parameters
    ----------
    folder
        Where the file is, or is made.
    name
        Of the file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self.by_index: dict[int, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.by_index.update((row["index"], row) for row in self._read())

    def add(self, index: int, row: dict[str, Any]) -> None:
        """Append a row; it is on disk when this returns."""
        kept = {"index": index, **row}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")
        self.by_index[index] = kept

    def _read(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, whole_lines(self.path))
