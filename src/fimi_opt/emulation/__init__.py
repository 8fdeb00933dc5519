"""A virtual clock: what a plan's rounds take where channels fade, devices straggle and some drop out."""

from fimi_opt.emulation.clock import Late, Planned, Round
from fimi_opt.emulation.conditions import CALM, Conditions, Draw, Quantiles
from fimi_opt.emulation.running import Infeasible, Planner, emulate
from fimi_opt.emulation.totals import Totals, total

__all__ = [
    "CALM",
    "Conditions",
    "Draw",
    "Infeasible",
    "Late",
    "Planned",
    "Planner",
    "Quantiles",
    "Round",
    "Totals",
    "emulate",
    "total",
]
