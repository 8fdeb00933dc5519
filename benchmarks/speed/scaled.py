"""P1 in numbers of order one, as the general solvers get it.

Unknowns, each (I,): D over D_loc, t and u over T, b over B / I. The unit of energy is the mean device's at the start:
the objective, a sum over devices, grows with the fleet, a device's multipliers and slacks stay of order one, and a
solver's absolute tolerance means the same for 20 devices and for 100,000.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.scenarios import Scenario

from .judging import Decision, decision_of

Floats = NDArray[np.float64]

# Parts of the deadline for computing and uploading where the solvers begin, and the part of the band.
START = (0.7, 0.29, 0.99)
# ln of the least part of the deadline or the band that is looked at.
LEAST = -20.0


class Scaled(NamedTuple):
    """Minimise sum(a D^3 / t^2 + h phi(v)), v = k / (b u), phi(v) = (e^v - 1) / v, within the limits.

    sum(error D^-beta) <= 1; t + u <= 1; sum(b) <= I; D <= F t; h phi(v) <= P u; 1 <= D <= most.
    """

    a: Floats
    h: Floats
    error: Floats
    F: Floats
    P: Floats
    most: Floats
    beta: float
    k: float
    scenario: Scenario

    def start(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Where the solvers begin, (D, t, u, b): half of the synthetic data that they may add, of one D_loc at most."""
        compute, upload, band = (np.full(self.a.size, part) for part in START)
        return 0.5 * (1 + np.minimum(self.most, 2)), compute, upload, band

    def log_bounds(self) -> tuple[Floats, Floats]:
        """Least and most of ln(D, t, u, b), each (4 I,): no device takes more than the deadline or the whole band."""
        n = self.a.size
        return (
            np.concatenate([np.zeros(n), np.full(3 * n, LEAST)]),
            np.concatenate([np.log(self.most), np.zeros(2 * n), np.full(n, math.log(n))]),
        )

    def decision(self, D: Floats, t: Floats, u: Floats, b: Floats) -> Decision:
        """Return the decision of an answer in scaled unknowns."""
        devices, limits, _ = self.scenario
        T, band = limits.max_latency, limits.bandwidth / self.a.size
        return decision_of(self.scenario, D * devices.local_samples, t * T, u * T, b * band)


def scale(scenario: Scenario) -> Scaled:
    """Scale the problem of these devices and limits."""
    devices, limits, task = scenario
    n, curve = len(devices), task.learning
    cycles, s = task.local_epochs * task.cycles_per_sample, task.update_bits * math.log(2)
    local, T = devices.local_samples, limits.max_latency
    a = devices.energy_coefficient * (cycles * local) ** 3 / T**2
    h = devices.noise_density * s / devices.channel_gain
    unit = float(np.mean(a / START[0] ** 2 + h))
    limit = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error) + curve.gamma
    return Scaled(
        a=a / unit,
        h=h / unit,
        error=curve.alpha * local**-curve.beta / (n * limit),
        F=devices.max_frequency * T / (cycles * local),
        P=devices.max_power * T / unit,
        most=1 + np.broadcast_to(limits.max_synthetic, n) / local,
        beta=curve.beta,
        k=s * n / (limits.bandwidth * T),
        scenario=scenario,
    )
