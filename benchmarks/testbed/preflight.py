"""Whether this machine can run the test bed: root, tools, namespaces with what goes between them, cgroups."""

import os
import shutil
import sys
from pathlib import Path

from . import network, quotas
from .commands import TestbedError
from .names import own
from .quotas import Groups
from .stopping import stoppable

# Of the trial.
_RATE, _SHARE = 1e6, 0.5


def facilities() -> Groups | str:
    """Return where processor shares are set, after one device's surroundings were tried; or what is missing."""
    if sys.platform != "linux":
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root, for network namespaces and cgroups"
    missing = [tool for tool in ("ip", "tc") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found: install iproute2"
    groups = quotas.find(Path("/proc/self/mounts").read_text(encoding="utf-8"))
    if isinstance(groups, str):
        return groups
    run, problems = own(), []
    with stoppable() as closing:
        try:
            network.lay_out(run, [_RATE])
            groups.make(run, [_SHARE])
        except (TestbedError, OSError) as error:
            return f"a trial failed: {error}"
        finally:
            closing()
            problems = network.take_down(run) + groups.take_down(run)
    return f"the trial's traces stay: {'; '.join(problems)}" if problems else groups
