"""What the numbers were measured on; neither names of hosts nor paths."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fimi_opt._threads import usable_cores

PACKAGES = ("fimi-opt", "numpy", "scipy", "numba", "llvmlite", "casadi", "cvxpy", "clarabel", "cma")


def describe() -> dict[str, Any]:
    """Processor, cores, system, versions, and how busy the machine was before."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": _memory(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    """Return the model's name, and on Linux the family and model number, as virtual machines' names say little."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in lines)
    known = {name.strip(): value.strip() for name, _, value in pairs}
    name = known.get("model name", platform.machine())
    return f"{name}, family {known['cpu family']}, model {known['model']}" if "model" in known else name


def _memory() -> float | None:
    """Return the machine's memory."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
