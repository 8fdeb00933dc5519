"""Whether an answer counts: its energy against a certified lower bound, and every limit, by the model's formulas.

Plain NumPy that shares no code with the library: FIMI eqs. (1) to (12).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimi_opt.scenarios import Scenario

Floats = NDArray[np.float64]


class Decision(NamedTuple):
    """Synthetic samples, frequencies (Hz), bandwidths (Hz), powers (W), each (I,)."""

    gen: Floats
    f: Floats
    b: Floats
    P: Floats


class Verdict(NamedTuple):
    """Relative gap to the bound, largest relative violation of a limit, and in words what is wrong; "" if nothing.

    A verdict on something other than a plan has a gap and a violation of nan.
    """

    gap: float
    violation: float
    fault: str = ""


class Goal(NamedTuple):
    """How near the bound, on either side, and how near the limits an answer must come for its time to count."""

    gap: float
    violation: float


def judge(scenario: Scenario, decision: Decision, lower_bound: float, goal: Goal) -> Verdict:
    """Judge a decision for these devices and limits, of which no plan takes less than `lower_bound` joules.

    An answer below the bound by more than the goal's gap has bought that with a violation, or the bound is wrong.
    """
    energy, violation = measure(scenario, decision)
    gap = (energy - lower_bound) / energy
    faults = []
    if not abs(gap) <= goal.gap:
        faults.append(f"gap {gap:.1e}, allowed {goal.gap:.0e}")
    if not violation <= goal.violation:
        faults.append(f"violation {violation:.1e}, allowed {goal.violation:.0e}")
    return Verdict(gap, violation, "; ".join(faults))


def measure(scenario: Scenario, decision: Decision) -> tuple[float, float]:
    """Joules of one round, and the largest relative violation of a limit; at least 0, nan if a number is."""
    devices, limits, task = scenario
    gen, f, b, P = decision
    curve = task.learning
    samples = devices.local_samples + gen
    cycles = task.local_epochs * task.cycles_per_sample * samples
    with np.errstate(all="ignore"):  # what is no number is found by the comparison below
        rate = b * np.log1p(devices.channel_gain * P / (devices.noise_density * b)) / math.log(2)
        upload = task.update_bits / rate
        error = float(np.mean(curve.alpha * samples**-curve.beta))
        energy = float(np.sum(devices.energy_coefficient * cycles * f**2) + np.sum(P * upload))
        limit = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error) + curve.gamma
        missed = np.array(
            [
                0.0,
                np.max(cycles / f + upload) / limits.max_latency - 1,
                np.max(f / devices.max_frequency) - 1,
                np.max(P / devices.max_power) - 1,
                np.sum(b) / limits.bandwidth - 1,
                error / limit - 1,
                np.max(-gen / devices.local_samples),
                np.max((gen - limits.max_synthetic) / devices.local_samples),
                -np.min(b) / limits.bandwidth,
            ]
        )
    return energy, float(np.max(missed))  # np.max keeps nan


def decision_of(scenario: Scenario, samples: Floats, t: Floats, u: Floats, b: Floats) -> Decision:
    """Return what makes devices train for t seconds and upload for u over b hertz."""
    devices, _, task = scenario
    v = task.update_bits * math.log(2) / (b * u)
    power = devices.noise_density * b / devices.channel_gain * np.expm1(v)
    frequency = task.local_epochs * task.cycles_per_sample * samples / t
    return Decision(samples - devices.local_samples, frequency, b, power)
