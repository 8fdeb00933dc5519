"""The default task's zeta, computed again from the one figure that the paper gives."""

import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import paper
from fimi_opt.tasks import PAPER_ZETA

SYNTHETIC_SAMPLES = 6659.0
DROPS = 200
# The total scatters by 10 samples from drop to drop: five standard errors of the mean over so many drops.
SAMPLING_ERROR = 5 * 10 / np.sqrt(DROPS)


def test_the_default_task_needs_the_papers_6659_synthetic_samples() -> None:
    totals = [np.sum(fo.solve(*paper(seed=seed)).synthetic_samples) for seed in range(DROPS)]
    assert np.std(totals) < 2 * SAMPLING_ERROR * np.sqrt(DROPS) / 5
    assert abs(np.mean(totals) - SYNTHETIC_SAMPLES) < SAMPLING_ERROR


def test_the_default_task_is_documented_by_its_parts() -> None:
    curve = fo.PAPER_TASK.learning
    assert (curve.alpha, curve.beta, curve.gamma, curve.zeta) == (3.0, 0.25, 0.1, PAPER_ZETA)
    assert fo.PAPER_TASK.update_bits == 111.7 * 2**20
