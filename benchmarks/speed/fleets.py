"""What is solved: the paper's fleet at any size, its next round's channels, and a batch of small fleets."""

import numpy as np
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt.scenarios import Scenario, paper

Floats = NDArray[np.float64]

# As in the paper: 20 MHz for 20 devices.
BAND_PER_DEVICE = 1e6
# Standard deviation of a channel's change from one round to the next.
FADING_DB = 1.0


def draw(devices: int, seed: int = 0) -> Scenario:
    """Fleet of the paper's V-A with its band per device; without classes, which take memory but no part."""
    return paper(seed, devices=devices, bandwidth=BAND_PER_DEVICE * devices, classes=0)


def next_round(scenario: Scenario, seed: int = 1) -> Scenario:
    """Return the same fleet with gains that faded a little."""
    fleet = scenario.devices
    change = np.random.default_rng(seed).standard_normal(len(fleet))
    gains = fleet.channel_gain * 10 ** (FADING_DB / 10 * change)
    devices = fo.Devices(
        fleet.local_samples,
        fleet.energy_coefficient,
        fleet.max_frequency,
        gains,
        fleet.max_power,
        fleet.noise_density,
    )
    return scenario._replace(devices=devices)


def draw_many(fleets: int, devices: int) -> list[Scenario]:
    """Fleets of that many devices each, seeds 0, 1, ..."""
    return [draw(devices, seed) for seed in range(fleets)]
