"""The verdict on one instance: a verified plan, a confirmed refusal, or what is wrong."""

import contextlib
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from fleets import Problem

import fimi_opt as fo

from .cases import problem_of
from .drawing import LARGEST, draw
from .exact_dual import exact_dual
from .placing import CURES, Placement, place
from .proofs import Measured, band_bound, keeps_classes, measured, room_without_band, rounding_of_dual, slowest_alone

GAP_LIMIT = 1e-7
SOLVED_GAP = 1e-9  # "optimal" means this, by default
# Limits are loosened by up to 1e-12 of themselves where what rounding is worth keeps the gap open.
VIOLATION_LIMIT = 3e-12
# Two sums of the same terms, and what they may put the bound above the energy.
ROUNDING = 1e-12
# Critical values are right to this: a limit so much stricter admits no plan.
CRITICAL_TOL = 1e-6
# Bounds are derived again (110 us a device) and infeasibility is proved again for fleets up to this size.
MOST_REDERIVED = 300
# And to forty digits, where fewer do not tell, up to this: some 0.3 s a device.
MOST_EXACT = 60
# What the library grants limits that leave no more room than rounding does.
GRANTED = 1e-12
CLASS_TOL = 1e-9
# How far a peer's energy and limits may be off: a thousand times what is asked of us.
AGREEMENT = 1e-6
# The most that the library takes: a limit that is said to cure nothing admits no plan even then.
GENEROUS = {"bandwidth": 1e24, "max_latency": 1e15, "max_global_error": 1 - 2**-53, "rounds": 1e18}
# Double precision confirms no gap below what some 90 roundings of the limits are worth at the plan's prices.
ROUNDED_LIMITS = 2e-14
# Gaps below this need no explanation.
CLOSED = 1e-10


class Verdict(NamedTuple):
    """What an instance ended in.

    Attributes
    ----------
    corner, limit, margin, devices
        What was drawn; a margin below 0 means that no plan exists, above 0 that one does, 0 that nobody knows.
    outcome
        "plan", "infeasible", or "none" where there was no answer.
    failure, detail
        What is wrong, "" where nothing is; and the figures to it.
    gap, violation
        Of the plan, recomputed from its decision and its lower bound; None without one.
    gap_by_prices
        To the bound that is derived again from the prices alone; None where the fleet is too large.
    cures
        Critical values that were confirmed from both sides.
    cure_gap
        The largest gap of the plans at critical values; None without them.
    seconds
        Of solve() alone.
    facts
        Of a plan whose gap is not closed: what may have kept it open.
    """

    corner: str = ""
    limit: str = ""
    margin: float = 0.0
    devices: int = 0
    outcome: str = "none"
    failure: str = ""
    detail: str = ""
    gap: float | None = None
    violation: float | None = None
    gap_by_prices: float | None = None
    cures: int = 0
    cure_gap: float | None = None
    seconds: float = 0.0
    facts: dict[str, float] | None = None

    def wrong(self, failure: str, detail: str = "") -> "Verdict":
        """Return the same verdict with what is wrong."""
        return self._replace(failure=failure, detail=detail)


# Nobody knows whether there is a plan.
UNKNOWN = Verdict()


def judge_drawn(seed: int, index: int, largest: int = LARGEST) -> Verdict:
    """Draw an instance, place its limits and judge it."""
    corner, loose, placement = draw(seed, index, largest)
    return judge_loose(loose, placement)._replace(corner=corner)


def judge_case(case: Mapping[str, Any], placement: Sequence[Any]) -> Verdict:
    """Judge an instance in the form of tests/cases, its limits still to be placed; what is no instance says so."""
    try:
        loose = problem_of(case)
    except (ValueError, ArithmeticError) as error:
        return Verdict().wrong(type(error).__name__, str(error))
    return judge_loose(loose, Placement(*placement))


def judge_loose(loose: Problem, placement: Placement) -> Verdict:
    """Place the limits and judge."""
    begun = Verdict("", placement.limit, placement.margin, len(loose.devices))
    try:
        with strict():
            placed = place(loose, placement)
    except Exception as error:
        return begun.wrong(f"placing: {type(error).__name__}", _where(error))
    if placed is None:  # there is no such critical value: limits stay as they were drawn
        return judge(loose, begun._replace(limit="", margin=0.0))
    return judge(placed, begun)


def judge(problem: Problem, begun: Verdict = UNKNOWN) -> Verdict:
    """Solve one instance and judge the answer."""
    verdict = begun._replace(devices=len(problem.devices))
    begin = time.perf_counter()
    try:
        with strict():
            try:
                plan = problem.solve()
            except fo.InfeasibleError as error:
                verdict = verdict._replace(outcome="infeasible", seconds=time.perf_counter() - begin)
                return _refused(problem, error, verdict)
            verdict = verdict._replace(outcome="plan", seconds=time.perf_counter() - begin)
            return _planned(problem, plan, verdict)
    except Exception as error:
        return verdict.wrong(type(error).__name__, _where(error))


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Every warning is an error, but the one that inputs beyond the plausible are meant to raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        yield


def _where(error: Exception) -> str:
    """The message and the innermost lines of the trace."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{error} ({' < '.join(f'{frame.name}:{frame.lineno}' for frame in reversed(frames))})"[:600]


# --- Plans ------------------------------------------------------------------------------------------------------------


def _planned(problem: Problem, plan: fo.Plan, verdict: Verdict) -> Verdict:
    found = _measured(problem, plan)
    facts = _facts(problem, plan, found)
    gap = (found.energy - plan.lower_bound) / found.energy
    verdict = verdict._replace(gap=gap, violation=found.violation)
    if gap > CLOSED:
        verdict = verdict._replace(facts=facts)
    if not found.violation <= VIOLATION_LIMIT:
        return verdict.wrong("violation", f"{found.violation:.2e}")
    if not abs(plan.energy - found.energy) <= ROUNDING * found.energy:
        return verdict.wrong("energy misstated", f"{plan.energy!r} is {found.energy!r}")
    if not gap >= -ROUNDING:
        return verdict.wrong("bound above the energy", f"{gap:.2e}")
    if verdict.margin < -CRITICAL_TOL:
        return verdict.wrong("planned beyond a critical value", f"margin {verdict.margin:.2e}")
    if not gap <= GAP_LIMIT:
        return verdict.wrong("gap above 1e-7", f"{gap:.2e}, rounding makes {facts['rounding']:.2e}")
    if (plan.status is fo.Status.OPTIMAL) != (plan.gap <= SOLVED_GAP):
        return verdict.wrong("status", f"{plan.status.name} at a gap of {plan.gap:.2e}")
    if len(plan.devices) <= MOST_REDERIVED:
        alone, again = _gaps_again(problem, plan)
        verdict = verdict._replace(gap_by_prices=alone)
        if not min(alone, again) <= max(GAP_LIMIT, facts["rounding"]) and len(plan.devices) <= MOST_EXACT:
            exact = exact_dual(problem, plan.prices.error, plan.prices.bandwidth)
            alone = again = (found.energy - exact) / found.energy
        if not min(alone, again) <= max(GAP_LIMIT, facts["rounding"]):
            return verdict.wrong("gap not confirmed", f"{alone:.2e} and {again:.2e} for {gap:.2e}")
    if not keeps_classes(plan, CLASS_TOL):
        return verdict.wrong("classes")
    return verdict


def _measured(problem: Problem, plan: fo.Plan) -> Measured:
    return measured(problem, plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)


def _gaps_again(problem: Problem, plan: fo.Plan) -> tuple[float, float]:
    """Gaps to the bound derived from the prices alone, and with tangents that touch at the plan's own split."""
    touch = fo.Split(plan.compute_time, plan.upload_time, plan.bandwidth)
    alone, own = (1 - fo.lower_bound(*problem, plan.prices, split) / plan.energy for split in (None, touch))
    return alone, own


def _facts(problem: Problem, plan: fo.Plan, found: Measured) -> dict[str, float]:
    """What may keep a gap open: the least parts of T, what the limits are worth in energies, the curve."""
    d, limits, task = problem
    top = np.minimum(
        d.local_samples + limits.max_synthetic,
        d.max_frequency * plan.compute_time / (task.local_epochs * task.cycles_per_sample),
    )
    mean = float(np.mean(task.learning.alpha * plan.samples**-task.learning.beta))
    gamma = abs(task.learning.gamma)
    worth = plan.prices.error / plan.energy
    band = plan.prices.bandwidth * limits.bandwidth / plan.energy
    time = plan.prices.latency * limits.max_latency / plan.energy
    return {
        "compute_share": found.compute_share,
        "upload_share": found.upload_share,
        "error_worth": worth * mean,
        "band_worth": band,
        "time_worth": time,
        "rounding": ROUNDED_LIMITS * (1 + worth * (2 + 2 * gamma + 2 * mean) + band + time),
        "beta": task.learning.beta,
        "at_top": float(np.mean(plan.samples >= top * (1 - ROUNDING))),
        "at_local": float(np.mean(plan.synthetic_samples <= ROUNDING * d.local_samples)),
        "at_power": float(np.mean(plan.power >= d.max_power * (1 - ROUNDING))),
    }


# --- Refusals ---------------------------------------------------------------------------------------------------------


def _refused(problem: Problem, error: fo.InfeasibleError, verdict: Verdict) -> Verdict:
    if verdict.margin > 0:
        return verdict.wrong("refused though a plan exists", f"margin {verdict.margin:.2e}: {error}")
    alone, T = slowest_alone(problem), problem.limits.max_latency
    named = np.zeros(alone.size, dtype=bool)
    named[list(error.devices)] = True
    if np.any(named & (alone < T * (1 - ROUNDING))) or np.any(~named & (alone > T * (1 + ROUNDING))):
        return verdict.wrong("devices misnamed", f"{error.devices}")
    room = room_without_band(problem)
    if abs(room) <= GRANTED:  # which side it is on is a matter of rounding
        return verdict
    # Limits are granted a rounding: next to no room, that moves the others by more than a millionth.
    stricter = 1 - max(CRITICAL_TOL, ROUNDED_LIMITS / abs(room))
    price = 0.0
    for limit, attribute in CURES.items():
        value: float | None = getattr(error, attribute)
        if value is None:
            if _solved(problem.limited(**{limit: GENEROUS[limit]})) is not None:
                return verdict.wrong(f"a {attribute} exists", str(error))
            continue
        inside = _solved(problem.limited(**{limit: value}))
        if inside is None:
            return verdict.wrong(f"{attribute} does not admit a plan", f"{value!r}")
        admitted = problem.limited(**{limit: value})
        violation = _measured(admitted, inside).violation
        if not violation <= VIOLATION_LIMIT:
            return verdict.wrong("violation", f"{violation:.2e} at {attribute} = {value!r}")
        if _solved(problem.limited(**{limit: value * stricter})) is not None:
            return verdict.wrong(f"{attribute} is not the least", f"{value!r}")
        if limit == "bandwidth" and inside.prices.bandwidth > 0:
            price = inside.prices.error / alone.size / inside.prices.bandwidth
        worst = max(inside.gap, -1.0 if verdict.cure_gap is None else verdict.cure_gap)
        verdict = verdict._replace(cures=verdict.cures + 1, cure_gap=worst)
    if alone.size > MOST_REDERIVED or _proved(problem, error, price, stricter):
        return verdict
    return verdict.wrong("infeasibility not proved", str(error))


def _solved(problem: Problem) -> fo.Plan | None:
    try:
        return problem.solve()
    except fo.InfeasibleError:
        return None


def _proved(problem: Problem, error: fo.InfeasibleError, price: float, stricter: float) -> bool:
    """Whether no plan exists, and none at so little less than the least band that was named: by other formulas."""
    if room_without_band(problem) <= 0:
        return error.min_bandwidth is None
    if error.min_bandwidth is None:
        return band_bound(problem, problem.limits.bandwidth) > GENEROUS["bandwidth"]
    least = max(problem.limits.bandwidth, error.min_bandwidth) * stricter
    least -= rounding_of_dual(problem, price)
    return band_bound(problem, price, enough=least) >= least
