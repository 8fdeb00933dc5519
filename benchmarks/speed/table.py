"""Numbers as text, and the tables of the terminal and of the page."""

from collections.abc import Sequence

from .rows import Results, Row

HEADER = ("method", "devices", "median", "10-90 %", "ratio to `solve`", "gap", "violation", "set-up", "runs", "")
NONE = "-"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def seconds(value: float | None) -> str:
    """Three digits with a unit that suits them: 95.2 us, 1.57 ms, 38.3 s."""
    if value is None:
        return NONE
    factor, unit = next((pair for pair in _UNITS if value >= 0.9995 * pair[0]), _UNITS[-1])
    return f"{digits(value / factor)} {unit}"


def digits(value: float | None) -> str:
    """Three significant digits, without exponent."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    rounded = float(f"{value:.2e}")
    places = max(0, 2 - int(f"{value:.2e}".split("e")[1]))
    return f"{rounded:,.{places}f}"


def spread(low: float | None, high: float | None) -> str:
    """Both ends of a spread."""
    return NONE if low is None or high is None else f"{seconds(low)} to {seconds(high)}"


def relative(value: float | None) -> str:
    """Two digits with an exponent: 2.7e-13; 0 as it is."""
    if value is None:
        return NONE
    return f"{value:.1e}" if value else "0"


def mebibytes(value: int) -> str:
    """Three digits and the unit."""
    return f"{digits(value / 2**20)} MiB"


def cells(results: Results, row: Row) -> tuple[str, ...]:
    """Return one row's cells, in the order of the header."""
    searched = f"{row.evaluations:,} evaluations" if row.evaluations else ""
    note = "; ".join(text for text in (searched, row.note) if text)
    fault = f"not timed: {row.fault}" if row.fault else ""
    return (
        row.method,
        f"{row.devices:,}",
        fault or seconds(row.median),
        spread(row.low, row.high),
        digits(results.ratio(row)),
        relative(row.gap),
        relative(row.violation),
        seconds(row.setup),
        str(row.runs),
        note,
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the page."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the terminal."""
    lines = [header, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
