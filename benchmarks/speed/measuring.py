"""Times of several methods in turns, so that what else the machine does hits all alike."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .judging import Goal, Verdict
from .rows import BASE, Results, Row

# Where a call is short, a turn is several calls after one that is not timed: else each would find the caches as the
# method before left them.
TURN_SECONDS = 0.005
MOST_CALLS = 50


class Taken(NamedTuple):
    """What one call answered, and its seconds."""

    answer: Any
    seconds: float


@dataclass
class Contender:
    """A method at one size.

    Attributes
    ----------
    method
        Its name.
    call
        Solves once.
    judge
        Judges what the call answered.
    goal
        What is asked of a plan; None for what is not a plan.
    setup
        Seconds of what was done once before.
    once
        Whether it is too slow to be warmed up and repeated: then its first call counts, and is the only one.
    evaluations
        Splits that a search evaluates in one call.
    note
        What a reader must know.
    """

    method: str
    call: Callable[[], Taken]
    judge: Callable[[Any], Verdict]
    goal: Goal | None
    setup: float | None = None
    once: bool = False
    evaluations: int | None = None
    note: str = ""
    times: list[float] = field(default_factory=list, init=False)
    verdict: Verdict = field(default=Verdict(math.nan, math.nan), init=False)
    calls: int = field(default=1, init=False)
    spent: float = field(default=0.0, init=False)

    def prepare(self) -> None:
        """Judge a first answer; only then times count."""
        if self.verdict.fault:
            return
        taken = self._judged()
        if taken is None:
            return
        if self.once:
            self.times.append(taken.seconds)
            return
        begin = time.perf_counter()
        self.call()
        self.calls = min(MOST_CALLS, math.ceil(TURN_SECONDS / max(time.perf_counter() - begin, 1e-9)))

    def turn(self, budget: float) -> bool:
        """Take one turn, unless the method failed, is called once or has used up its seconds; return whether it did."""
        if self.verdict.fault or self.once or self.spent > budget:
            return False
        begin = time.perf_counter()
        if self.calls > 1:
            self.call()
        self.times.extend(self.call().seconds for _ in range(self.calls))
        self.spent += time.perf_counter() - begin
        return True

    def finish(self) -> None:
        """Judge once more: the last answer must be as good as the first."""
        if self.times and len(self.times) > 1 and not self.verdict.fault:
            self._judged()

    def row(self, devices: int, group: str, base: str = BASE) -> Row:
        """Return the row of what was timed so far."""
        good = bool(self.times) and not self.verdict.fault
        low, median, high = np.quantile(self.times, (0.1, 0.5, 0.9)).tolist() if good else (None, None, None)
        return Row(
            self.method,
            devices,
            group,
            base,
            median,
            low,
            high,
            len(self.times) if good else 0,
            self.setup,
            _number(self.verdict.gap),
            self.goal.gap if self.goal else None,
            _number(self.verdict.violation),
            self.verdict.fault,
            self.evaluations,
            self.note,
        )

    def _judged(self) -> Taken | None:
        """Call once and keep the worse verdict; None where the call failed or its answer is not good enough."""
        try:
            taken = self.call()
        except (RuntimeError, ArithmeticError, ValueError) as error:
            self.verdict = Verdict(math.nan, math.nan, f"it failed: {error}")
            return None
        verdict, known = self.judge(taken.answer), self.verdict
        self.verdict = Verdict(
            max((verdict.gap, known.gap), key=_size),
            max((verdict.violation, known.violation), key=_size),
            verdict.fault,
        )
        return None if verdict.fault else taken


def measure(
    contenders: Sequence[Contender],
    devices: int,
    group: str,
    rounds: int,
    budget: float,
    results: Results,
    base: str = BASE,
) -> None:
    """Time the methods in turns, up to `rounds` each and about `budget` seconds each; save, interrupted or not."""
    try:
        for contender in contenders:
            tell(f"{group}: {contender.method}, first answer")
            contender.prepare()
            if contender.verdict.fault:
                tell(f"{group}: {contender.method} is not timed: {contender.verdict.fault}")
        for number in range(rounds):
            turns = [contender.turn(budget) for contender in contenders]
            if not any(turns):
                break
            tell(f"{group}: round {number + 1} of {rounds}, {sum(turns)} of {len(turns)} methods")
        for contender in contenders:
            contender.finish()
    finally:
        rows = [contender.row(devices, group, base) for contender in contenders]
        results.rows.extend(row for row in rows if row.runs or row.fault)
        results.save()


def tell(text: str) -> None:
    """Print a line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def clocked(call: Callable[[], Any]) -> Taken:
    """What the call returns, and its seconds."""
    begin = time.perf_counter()
    answer = call()
    return Taken(answer, time.perf_counter() - begin)


def _size(value: float) -> float:
    return -1.0 if math.isnan(value) else abs(value)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
