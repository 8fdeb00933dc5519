"""Names of what a run leaves in the machine while it lasts: whose they are, and whether that run is still there."""

import os
import re
from pathlib import Path

PREFIX = "fimi-testbed"
_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)(-\w+)?")
# Of /proc/PID/stat behind the command's closing bracket: ticks from boot to the process's start, field 22.
_START = 22 - 3


def started(pid: int) -> int | None:
    """Clock ticks from boot to the process's start; None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[_START])


def own() -> str:
    """Name of this process's run: no later process has both the same id and the same start."""
    return f"{PREFIX}-{os.getpid()}-{started(os.getpid())}"


def run_of(name: str) -> str | None:
    """Return the run that a namespace or a cgroup belongs to; None for what is not ours."""
    match = _NAME.fullmatch(name)
    return f"{PREFIX}-{match[1]}-{match[2]}" if match else None


def alive(run: str) -> bool:
    """Whether the process of that run still is."""
    pid, start = run.split("-")[-2:]
    return started(int(pid)) == int(start)
