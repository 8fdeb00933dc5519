"""What plans would be if synthetic samples were worth what the measured laws say."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import Scenario

from .digits import split
from .laws import Law
from .quality import Worth, plan_with_quality
from .settings import SETTINGS, deal, scenario

SETTING = "scarce"
# Constant factors that are planned with; below 0.4 some drops' D_max leaves no plan.
FACTORS = (0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
LISTED = (0.5, 1.0, 2.0)


class Planned(NamedTuple):
    """Means over drops of plans under one law.

    Attributes
    ----------
    kind, label
        Generator, or "" for a factor that none was measured to have; and words for it.
    worth
        The law.
    energy
        J per round.
    synthetic
        Samples of all devices; infinite, as the energy, where a drop has no plan.
    gap
        The largest certified relative gap.
    listed
        Whether it is in the table.
    """

    kind: str
    label: str
    worth: Worth
    energy: float
    synthetic: float
    gap: float
    listed: bool


def plans(
    curve: fo.LearningCurve, zetas: dict[str, float], laws: dict[str, dict[str, Law]], seeds: int
) -> list[Planned]:
    """Plan the drops of the runs with a range of constant factors, and with every law that was measured.

    A factor that the measurement does not tell from any larger one is planned with the low end of its interval.
    """
    shape = SETTINGS[SETTING]
    law = fo.LearningCurve(curve.alpha, curve.beta, curve.gamma, zetas[SETTING])
    worlds = [scenario(shape, law, deal(shape, split(seed), seed).class_counts, seed) for seed in range(seeds)]
    found = [_planned(worlds, "", f"each counts as {q:g}", Worth(q), q in LISTED) for q in FACTORS]
    for kind, fits in laws.items():
        for name, fitted in fits.items():
            worth = fitted.worth if fitted.told else Worth(fitted.low.q, fitted.worth.ceiling)
            found.append(_planned(worlds, kind, f"{kind}, {name} law", worth, True))
    return found


def _planned(worlds: Sequence[Scenario], kind: str, label: str, worth: Worth, listed: bool) -> Planned:
    try:
        made = [plan_with_quality(world, worth) for world in worlds]
    except fo.InfeasibleError:
        return Planned(kind, label, worth, math.inf, math.inf, math.inf, listed)
    energy, synthetic = np.mean([(plan.energy, plan.synthetic.sum()) for plan in made], axis=0)
    return Planned(kind, label, worth, float(energy), float(synthetic), max(plan.gap for plan in made), listed)
