"""Seeded fleets to plan for: the paper's, and worlds that differ from it. Nothing else in fimi_opt knows decibels."""

from fimi_opt.scenarios.drawing import (
    NOISE_PER_HZ_DBM,
    Arithmetic,
    Cell,
    DeviceClass,
    Spread,
    Uniform,
    draw_fleet,
)
from fimi_opt.scenarios.worlds import (
    BOARD,
    MICROCONTROLLER,
    NOISE_AS_PRINTED_DBM,
    PAPER_DEVICE,
    PAPER_LIMITS,
    PHONE,
    SHADOWED_CELL,
    UPDATE_BITS_DECIMAL,
    Scenario,
    mixed,
    paper,
)

__all__ = [
    "BOARD",
    "MICROCONTROLLER",
    "NOISE_AS_PRINTED_DBM",
    "NOISE_PER_HZ_DBM",
    "PAPER_DEVICE",
    "PAPER_LIMITS",
    "PHONE",
    "SHADOWED_CELL",
    "UPDATE_BITS_DECIMAL",
    "Arithmetic",
    "Cell",
    "DeviceClass",
    "Scenario",
    "Spread",
    "Uniform",
    "draw_fleet",
    "mixed",
    "paper",
]
