"""A virtual clock: what a plan's rounds take where channels fade, devices straggle and some drop out."""

from fimi_opt.emulation.clock import Late, Planned, Round
from fimi_opt.emulation.conditions import CALM, Conditions
from fimi_opt.emulation.running import Infeasible, Planner, emulate
from fimi_opt.emulation.totals import Totals, total

__all__ = [
    "CALM",
    "Conditions",
    "Infeasible",
    "Late",
    "Planned",
    "Planner",
    "Round",
    "Totals",
    "emulate",
    "total",
]
