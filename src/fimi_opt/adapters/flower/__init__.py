"""Plans for Flower's message API: every node gets its own device's plan, and counts by it (docs/flower.md).

On the server :class:`PlannedStrategy` around any strategy, on the client :func:`tell_device` and :func:`read_plan`.
"""

from fimi_opt._extras import require

require("flwr", "flower")  # before any import of it, so that who lacks it reads what to install

from fimi_opt.adapters.device_plan import DevicePlan  # noqa: E402
from fimi_opt.adapters.flower.nodes import tell_device  # noqa: E402
from fimi_opt.adapters.flower.record import read_plan  # noqa: E402
from fimi_opt.adapters.flower.strategy import PlannedStrategy  # noqa: E402

__all__ = ["DevicePlan", "PlannedStrategy", "read_plan", "tell_device"]
