"""A fleet as a CSV file: the first row names the columns, every other row is a device."""

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.errors import InvalidInputError
from fimi_opt.reading.text import NUMBER, FilePath, known_names, located, place, quote, read_text, refuse, suggest
from fimi_opt.types import THERMAL_NOISE_DENSITY, Devices

Floats = NDArray[np.float64]

# Columns with the unit that messages name.
REQUIRED = {
    "local_samples": "samples",
    "energy_coefficient": "J s^2 / cycle^3",
    "max_frequency": "Hz",
    "channel_gain": "a linear power gain",
    "max_power": "W",
}
OPTIONAL = {"noise_density": "W/Hz", "max_synthetic": "samples", "id": ""}
CLASS_PREFIX = "class_"

# How the types name the place of a value.
_DEVICE = re.compile(r" of device (\d+)")
# As Constraints has it.
_MOST_SYNTHETIC = 1e18


class Fleet(NamedTuple):
    """What a devices file says.

    Attributes
    ----------
    devices
        The fleet.
    max_synthetic
        D_max, (I,), samples, where the file has that column; None where it has not.
    classes
        Names of the classes that ``devices.class_counts`` counts; empty where the file has none.
    """

    devices: Devices
    max_synthetic: Floats | None
    classes: tuple[str, ...]


class Row(NamedTuple):
    """One row of the table: its line in the file, counted from 1, and its values without surrounding blanks."""

    line: int
    cells: list[str]


def read_devices(path: FilePath) -> Fleet:
    """Read a fleet from a CSV file: the first row names the columns, every other row is a device.

    Columns are the arguments of :class:`fimi_opt.Devices`: ``local_samples``, ``energy_coefficient``,
    ``max_frequency``, ``channel_gain`` and ``max_power``; if wanted ``noise_density``, ``id``, ``max_synthetic`` (of
    :class:`fimi_opt.Constraints`) and the local samples of each class as ``class_<name>``. Blank lines and lines that
    start with ``#`` are skipped.

    Parameters
    ----------
    path
        The file, UTF-8.

    Returns
    -------
    Fleet
        The devices, and what else the file says.

    Raises
    ------
    ValueError
        If the file is not such a table, or a value is not what it must be; it names file, line, column and value.
    OSError
        If the file cannot be read.

    Warns
    -----
    ImplausibleInputWarning
        If a value is possible but looks like a wrong unit; it names file and line.

    Examples
    --------
    >>> fleet = read_devices("devices.csv")  # doctest: +SKIP
    >>> limits = read_limits("limits.toml", fleet.max_synthetic)  # doctest: +SKIP
    """
    rows = _rows(path, read_text(path))
    header = next(rows, None)
    if header is None:
        raise InvalidInputError(f"{path} is empty: its first line must name the columns {known_names(REQUIRED)}")
    names = header.cells
    _check_header(path, header)
    lines, table = [], []
    for row in rows:
        _check_length(path, row, len(names))
        lines.append(row.line)
        table.append(row.cells)
    if not table:
        raise InvalidInputError(f"{path} has no devices: below line {header.line} there must be one row for each")
    columns = dict(zip(names, zip(*table, strict=True), strict=True))
    ids = columns.pop("id", None)
    if ids is not None:
        _check_ids(path, lines, ids)
    numbers = {name: _numbers(path, name, lines, cells) for name, cells in columns.items()}
    classes = tuple(name for name in names if name.startswith(CLASS_PREFIX))
    with located(lambda message: _locate(path, lines, message)):
        devices = Devices(
            **{name: numbers[name] for name in REQUIRED},
            noise_density=numbers.get("noise_density", THERMAL_NOISE_DENSITY),
            class_counts=np.column_stack([numbers[name] for name in classes]) if classes else None,
            ids=ids,
        )
    return Fleet(devices, numbers.get("max_synthetic"), tuple(name.removeprefix(CLASS_PREFIX) for name in classes))


def _rows(path: FilePath, text: str) -> Iterator[Row]:
    """Rows with their lines; a value cannot go on over the end of its line, so that lines can be counted."""
    for line, content in enumerate(io.StringIO(text, newline=None), start=1):
        if content.isspace() or content.lstrip().startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in next(csv.reader([content], strict=True, skipinitialspace=True))]
        except csv.Error as error:
            words = 'a quotation mark (") is not closed' if "end of data" in str(error) else error
            refuse(path, line, f"not a row of comma-separated values: {words}")
        if any(cells):
            yield Row(line, cells)


def _check_header(path: FilePath, header: Row) -> None:
    line, names = header
    known = [*REQUIRED, *OPTIONAL]
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        mark = "semicolons" if ";" in names[0] else "tabs"
        refuse(path, line, f"columns are separated by {mark}: separate them by commas, and write decimal points")
    number = next((name for name in names if NUMBER.fullmatch(name)), None)
    if number is not None:
        refuse(path, line, f"the first row must name the columns, but it holds the number {quote(number)}")
    seen = set[str]()
    for k, name in enumerate(names):
        if name in ("", CLASS_PREFIX):
            refuse(path, line, f"column {k + 1} has no name" if not name else "a class_ column needs a class's name")
        if name in seen:
            refuse(path, line, f"column {quote(name)} stands twice")
        seen.add(name)
        if name not in known and not name.startswith(CLASS_PREFIX):
            refuse(path, line, f"unknown column {quote(name)}: {suggest(name, [*known, 'class_<name>'])}")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        refuse(path, line, f"missing column{'s'[: len(missing) > 1]} {known_names(missing)}")


def _check_length(path: FilePath, row: Row, columns: int) -> None:
    if len(row.cells) == columns:
        return
    hint = " (is there a decimal comma?)" if len(row.cells) > columns else ""
    values = "1 value" if len(row.cells) == 1 else f"{len(row.cells)} values"
    refuse(path, row.line, f"the row has {values}, but there are {columns} columns{hint}")


def _check_ids(path: FilePath, lines: list[int], ids: tuple[str, ...]) -> None:
    first: dict[str, int] = {}
    for line, name in zip(lines, ids, strict=True):
        if not name:
            refuse(path, line, "id is empty")
        if not name.isprintable():
            refuse(path, line, f"id must be printable text, got {quote(name)}")
        if name in first:
            refuse(path, line, f"id {quote(name)} stands on line {first[name]} already")
        first[name] = line


def _numbers(path: FilePath, name: str, lines: list[int], cells: tuple[str, ...]) -> Floats:
    """Values of one column; their range is the business of the types, but for the columns that these do not know."""
    unit = REQUIRED.get(name) or OPTIONAL.get(name) or "samples"
    for line, cell in zip(lines, cells, strict=True):
        if not cell:
            refuse(path, line, f"{name} is empty")
        if not NUMBER.fullmatch(cell):
            hint = ": write a decimal point" if NUMBER.fullmatch(cell.replace(",", ".")) else ""
            refuse(path, line, f"{name} must be a number ({unit}), got {quote(cell)}{hint}")
    values = np.array([float(cell) for cell in cells])  # NumPy would give every cell the longest one's room
    if name == "max_synthetic" or name.startswith(CLASS_PREFIX):
        bad = ~((values >= 0) & (values <= _MOST_SYNTHETIC))
        if bad.any():
            i = int(np.argmax(bad))
            refuse(path, lines[i], f"{name} must be at least 0 and at most {_MOST_SYNTHETIC:g}, got {quote(cells[i])}")
    return values


def _locate(path: FilePath, lines: list[int], message: str) -> str:
    """Say the line instead of the device's number."""
    found = _DEVICE.search(message)
    if found is None:
        return f"{path}: {message}"
    words = message[: found.start()] + message[found.end() :]
    return f"{place(path, lines[int(found[1])])}: {words.replace('class_counts', 'the class_ columns')}"
