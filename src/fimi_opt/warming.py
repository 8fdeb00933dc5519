"""warm_up(): every kernel compiled or loaded before the first request, by planning tiny fleets of every kind."""

import math
from dataclasses import replace

import numpy as np

from fimi_opt._kernels.feasibility import usual_price
from fimi_opt.categories import allocate_categories
from fimi_opt.certificate import lower_bound
from fimi_opt.errors import InfeasibleError
from fimi_opt.feasibility import check
from fimi_opt.feasibility.frontier import trade_in_blocks
from fimi_opt.solve import solve
from fimi_opt.solvers.bandwidth import allocate_bandwidth
from fimi_opt.solvers.cross_entropy import CrossEntropy
from fimi_opt.solvers.data_amounts import allocate_data
from fimi_opt.solvers.instance import form_instance, state_problem
from fimi_opt.solvers.joint import solve_joint
from fimi_opt.solvers.large import solve_large
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices

_SEARCH = CrossEntropy(samples=20, elite=5, iterations=1)
# A part of the fleet's band that is too little for any plan.
_TOO_NARROW = 0.01


def warm_up() -> None:
    """Compile every kernel of planning, or load it from the cache on disk, so that no later call has to.

    For servers before their first request, and for building an image that holds the compiled code. It prints nothing.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> fo.warm_up()
    """
    devices = Devices([1250.0, 900.0, 1100.0], 5e-27, 1.5e9, [3e-11, 1e-10, 5e-11], 0.2)
    limits = Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)
    plan = solve(devices, limits, warm_start=solve(devices, limits))
    solve(devices, limits, method="cross-entropy", search=_SEARCH)
    # What other fleets need: large ones, kinks in the way of the steps, and prices that no quick search finds.
    problem = state_problem(devices, limits, PAPER_TASK)
    solve_large(problem, 1)
    instance = form_instance(problem)
    solve_joint(instance)
    solve_joint(*check(devices, limits, PAPER_TASK, instance))
    fleet, shared, supply, _ = instance
    trade_in_blocks(fleet, shared, supply.A, math.inf, usual_price(fleet, shared), np.zeros(len(devices)), 1)
    try:
        solve(devices, replace(limits, bandwidth=_TOO_NARROW * limits.bandwidth))
    except InfeasibleError:
        lower_bound(devices, limits, PAPER_TASK, plan.prices)
    allocate_data(devices, limits, plan.compute_time)
    allocate_bandwidth(devices, limits, plan.upload_time)
    allocate_categories([[3, 1, 0], [0, 1, 1]], [4, 2])
