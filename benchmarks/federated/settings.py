"""The two settings of the run, and the world in which their devices are planned for."""

from dataclasses import fields
from typing import NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.partitions import per_device
from fimi_opt.scenarios import Scenario, paper

from .digits import Digits, Integers, Samples
from .network import PARAMETERS
from .training import EPOCHS

ROUNDS = 60
# A device of the paper has 1,250 samples of 5e6 cycles each (V-A). Ours have few samples, so each stands for more
# cycles: local data is the paper's work, and what a sample more costs is in the paper's proportions to the uploads.
CYCLES_OF_LOCAL_DATA = 5e6 * 1250
BAND_OF_DEVICE = 1e6
# D_max, in units of what is added on average: loose, so that devices differ.
MOST_ADDED = 3
# What the network itself would upload: 32 bits a parameter. The plans upload the paper's update, see the page.
NETWORK_BITS = 32 * PARAMETERS


class Setting(NamedTuple):
    """How many devices hold how much of what.

    Attributes
    ----------
    devices, local
        I, and real samples of each.
    added
        Synthetic samples whose effect on the mean local error, were every device to add so many, is the error limit.
    concentration
        Of the Dirichlet distribution of each device's class mix.
    target
        Accuracy up to which energy, time and uplink are counted.
    """

    devices: int
    local: int
    added: int
    concentration: float
    target: float


SETTINGS = {
    "scarce": Setting(devices=20, local=20, added=20, concentration=0.1, target=0.85),
    "ample": Setting(devices=10, local=60, added=30, concentration=0.4, target=0.90),
}


class Holding(NamedTuple):
    """Who has what of the private part.

    Attributes
    ----------
    own
        Real samples of each device.
    class_counts
        How many of each class, (I, 10).
    spare
        What no device has: the unlabelled samples of SEMI come from here.
    """

    own: tuple[Samples, ...]
    class_counts: Integers
    spare: Samples


def deal(setting: Setting, digits: Digits, seed: int) -> Holding:
    """Deal the private part by each device's own class mix (Dirichlet), disjoint."""
    labels = digits.private.labels
    parts = per_device(labels, np.full(setting.devices, setting.local), setting.concentration, seed=seed)
    own = tuple(digits.private.take(index) for index in parts.indices)
    counts = np.array([np.bincount(samples.labels, minlength=10) for samples in own])
    spare = np.setdiff1d(np.arange(labels.size), parts.positions)
    return Holding(own, counts, digits.private.take(spare))


def scenario(setting: Setting, curve: fo.LearningCurve, class_counts: Integers, seed: int) -> Scenario:
    """Fleet, limits and task of one drop: V-A's, with this setting's devices, classes and measured learning curve.

    The error limit is what the curve gives where every device adds `setting.added` samples; who adds how many is the
    plan's to say.
    """
    world = paper(
        seed,
        devices=setting.devices,
        local_samples=setting.local,
        classes=0,
        learning=curve,
        cycles_per_sample=CYCLES_OF_LOCAL_DATA / (EPOCHS * setting.local),
        local_epochs=EPOCHS,
        max_global_error=error_limit(setting, curve),
        rounds=ROUNDS,
        bandwidth=BAND_OF_DEVICE * setting.devices,
        max_synthetic=MOST_ADDED * setting.added,
    )
    known = {field.name: getattr(world.devices, field.name) for field in fields(fo.Devices)}
    return world._replace(devices=fo.Devices(**known | {"class_counts": class_counts}))


def error_limit(setting: Setting, curve: fo.LearningCurve) -> float:
    """Delta after all rounds if every device had `setting.added` samples more, FIMI eqs. (1), (4)."""
    mean = fo.models.mean_error([setting.local + setting.added], curve.alpha, curve.beta, curve.gamma)
    return fo.models.global_error(ROUNDS, mean, curve.zeta)
