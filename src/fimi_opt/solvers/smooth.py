"""P1 by Newton steps of devices and prices together: the usual way, for fleets of any size.

Letters as in :mod:`fimi_opt._kernels.device`. For prices nu of error and w of bandwidth the Lagrangian splits per
device. Each pass over the fleet moves every device one step towards its best answer, and the two prices towards those
at which demand meets the limits (:mod:`fimi_opt._kernels.lanes`). Where it does not end, kinks are in the way:
:func:`fimi_opt.solvers.joint.solve_joint` finishes every device before it moves the prices.
"""

import math

import numpy as np

from fimi_opt._kernels.smooth import plan
from fimi_opt.solvers.instance import Problem
from fimi_opt.solvers.joint import JointSolution, WarmStart
from fimi_opt.solvers.large import LARGE, NO_TIMES, solve_large

_COLD = WarmStart(math.nan, math.nan, NO_TIMES)


def solve_smooth(problem: Problem, workers: int, warm: WarmStart | None = None) -> JointSolution | None:
    """Minimise P1; None where the steps do not end in a plan.

    Parameters
    ----------
    problem
        The devices' quantities and the limits.
    workers
        Threads, for large fleets.
    warm
        Where to start; by default from a typical device, or from a sample of a large fleet.
    """
    given, shared, supply, cycles = problem
    if not supply.A > 0.0:  # below the curve's floor: no amount of data is enough
        return None
    count = given.samples.size
    if count >= LARGE:
        return solve_large(problem, workers, warm)
    log_nu, log_w, times = warm or _COLD
    rows, split = np.empty((4, count)), np.empty((2, count))
    good, log_nu, log_w, value, evaluations, steps = plan(
        given, cycles, shared, supply, log_nu, log_w, times, rows, split
    )
    if not good:
        return None
    return JointSolution(
        rows, (split[0], split[1], rows[2]), math.exp(log_nu), math.exp(log_w), value, evaluations, steps
    )
