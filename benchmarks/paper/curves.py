"""Whether another learning curve explains Table I: FIMI's energy where the curve is another and the data as much."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

import fimi_opt as fo
from fimi_opt import models
from fimi_opt.baselines import traditional
from fimi_opt.scenarios import Scenario, paper

from .means import mean_of
from .rows import Part

DROPS = 20
# The decay of the curve, the one parameter that matters: alpha and gamma shift limits that are fitted here anyway.
BETAS = (0.05, 0.25, 1.0, 2.0)
# V-A: "the total amount of synthetic data is 6659 under the default setting".
SYNTHETIC = 6659.0
LOCAL_SAMPLES, DEVICES, ROUNDS = 1250.0, 20, 200.0
# Of the logarithm of the error limit; the amounts then agree to about 1e-6.
_ROOT_TOL = 1e-12


class Row(NamedTuple):
    """J of FIMI and of TFL for one drop, where FIMI adds so many samples under a curve of this decay."""

    beta: float
    seed: int
    fimi: float
    tfl: float
    synthetic: float


def measure(beta: float, seed: int) -> Row:
    """Find the error limit at which one drop's optimum adds the paper's number of samples."""
    curve = fo.LearningCurve(0.5 * LOCAL_SAMPLES**beta, beta, 0.1, fo.PAPER_TASK.learning.zeta)

    def scenario(log_limit: float) -> Scenario:
        return paper(seed, learning=curve, max_global_error=math.exp(log_limit), max_synthetic=SYNTHETIC)

    def excess(log_limit: float) -> float:
        return float(np.sum(fo.solve(*scenario(log_limit)).synthetic_samples)) - SYNTHETIC

    # No amounts meet an error limit with fewer samples in all than equal ones (Jensen): there the optimum adds enough.
    found = scenario(float(brentq(excess, _log_error(curve, SYNTHETIC), _log_error(curve, 0.0), xtol=_ROOT_TOL)))
    plan = fo.solve(*found)
    return Row(beta, seed, plan.energy, traditional(*found).energy, float(np.sum(plan.synthetic_samples)))


def _log_error(curve: fo.LearningCurve, synthetic: float) -> float:
    """Logarithm of the global error that equal amounts reach, so many in all."""
    samples = LOCAL_SAMPLES + synthetic / DEVICES
    mean = models.mean_error([samples], curve.alpha, curve.beta, curve.gamma)
    return math.log(models.global_error(ROUNDS, mean, curve.zeta))


def texts(rows: list[Row]) -> dict[str, str]:
    """Return the table."""
    lines = []
    for beta in BETAS:
        chosen = [row for row in rows if row.beta == beta]
        ratios = [row.fimi / row.tfl for row in chosen]
        energies = [mean_of(values).text(2) for values in ([row.fimi for row in chosen], [row.tfl for row in chosen])]
        lines.append(f"| {beta:g} | {energies[0]} | {energies[1]} | {min(ratios):.3f} to {max(ratios):.3f} |")
    return {"curve_table": "\n".join(lines), "curve_drops": str(len({row.seed for row in rows}))}


PART = Part(
    name="curves",
    kind=Row,
    measure=measure,
    settings=[{"beta": beta, "seed": seed} for beta in BETAS for seed in range(DROPS)],
    texts=texts,
)
