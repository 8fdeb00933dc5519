"""The plan of a run, and what it asks of this machine: the paper's fleet with all times made shorter alike.

With cycles per sample, update bits and deadline multiplied by one scale, the paper's plan takes that scale of its times
and energies, at the same frequencies, rates and shares of the band. One processor core stands for `core_hz` cycles a
second, chosen such that the fleet's frequencies together fill the part of the cores that a run may take: device i gets
the share f_i / core_hz of one core. A step of the training takes so many seconds of processor, measured on the devices
themselves, and so stands for core_hz times as many cycles; device i makes as many steps as its cycles
tau omega D_i are worth. How much processor a step takes depends on what else the machine does; with `by_cycles` a
device trains for the processor time of its cycles, however many steps that is.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt.scenarios import PAPER_LIMITS, paper

from . import model
from .commands import TestbedError
from .messages import update_bytes
from .quotas import LEAST_SHARE
from .server import Work

# Of the processors that a run may take; the rest is for the server, the kernel's network and what else goes on.
CORES_PART = 0.6
_PAPER_DEVICES = 20
# Steps may turn out this many times as fast as measured, and still take all of the processor time.
_ENOUGH = 20


@dataclass(frozen=True)
class Setup:
    """What a run is about.

    Attributes
    ----------
    plan
        The plan, whole samples, times as they should be on the clock.
    seed
        Of the fleet, the data and the training.
    hidden
        Units of the model.
    core_hz
        Cycles a second that one whole core stands for.
    """

    plan: fo.Plan
    seed: int
    hidden: int
    core_hz: float

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of a core of each device, (I,)."""
        return self.plan.frequency / self.core_hz

    def counts(self) -> list[list[int]]:
        """Samples of each class of each device, (I, C): its own and synthetic ones."""
        own, added = self.plan.devices.class_counts, self.plan.synthetic_by_class
        if own is None or added is None:
            raise ValueError("the fleet has no class counts")
        return [[round(x) for x in row] for row in (own + added).tolist()]

    def work(self, step_seconds: float, by_cycles: bool) -> list[Work]:
        """What each device is to train, where a step takes so many seconds of processor, (I,)."""
        task = self.plan.task
        seconds = (task.local_epochs * task.cycles_per_sample * self.plan.samples / self.core_hz).tolist()
        if by_cycles:
            return [Work(math.ceil(_ENOUGH * x / step_seconds), x) for x in seconds]
        return [Work(max(1, round(x / step_seconds)), math.inf) for x in seconds]


def set_up(devices: int, seconds: float, cores: int, seed: int) -> Setup:
    """Plan of the paper's fleet, of so many devices, with a deadline of so many seconds, for so many cores.

    Raises
    ------
    TestbedError
        If a device's share of a core is below the least quota.
    """
    scale = seconds / PAPER_LIMITS.max_latency
    scenario = paper(seed, devices=devices, bandwidth=PAPER_LIMITS.bandwidth * devices / _PAPER_DEVICES)
    hidden = model.hidden_for(scale * scenario.task.update_bits)
    task = replace(
        scenario.task,
        cycles_per_sample=scale * scenario.task.cycles_per_sample,
        update_bits=8.0 * update_bytes(model.size(hidden)),
    )
    limits = replace(scenario.constraints, max_latency=seconds)
    plan = fo.solve(scenario.devices, limits, task, integer=True)
    # No device has more than one core.
    core_hz = max(float(np.sum(plan.frequency)) / (CORES_PART * cores), float(np.max(plan.frequency)))
    made = Setup(plan, seed, hidden, core_hz)
    if (least := float(made.shares.min())) < LEAST_SHARE:
        raise TestbedError(
            f"{devices} devices are too many for {cores} cores: one would get {least:.3f} of a core, and the least"
            f" quota is {LEAST_SHARE:g}"
        )
    return made
