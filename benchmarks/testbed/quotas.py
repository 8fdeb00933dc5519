"""Shares of a processor: a cgroup for each device, of version 1 or 2, whichever has the machine's cpu controller."""

import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .commands import TestbedError
from .names import PREFIX, alive, run_of

# The kernel takes no quota below 1 ms; periods are as short as that allows, between 5 and 50 ms.
_LEAST_QUOTA_US = 1000.0
_LEAST_PERIOD_US, _MOST_PERIOD_US = 5000.0, 50_000.0
LEAST_SHARE = 1000.0 / _MOST_PERIOD_US
# Other programs have 1024 or 100 for each process. The quotas bound what ours take; within them they go first.
_SHARES, _WEIGHT = 2**18, 10_000
_SECONDS = 10.0
_LOOK = 0.05


class Quota(NamedTuple):
    """So many microseconds of processor in each period."""

    quota_us: int
    period_us: int


def quota(share: float) -> Quota:
    """Quota for this share of one processor, the period as short as it may be.

    Raises
    ------
    ValueError
        If the share is above 1, or too small for the longest period.
    """
    if not LEAST_SHARE <= share <= 1:
        raise ValueError(f"share must be in [{LEAST_SHARE:g}, 1], got {share:g}")
    period = math.ceil(min(max(_LEAST_QUOTA_US / share, _LEAST_PERIOD_US), _MOST_PERIOD_US))
    return Quota(round(share * period), period)


@dataclass(frozen=True)
class Groups:
    """Where the cpu controller is, and of which version."""

    root: Path
    version: int

    def make(self, run: str, shares: list[float]) -> None:
        """Make the run's group and a group for each device."""
        folder = self.root / run
        if self.version == 2:
            self._enable(self.root)
        folder.mkdir()
        if self.version == 2:
            self._enable(folder)
            _write(folder / "cpu.weight", str(_WEIGHT))
        else:
            _write(folder / "cpu.shares", str(_SHARES))
        for index, share in enumerate(shares):
            self._limit(self.group(run, index), quota(share))

    def group(self, run: str, index: int) -> Path:
        """Folder of a device's group."""
        return self.root / run / f"d{index:03d}"

    def enter(self, run: str, index: int, pid: int) -> None:
        """Put a process into a device's group."""
        _write(self.group(run, index) / "cgroup.procs", str(pid))

    def take_down(self, run: str) -> list[str]:
        """End what is left in the run's groups and remove these; return what went wrong."""
        folder = self.root / run
        if not folder.is_dir():
            return []
        until = time.monotonic() + _SECONDS
        return [
            problem
            for child in (*(path for path in sorted(folder.iterdir()) if path.is_dir()), folder)
            if (problem := _remove(child, until))
        ]

    def runs(self) -> set[str]:
        """Every run that has groups."""
        return {run for path in self.root.glob(f"{PREFIX}-*") if path.is_dir() and (run := run_of(path.name))}

    def abandoned(self) -> set[str]:
        """Runs that are gone and have left groups."""
        return {run for run in self.runs() if not alive(run)}

    def _limit(self, folder: Path, limit: Quota) -> None:
        folder.mkdir()
        if self.version == 2:
            _write(folder / "cpu.max", f"{limit.quota_us} {limit.period_us}")
            return
        _write(folder / "cpu.cfs_period_us", str(limit.period_us))
        _write(folder / "cpu.cfs_quota_us", str(limit.quota_us))

    def _enable(self, folder: Path) -> None:
        """Let the children of a group of version 2 have limits; where the machine lets them already, change nothing."""
        control = folder / "cgroup.subtree_control"
        if "cpu" not in control.read_text(encoding="ascii").split():
            _write(control, "+cpu")


def find(mounts: str) -> Groups | str:
    """Cpu controller in the text of /proc/self/mounts, or why there is none."""
    second = None
    for line in mounts.splitlines():
        _, where, kind, options = line.split()[:4]
        if kind == "cgroup" and "cpu" in options.split(","):
            return Groups(Path(where), 1)
        if kind == "cgroup2":
            second = Path(where)
    if second is None:
        return "no cgroup file system is mounted"
    try:
        controllers = (second / "cgroup.controllers").read_text(encoding="ascii").split()
    except OSError as error:
        return f"cgroup version 2: {error}"
    return Groups(second, 2) if "cpu" in controllers else "no cgroup file system has the cpu controller"


def _remove(folder: Path, until: float) -> str | None:
    """Remove one group, once its processes have ended; return what went wrong."""
    while True:
        try:
            for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
                os.kill(int(pid), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            pass  # the group or the process is gone
        try:
            folder.rmdir()
        except FileNotFoundError:
            return None
        except OSError as error:
            if time.monotonic() >= until:
                return f"{folder}: {error}"
            time.sleep(_LOOK)
        else:
            return None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise TestbedError(f"{path}: writing {text!r}: {error.strerror}") from None
