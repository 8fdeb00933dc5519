"""Read a fleet from a CSV file and its limits from a TOML file; every mistake is named with file and line."""

from fimi_opt.reading.fleet import Fleet, read_devices
from fimi_opt.reading.limits import Limits, read_limits

__all__ = ["Fleet", "Limits", "read_devices", "read_limits"]
