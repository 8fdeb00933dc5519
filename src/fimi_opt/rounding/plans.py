"""Plans in whole samples: which amounts, and everything else optimal for them.

Why this finds the best whole amounts, or close to it. For given amounts n (D = D_loc + n) what is left of P1 is convex
in the times and bandwidths; let E(n) be its optimum. The integer problem is to minimise E(n) subject to
sum alpha D^-beta <= A. With w any price of bandwidth, weak duality in the band alone gives

    E(n) >= sum_i phi_i(n_i) - w B,    phi_i(n) = min over (t, b) [ E_cmp(D_loc + n, t) + E_com(b, T - t) + w b ],

a bound that splits per device. At the continuous plan's own w it is equal at the continuous optimum, so it is tangent
there, and at whole amounts nearby it is low by the square of how far they move the band's price alone (the rank-one
part of E's second derivative): in 50 of the paper's fleets by less than 1e-9 of E. So:

1. tabulate phi_i and the error e_i at the whole amounts about the continuous ones;
2. minimise sum phi_i subject to sum e_i <= A over these tables, exactly, by meeting in the middle; of more than 24
   devices all but a core of 24 are settled first, greedily;
3. solve for times, bandwidths and powers of these amounts, exactly: this is the first plan;
4. list every other choice whose bound is below that plan's energy, cheapest bound first, and solve for each until the
   bound reaches the best energy found. What is left cannot be better.

Where a sample is worth much more on some devices than on others the same is done once more with the amounts of those
settled first (:mod:`fimi_opt.rounding.coarse`), and the better plan is taken.

What a whole plan takes more than the continuous one is the Lagrangian's rise, half its second derivative times the
distance squared (some 2e-7 of the energy on the paper's fleets), and nu times what the errors leave of A. Rounding up
pays nu for half a sample per device; the search of step 2 leaves next to nothing.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fimi_opt._checks import admitted, rounded_up
from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.models import global_error
from fimi_opt.plan import FIMI, Plan, Status
from fimi_opt.rounding.amounts import least_errors, make_menu
from fimi_opt.rounding.coarse import settle_coarse
from fimi_opt.rounding.halves import cheapest
from fimi_opt.rounding.search import EXACT, Found, Search, Solver, best_near, changed
from fimi_opt.solvers.instance import make_instance

Floats = NDArray[np.float64]

# A critical value is given this much larger than it is, so that it admits a plan.
_ADMIT = 1e-9


def rounded(plan: Plan, solve: Solver) -> Plan:
    """Plan in whole samples, for which times, bands and powers are optimal; within every limit of the plan's.

    Parameters
    ----------
    plan
        A plan for (P1) of method "exact". Only samples to add are whole: a fractional D_loc stays what it is.
    solve
        Solves for the amounts that are tried.

    Returns
    -------
    Plan
        With the plan's own lower bound and prices, which are those of the continuous problem, and status `INTEGER`;
        the plan itself where its amounts are whole already.

    Raises
    ------
    InfeasibleError
        If no whole amounts meet all limits: `max_synthetic` rounded down leaves no plan, or every choice was looked at,
        as it is of a few devices with few samples. It says which band and which error limit admit one.
    NumericalError
        If none were found, but not all were looked at: the limits leave less room than rounding to samples takes.
    ValueError
        If the plan does not answer (P1), or its method is not "exact".

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    >>> plan = fo.solve(devices, fo.Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000))
    >>> rounded(plan, fo.solve).synthetic_samples
    array([310., 703.])
    """
    _refuse(plan)
    if _whole(plan.synthetic_samples):
        return plan
    base = _with_whole_limits(plan, solve)
    search = Search(base, make_instance(base.devices, base.constraints, base.task), solve)
    found = Found(base.synthetic_samples, base) if _whole(base.synthetic_samples) else _best(search)
    return replace(
        plan,
        synthetic_samples=found.amounts,
        frequency=found.plan.frequency,
        bandwidth=found.plan.bandwidth,
        power=found.plan.power,
        status=Status.INTEGER,
    )


def _best(search: Search) -> Found:
    found = best_near(search)
    settled = settle_coarse(search)
    if settled is not None:
        other = best_near(settled.search)
        if other is not None and (found is None or other.plan.energy < found.plan.energy):
            found = Found(settled.amounts + other.amounts, other.plan)
    if found is None:
        raise _refusal(search)
    return found


def _refusal(search: Search) -> InfeasibleError | NumericalError:
    """The error that says which band, and which error limit, would admit whole amounts: infeasible where it is proven.

    Whole amounts need the sum of their least bands, no more and no less: where the menu is complete its least is it.
    """
    base, band = search.base, search.instance.supply.B
    curve, limits = base.task.learning, base.constraints
    scarce = make_menu(base, search.instance, search.limit, scarce=True)
    least = cheapest(scarce.first, scarce.second, scarce.limit)
    needed = scarce.split.bands + float(least.costs[0]) if least.costs.size else math.inf
    errors = min(search.errors(np.floor(base.synthetic_samples)), least_errors(scarce, band))
    mean = errors / len(base.devices) * (1.0 + EXACT) - curve.gamma
    error = global_error(limits.rounds, mean, curve.zeta)
    min_bandwidth = admitted("bandwidth", needed * (1.0 + _ADMIT)) if needed > band else None
    min_error = admitted("max_global_error", error) if error > limits.max_global_error else None
    cures = []
    if min_bandwidth is not None:
        cures.append(f"bandwidth = {rounded_up(min_bandwidth)} Hz instead of {limits.bandwidth:.7g}")
    if min_error is not None:
        cures.append(f"max_global_error = {rounded_up(min_error)} instead of {limits.max_global_error:.7g}")
    remedy = f". Any one of these admits one: {'; '.join(cures)}" if cures else ""
    if scarce.complete and needed > band * (1.0 + EXACT):
        message = f"no plan in whole samples meets all limits, though one in fractions of samples does{remedy}"
        return InfeasibleError(message, min_bandwidth=min_bandwidth, min_global_error=min_error)
    return NumericalError(f"no plan in whole samples was found: the limits leave room for fractions only{remedy}")


def _with_whole_limits(plan: Plan, solve: Solver) -> Plan:
    """Plan the same with max_synthetic rounded down, where it is not whole."""
    whole = np.floor(plan.constraints.max_synthetic)
    if np.array_equal(whole, plan.constraints.max_synthetic):
        return plan
    limits = changed(plan.constraints, max_synthetic=whole if whole.ndim else float(whole))
    try:
        return solve(plan.devices, limits, plan.task, warm_start=plan)
    except InfeasibleError as error:
        raise InfeasibleError(
            f"with max_synthetic rounded down to whole samples there is none in fractions of them either: {error}",
            min_bandwidth=error.min_bandwidth,
            min_latency=error.min_latency,
            min_global_error=error.min_global_error,
            min_rounds=error.min_rounds,
            devices=error.devices,
        ) from None


def _whole(amounts: Floats) -> bool:
    return bool(np.all(amounts == np.floor(amounts)))


def _refuse(plan: Plan) -> None:
    if not isinstance(plan, Plan):
        raise InvalidInputError(f"plan must be a fimi_opt.Plan, got {type(plan).__name__}")
    if plan.scheme.problem != FIMI.problem:
        answered = f"but that of {plan.scheme.name} answers {plan.scheme.problem}"
        raise InvalidInputError(f"plan must answer {FIMI.problem}, {answered}")
    if plan.method != "exact":
        raise InvalidInputError(f'plan must be of method "exact", got one of method {plan.method!r}')
