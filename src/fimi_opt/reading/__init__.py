"""Read a fleet from CSV, its limits from TOML, a plan from JSON; every mistake is named with its file and place."""

from fimi_opt.reading.fleet import Fleet, read_devices
from fimi_opt.reading.limits import Limits, read_limits
from fimi_opt.reading.plans import read_plan

__all__ = ["Fleet", "Limits", "read_devices", "read_limits", "read_plan"]
