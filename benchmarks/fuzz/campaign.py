"""The campaign: judge what is not judged yet, set the peers to it, shrink what failed, write the page."""

import contextlib
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oracles import constants, ipopt_energy

from .cases import Case, case_of, problem_of, write
from .drawing import draw
from .judging import Verdict, judge_case, judge_drawn
from .peers import compare
from .placing import place
from .report import page, summary
from .rows import Rows, stamp
from .running import NoAnswerError, Worker, spread
from .shrinking import shrink

# Lines of progress, at most one in so many seconds.
_SAY = 10.0


class Order(NamedTuple):
    """What to run.

    Attributes
    ----------
    seed, instances, largest
        Instances 0, 1, ... of this seed, of at most so many devices.
    peers
        How many of them IPOPT and Clarabel get as well.
    shrunk
        Failures of each kind to shrink, those of fewest devices.
    jobs, limit
        Processes, and seconds for one instance.
    folder
        Of rows, summary and shrunk cases.
    """

    seed: int
    instances: int
    largest: int
    peers: int
    shrunk: int
    jobs: int
    limit: float
    folder: Path


def run(order: Order) -> dict[str, Any]:
    """Run the campaign, going on where it stopped; return its summary."""
    name = f"seed-{order.seed}-{order.largest}-{stamp()}"
    rows, beside = Rows(order.folder, name), Rows(order.folder, f"{name}-peers")
    _fill(rows, order, judge_drawn, (order.largest,), range(order.instances))
    _fill(beside, order, compare, (), range(min(order.peers, order.instances)))
    judged = [rows.by_index[index] for index in range(order.instances)]
    compared = [beside.by_index[index] for index in range(min(order.peers, order.instances))]
    figures = summary(judged, compared, order.seed)
    (order.folder / f"seed-{order.seed}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (order.folder / "reliability.md").write_text(page(figures), encoding="utf-8")
    _shrink_failures(judged, order)
    return figures


def _fill(rows: Rows, order: Order, function: Any, extra: Sequence[Any], indices: Iterable[int]) -> None:
    """Make the rows that are missing."""
    todo = [index for index in indices if index not in rows.by_index]
    begin = said = time.monotonic()
    calls = ((order.seed, index, *extra) for index in todo)
    for done, (call, answer) in enumerate(spread(function, calls, order.jobs, order.limit), start=1):
        rows.add(call[1], _row(answer))
        now = time.monotonic()
        if now - said > _SAY or done == len(todo):
            said = now
            rate = done / (now - begin)
            wrong = sum(bool(row.get("failure")) for row in rows.by_index.values())
            left = (len(todo) - done) / rate
            print(
                f"{done} of {len(todo)}, {rate:.0f}/s, {left:.0f} s left, {wrong} failures", file=sys.stderr, flush=True
            )


def _row(answer: Any) -> dict[str, Any]:
    if isinstance(answer, NoAnswerError):
        return Verdict(failure=str(answer))._asdict()
    row: dict[str, Any] = answer._asdict() if isinstance(answer, Verdict) else answer
    return row


def _shrink_failures(rows: Sequence[dict[str, Any]], order: Order) -> None:
    """Write the smallest failures of each kind as cases, unless they are there."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["failure"]:
            kinds[row["failure"]].append(row)
    worker: Worker | None = None
    for kind, failed in sorted(kinds.items(), key=lambda pair: -len(pair[1])):
        for row in sorted(failed, key=lambda row: (row["devices"], row["index"]))[: order.shrunk]:
            slug = re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")
            path = order.folder / "cases" / f"{slug}-{order.seed}-{row['index']}.json"
            if not path.exists():
                worker = worker or Worker(order.limit)
                print(f"shrinking {path.name}", file=sys.stderr, flush=True)
                write(_shrunk(order, int(row["index"]), kind, worker), path)
    if worker is not None:
        worker.close()


def _shrunk(order: Order, index: int, kind: str, worker: Worker) -> Case:
    """The case of this instance, smaller, its limits placed."""
    drawn = draw(order.seed, index, order.largest)

    def fails(case: Case) -> bool:
        worker.begin(judge_case, case, drawn.placement)
        try:
            verdict: Verdict = worker.end()
        except NoAnswerError as error:
            return str(error) == kind
        return verdict.failure == kind

    loose = problem_of(shrink(case_of(drawn.loose), fails))
    found = {"name": f"seed {order.seed}, index {index}: {kind}"}
    if kind in ("hang", "crash") or kind.startswith("placing"):
        return found | case_of(loose) | {"placement": list(drawn.placement), "expected": {}}
    problem = place(loose, drawn.placement) or loose
    expected: dict[str, float] = {}
    with contextlib.suppress(RuntimeError):  # IPOPT does not solve it, or there is nothing to solve
        expected = {"energy": ipopt_energy(constants(*problem)).value}
    return found | case_of(problem) | {"expected": expected}
