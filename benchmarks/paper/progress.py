"""Progress of a long run: tqdm's bar on a terminal with the extra `progress`, else a line now and then."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# So many lines a part, for log files and for terminals without tqdm.
_LINES = 10


def watch(items: Sequence[T], name: str) -> Iterable[T]:
    """Return the same items, telling on standard error how many are done."""
    if not sys.stderr.isatty() or importlib.util.find_spec("tqdm") is None:
        return plain(items, name)
    bar: Iterable[T] = importlib.import_module("tqdm").tqdm(items, desc=f"{name:13}", unit="row")
    return bar


def plain(items: Sequence[T], name: str) -> Iterator[T]:
    """Yield the items, printing a line for each tenth of them."""
    said = 0
    for number, item in enumerate(items, start=1):
        yield item
        if number * _LINES // len(items) > said:
            said = number * _LINES // len(items)
            print(f"{name}: {number} of {len(items)} rows", file=sys.stderr, flush=True)
