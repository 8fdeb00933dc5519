"""Limits and task as a TOML file with the contract's names."""

import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.errors import InvalidInputError
from fimi_opt.reading.text import FilePath, known_names, located, place, quote, read_text, refuse, suggest
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, LearningCurve, Task

LIMITS = ("max_global_error", "rounds", "max_latency", "bandwidth", "max_synthetic")
WORK = ("cycles_per_sample", "local_epochs", "update_bits")
CURVE = ("alpha", "beta", "gamma", "zeta")

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
# Of a line without the blanks at its start; blanks may end the name, so that any text matches in one way at most.
_TABLE = re.compile(r"\[([^\[\]]+)\]")
_KEY = re.compile(r"([\w.\"' \t-]+)=")
# tomllib takes the square of a dotted key's parts, in time and room. A limits file has some 17 numbers.
_MOST_CHARACTERS, _MOST_IN_LINE = 2**16, 2**13
# A parser's message may hold a whole key.
_MOST_WORDS = 200


class Limits(NamedTuple):
    """What a limits file says.

    Attributes
    ----------
    constraints
        The limits.
    task
        What is trained; the paper's task where the file has none.
    """

    constraints: Constraints
    task: Task


def read_limits(path: FilePath, max_synthetic: NDArray[np.float64] | None = None) -> Limits:
    """Read the limits, and if wanted the task, from a TOML file.

    Table ``[constraints]`` has the arguments of :class:`fimi_opt.Constraints`. Table ``[task]`` may have
    ``cycles_per_sample``, ``local_epochs`` and ``update_bits``, table ``[task.learning]`` may have ``alpha``, ``beta``,
    ``gamma`` and ``zeta``: each all of them, or none for the paper's.

    Parameters
    ----------
    path
        The file, UTF-8.
    max_synthetic
        D_max of each device, (I,), samples, where the devices file says it; the limits then must not.

    Returns
    -------
    Limits
        Constraints and task.

    Raises
    ------
    ValueError
        If the file is not TOML, a key is missing or unknown, or a value is not what it must be; it names the file, the
        line, the key and the value.
    OSError
        If the file cannot be read.

    Warns
    -----
    ImplausibleInputWarning
        If a value is possible but looks like a wrong unit; it names file and line.

    Examples
    --------
    >>> read_limits("limits.toml").constraints  # doctest: +SKIP
    """
    file = _File(path, read_text(path))
    tables = file.parse()
    for key in tables:
        if key in LIMITS:
            refuse(path, file.line_of(key), f"{key} stands outside of any table: it belongs below [constraints]")
    file.check_keys("", tables, ("constraints", "task"))
    if "constraints" not in tables:
        raise InvalidInputError(f"{path} has no table [constraints] with {known_names(LIMITS)}")
    given = file.table("constraints", tables["constraints"], LIMITS)
    if max_synthetic is None:
        hint = " (or give max_synthetic as a column of the devices file)"
        file.need("constraints", given, LIMITS, hint if "max_synthetic" not in given else "")
    elif "max_synthetic" in given:
        reason = "max_synthetic is a column of the devices file already: take it out there or here"
        refuse(path, file.line_of("constraints.max_synthetic"), reason)
    else:
        file.need("constraints", given, LIMITS[:-1])
        given["max_synthetic"] = max_synthetic
    with located(file.locator("constraints", given)):
        constraints = Constraints(**given)
    return Limits(constraints, file.task(tables.get("task", {})))


class _File:
    """A TOML file that knows where its keys stand."""

    def __init__(self, path: FilePath, text: str) -> None:
        self.path = path
        self.text = text

    def parse(self) -> dict[str, Any]:
        if len(self.text) > _MOST_CHARACTERS:
            raise InvalidInputError(f"{self.path} has more than {_MOST_CHARACTERS} characters: it is no limits file")
        for line, content in enumerate(self.text.split("\n"), start=1):
            if len(content) > _MOST_IN_LINE:
                refuse(self.path, line, f"the line has more than {_MOST_IN_LINE} characters")
        try:
            return tomllib.loads(self.text)
        except RecursionError:
            raise InvalidInputError(f"{self.path} is not TOML: it is nested too deeply") from None
        except tomllib.TOMLDecodeError as error:
            found = _PLACE.search(str(error))
            words = str(error)[: found.start()] if found else str(error)
            words = words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS] + "..."
            last = self.text.count("\n") + 1
            hint = " (is a key given twice?)" if "overwrite" in words else ""
            refuse(self.path, int(found[1] or last) if found else None, f"not TOML: {_uncapitalise(words)}{hint}")
        except ValueError:  # of int(), which tomllib lets through
            raise InvalidInputError(f"{self.path} holds a number of more digits than can be read") from None

    def task(self, given: Any) -> Task:
        """Task of table [task], what it lacks from the paper's."""
        work = dict(self.table("task", given, (*WORK, "learning"), nested=("learning",)))
        curve = PAPER_TASK.learning
        if "learning" in work:
            parameters = self.table("task.learning", work.pop("learning"), CURVE)
            self.need("task.learning", parameters, CURVE)
            with located(self.locator("task.learning", parameters)):
                curve = LearningCurve(**parameters)
        if not work:
            work = {name: getattr(PAPER_TASK, name) for name in WORK}
        self.need("task", work, WORK)
        with located(self.locator("task", work)):
            return Task(curve, **work)

    def table(self, name: str, given: Any, known: tuple[str, ...], *, nested: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the table's values, numbers but for the `nested` ones, under known names only."""
        if not isinstance(given, dict):
            refuse(self.path, self.line_of(name), f"{name} must be a table, [{name}]")
        self.check_keys(name, given, known)
        return {key: value if key in nested else self.number(name, key, value) for key, value in given.items()}

    def check_keys(self, table: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in given:
            if key not in known:
                where = f" in [{table}]" if table else ""
                line = self.line_of(f"{table}.{key}" if table else key)
                refuse(self.path, line, f"unknown key {quote(key)}{where}: {suggest(key, known)}")

    def need(self, table: str, given: dict[str, Any], needed: Iterable[str], hint: str = "") -> None:
        missing = [key for key in needed if key not in given]
        if missing:
            refuse(self.path, self.line_of(table), f"[{table}] lacks {known_names(missing)}{hint}")

    def number(self, table: str, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            kind = "text" if isinstance(value, str) else type(value).__name__
            refuse(self.path, self.line_of(f"{table}.{key}"), f"{key} must be a number, got the {kind} {quote(value)}")
        try:
            return float(value)
        except OverflowError:
            refuse(self.path, self.line_of(f"{table}.{key}"), f"{key} is too large for a float64")

    def locator(self, table: str, given: dict[str, Any]) -> Callable[[str], str]:
        """Return what puts the line before a message that starts with a key of a table."""

        def locate(message: str) -> str:
            key = next((key for key in given if message.startswith(key)), None)
            return f"{place(self.path, self.line_of(f'{table}.{key}') if key else None)}: {message}"

        return locate

    def line_of(self, name: str) -> int | None:
        """Line on which a key or table, named from the top, stands; None where TOML was written in another way."""
        table = ""
        for line, content in enumerate(self.text.split("\n"), start=1):
            content = content.lstrip()
            header, key = _TABLE.match(content), _KEY.match(content)
            if header:
                table = _plain(header[1])
                if table == name:
                    return line
            elif key and ".".join(filter(None, (table, _plain(key[1])))) == name:
                return line
        return None


def _plain(name: str) -> str:
    """Return a dotted name without quotes and blanks."""
    return ".".join(part.strip(" \t\"'") for part in name.split("."))


def _uncapitalise(words: str) -> str:
    return words[:1].lower() + words[1:]
