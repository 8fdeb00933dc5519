"""What a solve was to cost, and whether it does."""

from collections.abc import Iterator
from typing import NamedTuple

from .children import EMPTY, FILLED
from .contenders import EVALUATION, IPOPT, MANY, WARM
from .rows import BASE, Memory, Results, over
from .table import digits, mebibytes, seconds

# `solve` is to take at most this part of IPOPT's solve alone.
OF_IPOPT = {20: 1 / 50, 1_000: 1 / 100, 100_000: 1 / 1000}
EVALUATIONS, MILLION = 20.0, 1_000_000
OF_COLD = 0.5
MANY_SECONDS = 40e-6
FIRST_SECONDS, COMPILED_SECONDS = 1.0, 15.0
# Ten times the devices may take ten times as long, and what noise adds.
LINEAR = 12.0


class Aim(NamedTuple):
    """What was measured, the most that it may be, and what it is; both in the same unit, None where not measured."""

    what: str
    allowed: str
    measured: str
    met: bool | None

    def cells(self) -> tuple[str, ...]:
        """Return the row of the page's table."""
        verdict = {True: "yes", False: "**no**", None: "not measured"}[self.met]
        return self.what, self.allowed, self.measured, verdict


def aims(results: Results) -> Iterator[Aim]:
    """Hold the results against every aim."""
    for size, part in OF_IPOPT.items():
        found = over(results.find(IPOPT, size), results.find(BASE, size))
        at_least = 1 / part
        yield Aim(
            f"IPOPT's solve over ours, {size:,} devices",
            f"at least {digits(at_least)}",
            digits(found),
            None if found is None else found >= at_least,
        )
    yield _times(
        f"our solve over one evaluation, {MILLION:,} devices",
        EVALUATIONS,
        over(results.find(BASE, MILLION), results.find(EVALUATION, MILLION)),
    )
    yield _times(
        f"our solve for {10 * MILLION:,} devices over that for {MILLION:,}",
        LINEAR,
        over(results.find(BASE, 10 * MILLION), results.find(BASE, MILLION)),
    )
    for size in sorted({row.devices for row in results.rows if row.method == WARM}):
        ratio = over(results.find(WARM, size), results.find(BASE, size))
        yield _times(f"warm start over cold, {size:,} devices", OF_COLD, ratio)
    many = [row for row in results.rows if row.method == MANY]
    yield _time("`solve_many`, per fleet of 20", MANY_SECONDS, many[0].median if many else None)
    for memory in results.memory:
        yield _memory(memory)
    starts = {start.what: start.median for start in results.starts}
    yield _time(f"fresh process: {FILLED}", FIRST_SECONDS, starts.get(FILLED))
    yield _time(f"fresh process: {EMPTY}", COMPILED_SECONDS, starts.get(EMPTY))


def _times(what: str, most: float, found: float | None) -> Aim:
    return Aim(what, f"at most {digits(most)}", digits(found), None if found is None else found <= most)


def _time(what: str, most: float, found: float | None) -> Aim:
    return Aim(what, f"at most {seconds(most)}", seconds(found), None if found is None else found <= most)


def _memory(memory: Memory) -> Aim:
    what = f"peak memory, {memory.devices:,} devices: three times the inputs, and the plan"
    return Aim(what, f"at most {mebibytes(memory.allowed)}", mebibytes(memory.peak), memory.peak <= memory.allowed)
