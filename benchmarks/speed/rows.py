"""What was measured, and the JSON file that it outlives the run in."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

BASE = "solve"


@dataclass(frozen=True)
class Row:
    """One method at one size.

    Attributes
    ----------
    method, devices
        What, and of how many devices.
    group
        Rows of one group were measured in turns; ratios are to the group's `base`.
    base
        The method that the group's ratios are to.
    median, low, high
        Seconds: the median and the 10 % and 90 % points of the runs; None where not timed.
    runs
        How many.
    setup
        Seconds of what is done once, not part of the others; None where there is nothing of the kind.
    gap, gap_limit, violation
        The worst that was seen, relative, and the gap that the time is conditional on; None where there is no plan.
    fault
        Why it is not timed; "" where it is.
    evaluations
        Splits of time that a search evaluated; None for what does not search.
    note
        What a reader must know.
    """

    method: str
    devices: int
    group: str
    base: str
    median: float | None
    low: float | None
    high: float | None
    runs: int
    setup: float | None
    gap: float | None
    gap_limit: float | None
    violation: float | None
    fault: str = ""
    evaluations: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Memory:
    """Bytes of one solve in a process of its own: its peak over what the process held before the inputs."""

    devices: int
    peak: int
    inputs: int
    plan: int
    gap: float

    @property
    def allowed(self) -> int:
        """Three times the inputs, and the plan."""
        return 3 * self.inputs + self.plan


@dataclass(frozen=True)
class Start:
    """Seconds of one kind of fresh process, from its start to its end: median, 10 % and 90 % points."""

    what: str
    median: float
    low: float
    high: float
    runs: int


@dataclass
class Results:
    """All of a run; saved after every step, so that an interruption loses nothing but the step."""

    path: Path
    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    complete: bool = False

    def save(self) -> None:
        """Write the file anew."""
        content = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "path"}
        for name in ("rows", "memory", "starts"):
            content[name] = [asdict(entry) for entry in content[name]]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def failures(self) -> list[str]:
        """Return what was not timed or not measured, and why."""
        rows = [f"{row.method}, {row.devices:,} devices: {row.fault}" for row in self.rows if row.fault]
        return rows + self.faults

    def find(self, method: str, devices: int, group: str = "") -> Row | None:
        """Return the timed row of a method at a size, if there is one; of the group of that size by default."""
        wanted = (method, devices, group or group_of(devices))
        found = [row for row in self.rows if (row.method, row.devices, row.group) == wanted and row.median]
        return found[0] if found else None

    def ratio(self, row: Row) -> float | None:
        """How often the group's base fits into the row's time; None where either was not timed."""
        return over(row, self.find(row.base, row.devices, row.group))


def load(path: Path) -> Results:
    """Read a file that :meth:`Results.save` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    kinds: Sequence[tuple[str, type[Any]]] = (("rows", Row), ("memory", Memory), ("starts", Start))
    for name, kind in kinds:
        content[name] = [kind(**entry) for entry in content[name]]
    return Results(path, **content)


def over(row: Row | None, base: Row | None) -> float | None:
    """One median over another; None where either was not timed."""
    return row.median / base.median if row and base and row.median and base.median else None


def group_of(devices: int) -> str:
    """Name of the group of one size."""
    return f"{devices:,} devices"
