"""Plans in which a synthetic sample costs as much work as a real one, and teaches as much as the measured law says.

With G synthetic samples worth w(G) real ones (:class:`Worth`: ``q G``, or what saturates) a device's error is
``h(D) = alpha M^-beta - gamma``, ``M = D_loc + w(D - D_loc)``, while its work stays that of D = D_loc + G samples.
:func:`fimi_opt.solve` has ``alpha D^-beta`` for all devices, and no scaling of the curve turns one into the other: a
power of a sum is no power. But another exponent will do, and a scale a_i of each device's own, in other units of data:
with ``D' = s D``, ``D_loc' = s D_loc``, ``D_max' = s D_max``, ``f_max' = s f_max`` and ``eps' = eps / s^3`` every time
and energy is what it was, and ``D'^-b = s^-b D^-b``. (A unit that all share goes into the cycles of one sample.)

So h is replaced by its tangent in ``y = D^-b`` at the amounts found last, ``a_i y + c_i`` with
``a_i = h'(D) / (-b D^(-b - 1))``, and this is solved again and again until the amounts stay.

* w is concave, so h is convex in D, and the true problem is as convex as (P1). Where the amounts stay, tangent and h
  have one slope in D: the plan meets the true problem's optimality conditions, and is its global optimum.
* With ``b + 1 >= D h'' / (-h')`` wherever a device may be, h is concave in y: the tangents lie above it. A plan for
  them keeps the true error limit with room to spare, and the energy falls from step to step. For ``w = q G``, q <= 1,
  the curve's own beta is such a b.
* How far from it: by convexity of the true Lagrangian, stopping where slopes differ by e_i leaves at most
  ``nu sum_i |e_i| R_i``, R_i the longest way from D_i to an end of its range, and ``nu sum_i (tangent - h)``, beside
  the certified gap of the last solve (nu its price of error). Their sum is :attr:`QualityPlan.gap`.
"""

from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import Scenario

from .digits import Floats

# Amounts that move by less than this part of the local data stay.
_STILL = 1e-10
_STEPS = 500
# Where h is looked at for its exponent, between no synthetic data and D_max; and how far above what was seen it is set.
_PLACES, _ABOVE = 400, 1.01
# A learning curve has no larger exponent. Where a law saturates faster, tangents may lie below h far off, and energies
# may rise on the way; what is said of where it comes to rest holds.
_MOST_POWER = 10.0


class Worth(NamedTuple):
    """How many real samples G synthetic ones are worth: ``s (1 - exp(-q G / s))``; ``q G`` without a ceiling.

    Attributes
    ----------
    q
        What the first one counts, > 0.
    ceiling
        s: what all of them count at most, > 0.
    """

    q: float
    ceiling: float = np.inf

    def samples(self, synthetic: Floats) -> Floats:
        """Real samples that so many synthetic ones are worth."""
        if np.isinf(self.ceiling):
            return np.asarray(self.q * synthetic)
        return np.asarray(-self.ceiling * np.expm1(-self.q * synthetic / self.ceiling))

    def slope(self, synthetic: Floats) -> Floats:
        """What one more counts."""
        return np.asarray(self.q * np.exp(-self.q * synthetic / self.ceiling))


class QualityPlan(NamedTuple):
    """The plan under one law.

    Attributes
    ----------
    synthetic
        D_gen, samples, (I,).
    frequency, bandwidth, power
        Hz, Hz, W, (I,).
    energy
        J of the fleet for one round.
    gap
        Relative: what another plan could save at most.
    mean_error
        dbar under the law.
    steps
        How many times it was solved.
    """

    synthetic: Floats
    frequency: Floats
    bandwidth: Floats
    power: Floats
    energy: float
    gap: float
    mean_error: float
    steps: int


class Tangent(NamedTuple):
    """Tangents of the devices' errors plus gamma: ``slope (D / unit)^-b + offset``.

    Attributes
    ----------
    power
        b.
    unit
        Samples that count as one, so that no power of them leaves float64: the amounts' geometric mean.
    slope, offset
        a_i, in this unit, and c_i, (I,).
    level
        What takes alpha's place: the slopes' geometric mean, so that no device's units are far from the usual.
    scale
        s_i, (I,): with ``D' = s D / unit``, ``a_i (D / unit)^-b`` is ``level D'^-b``.
    """

    power: float
    unit: float
    slope: Floats
    offset: Floats
    level: float
    scale: Floats


def plan_with_quality(scenario: Scenario, worth: Worth) -> QualityPlan:
    """Least energy if synthetic samples are worth what a law says, and cost what real ones cost.

    Parameters
    ----------
    scenario
        Devices, limits and task, whose curve is that of real samples.
    worth
        The law.

    Returns
    -------
    QualityPlan
        The plan; its gap says how near to the optimum it is.

    Raises
    ------
    ValueError
        If the law's parameters are not positive, or the amounts do not come to rest.
    InfeasibleError
        If the tangents at the most synthetic data admit no plan. Where D_max is what keeps the errors up, there is
        none; where the deadline does, the tangents may be too strict by a little.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> [round(plan_with_quality(paper(seed=0), Worth(q)).energy, 2) for q in (1.0, 0.5)]
    [33.59, 53.66]
    """
    if not (worth.q > 0 and worth.ceiling > 0):
        raise ValueError(f"q and ceiling must be positive, got {worth}")
    devices, limits, task = scenario
    local = devices.local_samples
    samples, power = local + limits.max_synthetic, exponent(scenario, worth)
    for step in range(1, _STEPS + 1):
        tangent = tangent_at(samples, local, task.learning, worth, power)
        plan = solve_tangent(scenario, tangent)
        before, samples = samples, np.maximum(plan.samples / tangent.scale * tangent.unit, local)
        if np.max(np.abs(samples - before) / local) <= _STILL:
            return _restated(scenario, plan, tangent, worth, step)
    raise ValueError(f"worth {worth}: amounts still move after {_STEPS} steps")


def true_error(samples: Floats, local: Floats, curve: fo.LearningCurve, worth: Worth) -> Floats:
    """Local error h of each device that trains on so many samples, (I,)."""
    return np.asarray(curve.alpha * (local + worth.samples(samples - local)) ** -curve.beta - curve.gamma)


def true_slope(samples: Floats, local: Floats, curve: fo.LearningCurve, worth: Worth) -> Floats:
    """Its derivative -h'(D) > 0, (I,)."""
    added = samples - local
    return np.asarray(
        curve.alpha * curve.beta * worth.slope(added) * (local + worth.samples(added)) ** (-curve.beta - 1)
    )


def exponent(scenario: Scenario, worth: Worth) -> float:
    """Exponent b of which the tangents in D^-b lie above h: the largest ``D h'' / (-h') - 1``; in [beta, 10]."""
    devices, limits, task = scenario
    curve, local = task.learning, devices.local_samples[:, None]
    added = limits.max_synthetic * np.linspace(0.0, 1.0, _PLACES)[:, None]
    added = np.broadcast_to(added, (_PLACES, len(devices))).T
    bend = (curve.beta + 1) * worth.slope(added) / (local + worth.samples(added)) + worth.q / worth.ceiling
    most = float(np.max((local + added) * bend)) - 1
    return min(_ABOVE * most, _MOST_POWER) if most > curve.beta * (1 + _STILL) else curve.beta


def tangent_at(samples: Floats, local: Floats, curve: fo.LearningCurve, worth: Worth, power: float) -> Tangent:
    """Tangents at these amounts, (I,)."""
    unit = float(np.exp(np.mean(np.log(samples))))
    height = (samples / unit) ** -power
    slope = true_slope(samples, local, curve, worth) * samples / (power * height)
    offset = true_error(samples, local, curve, worth) + curve.gamma - slope * height
    level = float(np.exp(np.mean(np.log(slope))))
    return Tangent(power, unit, slope, offset, level, (slope / level) ** (-1 / power))


def solve_tangent(scenario: Scenario, tangent: Tangent) -> fo.Plan:
    """Plan for the tangents' errors, in scaled units of data."""
    devices, limits, task = scenario
    known = {field.name: getattr(devices, field.name) for field in fields(fo.Devices)} | {"class_counts": None}
    known["local_samples"] = devices.local_samples / tangent.unit * tangent.scale
    known["max_frequency"] = devices.max_frequency * tangent.scale
    known["energy_coefficient"] = devices.energy_coefficient / tangent.scale**3
    given = {field.name: getattr(limits, field.name) for field in fields(fo.Constraints)}
    given["max_synthetic"] = limits.max_synthetic / tangent.unit * tangent.scale
    gamma = task.learning.gamma - float(np.mean(tangent.offset))
    curve = fo.LearningCurve(tangent.level, tangent.power, gamma, task.learning.zeta)
    scaled = replace(task, learning=curve, cycles_per_sample=task.cycles_per_sample * tangent.unit)
    return fo.solve(fo.Devices(**known), fo.Constraints(**given), scaled)


def _restated(scenario: Scenario, plan: fo.Plan, tangent: Tangent, worth: Worth, steps: int) -> QualityPlan:
    """The last solve's plan in the true units, with the bound on what it leaves."""
    devices, limits, task = scenario
    curve, local = task.learning, devices.local_samples
    samples = np.maximum(plan.samples / tangent.scale * tangent.unit, local)
    true = true_error(samples, local, curve, worth)
    height = tangent.slope * (samples / tangent.unit) ** -tangent.power
    above = height + tangent.offset - curve.gamma - true
    slopes = tangent.power * height / samples - true_slope(samples, local, curve, worth)
    reach = np.maximum(samples - local, local + limits.max_synthetic - samples)
    left = plan.prices.error / len(local) * float(np.sum(np.abs(above) + np.abs(slopes) * reach))
    gap = (plan.energy - plan.lower_bound + left) / plan.energy
    decision = (samples - local, plan.frequency / tangent.scale, plan.bandwidth, plan.power)
    return QualityPlan(*decision, plan.energy, gap, float(np.mean(true)), steps)
