"""Which methods are measured at which size, how each is called and how near the optimum its answer must be."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import fimi_opt as fo
from fimi_opt._threads import usable_cores
from fimi_opt.scenarios import Scenario

from .conic import Clarabel
from .evaluation import Evaluation
from .fleets import draw, draw_many, next_round
from .interior import Found, Ipopt
from .judging import Decision, Goal, Verdict, judge
from .measuring import Contender, Taken, clocked, tell
from .rows import BASE, group_of
from .scaled import Scaled, scale
from .searches import PRINTED_SAMPLES, SETTINGS, Printed, Pycma, Searched, cross_entropy
from .sequential import Slsqp

# `solve` certifies its plans to 1e-9. The peers stop at tolerances of their own, on both sides of the limits.
CERTIFIED = Goal(gap=1e-9, violation=1e-9)
PEER = Goal(gap=1e-6, violation=1e-7)
SEARCH = Goal(gap=1e-5, violation=1e-9)

WARM, EVALUATION, IPOPT, CLARABEL = "solve, warm start", "one evaluation of the model", "IPOPT", "Clarabel"
SLSQP, SEARCHED, PRINTED, PYCMA = "SLSQP", "cross-entropy", "cross-entropy as printed", "pycma"
MANY, LOOP = "solve_many", "solve, in a loop"

# Up to these sizes: beyond, minutes (IPOPT), a matrix of (3 I) x (4 I) (SLSQP), or a search that does not arrive.
MOST_IPOPT, MOST_CLARABEL, MOST_SEARCH = 100_000, 1_000, 20
# IPOPT is called once from here on.
ONCE = 100_000
IPOPT_SECONDS = 300.0
# One evaluation of fewer devices is the start of a thread.
LEAST_EVALUATION = 1_000


def fleet(devices: int) -> list[Contender]:
    """Return the methods for one fleet of that size: its present channels, after a plan for the last round's."""
    group = group_of(devices)
    tell(f"{group}: drawing, planning")
    before = draw(devices)
    now = next_round(before)
    earlier, plan = fo.solve(*before), fo.solve(*now)
    found = [
        _plans(BASE, now, lambda: fo.solve(*now), CERTIFIED),
        _plans(WARM, now, lambda: fo.solve(*now, warm_start=earlier), CERTIFIED),
    ]
    if devices >= LEAST_EVALUATION:
        evaluation = Evaluation(now, plan, usable_cores())
        found.append(Contender(EVALUATION, lambda: clocked(evaluation), evaluation.check, None))
    if devices <= MOST_IPOPT:
        tell(f"{group}: setting up the peers")
        once = devices >= ONCE
        note = f"called once, given {IPOPT_SECONDS:.0f} s" if once else ""
        found.append(_peer(IPOPT, plan, now, lambda p: Ipopt(p, IPOPT_SECONDS).solve, once, note))
    if devices <= MOST_CLARABEL:
        found.append(_peer(CLARABEL, plan, now, lambda p: Clarabel(p).solve, note="the solver's own seconds"))
    if devices <= MOST_SEARCH:
        found.append(_peer(SLSQP, plan, now, lambda p: Slsqp(p).solve))
        found.extend(_searches(plan, now))
    return found


def many(fleets: int, devices: int) -> list[Contender]:
    """Return solve_many and a loop over solve, for a batch of fleets; seconds are those of one fleet."""
    batch = draw_many(fleets, devices)

    def check(plans: Sequence[Any]) -> Verdict:
        worst = Verdict(0.0, 0.0)
        for index, (scenario, plan) in enumerate(zip(batch, plans, strict=True)):
            if not isinstance(plan, fo.Plan):
                return worst._replace(fault=f"fleet {index}: {plan}")
            verdict = _check(scenario, plan, CERTIFIED)
            if verdict.fault:
                return verdict._replace(fault=f"fleet {index}: {verdict.fault}")
            worst = Verdict(max(worst.gap, verdict.gap), max(worst.violation, verdict.violation))
        return worst

    def each(call: Callable[[], Any]) -> Callable[[], Taken]:
        def run() -> Taken:
            answer, seconds = clocked(call)
            return Taken(answer, seconds / fleets)

        return run

    note = f"per fleet, {fleets:,} fleets"
    return [
        Contender(LOOP, each(lambda: [fo.solve(*scenario) for scenario in batch]), check, CERTIFIED, note=note),
        Contender(MANY, each(lambda: fo.solve_many(batch)), check, CERTIFIED, note=note),
    ]


def _plans(name: str, scenario: Scenario, call: Callable[[], fo.Plan], goal: Goal) -> Contender:
    return Contender(name, lambda: clocked(call), lambda plan: _check(scenario, plan, goal), goal)


def _check(scenario: Scenario, plan: fo.Plan, goal: Goal) -> Verdict:
    """Judge a plan by its own bound."""
    decision = Decision(plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power)
    return judge(scenario, decision, plan.lower_bound, goal)


def _peer(
    name: str,
    plan: fo.Plan,
    scenario: Scenario,
    build: Callable[[Scaled], Callable[[], Found]],
    once: bool = False,
    note: str = "",
) -> Contender:
    """Return a solver, set up and clocked at that; its answers are judged by the bound of `plan`."""
    solve, setup = clocked(lambda: build(scale(scenario)))

    def check(decision: Decision) -> Verdict:
        return judge(scenario, decision, plan.lower_bound, PEER)

    return Contender(name, lambda: Taken(*solve()), check, PEER, setup, once, note=note)


def _searches(plan: fo.Plan, scenario: Scenario) -> list[Contender]:
    """Return the random searches; each draws the same numbers every time."""
    evaluations = len(cross_entropy(scenario).history) * SETTINGS.samples
    pycma, as_printed = Pycma(scenario), Printed(scenario, plan, evaluations)

    def check(found: Searched) -> Verdict:
        return judge(scenario, found.decision, plan.lower_bound, SEARCH)

    return [
        replace(_plans(SEARCHED, scenario, lambda: cross_entropy(scenario), SEARCH), evaluations=evaluations),
        Contender(
            PRINTED,
            lambda: Taken(*as_printed.solve()),
            as_printed.check,
            None,
            evaluations=evaluations,
            note=f"extrapolated from {PRINTED_SAMPLES} evaluations",
        ),
        Contender(PYCMA, lambda: clocked(pycma.solve), check, SEARCH, evaluations=pycma.solve().evaluations),
    ]
