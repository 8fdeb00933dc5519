"""What both kinds of file share: their text, and how a mistake in it is said."""

import codecs
import difflib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeAlias

from fimi_opt.errors import ImplausibleInputWarning, InvalidInputError

FilePath: TypeAlias = str | os.PathLike[str]

# Decimal digits only: float() would take "1_000", "nan" and other scripts' digits as well. Any text matches in one way
# at most: with two, a long row of digits that ends in a letter would take its length squared.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Names and values are quoted in messages of one line, shortened to so many characters.
_QUOTED = 40
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(path: FilePath) -> str:
    """Text of a UTF-8 file, without byte order mark.

    Raises
    ------
    ValueError
        If it is not UTF-8, it names the line; if no file can have this name.
    OSError
        If the file cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except ValueError as error:
        raise InvalidInputError(f"path {quote(os.fspath(path))} is no name of a file: {error}") from None
    for mark, encoding in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise InvalidInputError(f"{path} is {encoding} text: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        refuse(path, line, f"byte 0x{error.object[error.start]:02x} is not UTF-8 text: save the file as UTF-8")


def refuse(path: FilePath, line: int | None, reason: str) -> NoReturn:
    """Raise the error that names the file, the line where it is known, and the reason."""
    raise InvalidInputError(f"{place(path, line)}: {reason}")


def place(path: FilePath, line: int | None) -> str:
    """Words for a line of a file."""
    return str(path) if line is None else f"{path}, line {line}"


def quote(text: object) -> str:
    """Quote a name or value on one line, shortened."""
    try:
        words = str(text)
    except (RecursionError, ValueError):  # lists in lists without end, an int of more digits than Python prints
        words = "..."
    return repr(words if len(words) <= _QUOTED else words[: _QUOTED - 3] + "...")


def known_names(known: Iterable[str]) -> str:
    """List of names, with `and` before the last."""
    *most, last = known
    return f"{', '.join(most)} and {last}" if most else last


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, as the end of a message, else all known names."""
    names = list(known)
    close = difflib.get_close_matches(name.lower()[:_QUOTED], names, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {known_names(names)}"


@contextmanager
def located(locate: Callable[[str], str]) -> Iterator[None]:
    """Within it, what the types refuse or warn of says where in the file it stands: `locate` rewrites messages."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except InvalidInputError as error:
        raise InvalidInputError(locate(str(error))) from None
    for warning in caught:
        if issubclass(warning.category, ImplausibleInputWarning):
            warnings.warn(locate(str(warning.message)), ImplausibleInputWarning, stacklevel=4)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
