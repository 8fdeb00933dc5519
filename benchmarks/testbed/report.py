"""The table of a run: planned against measured times."""

import os
import platform

import numpy as np

from .plans import Setup
from .running import Outcome

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEADER = ("device", "core", "Mbit/s", "steps", "training", "measured", "ratio", "upload", "measured", "ratio", "both")


def rows(setup: Setup, outcome: Outcome) -> list[tuple[str, ...]]:
    """One row a device, medians over the rounds: of its training, its upload and both."""
    plan = setup.plan
    middle = np.median(np.array(outcome.timings), axis=0)
    found: list[tuple[str, ...]] = []
    for i, (compute, upload, finish, _, steps) in enumerate(middle.tolist()):
        t, u = float(plan.compute_time[i]), float(plan.upload_time[i])
        found.append(
            (
                str(plan.devices.ids[i]),
                f"{setup.shares[i]:.3f}",
                f"{plan.rate[i] / 1e6:.2f}",
                f"{steps:.0f}",
                *(f"{t:.2f} s", f"{compute:.2f} s", f"{compute / t:.3f}"),
                *(f"{u:.2f} s", f"{upload:.2f} s", f"{upload / u:.3f}"),
                f"{finish / (t + u):.3f}",
            )
        )
    return found


def ratios(setup: Setup, outcome: Outcome) -> list[float]:
    """Each round's time over the planned one."""
    return [max(t.finish for t in times) / setup.plan.latency for times in outcome.timings]


def summary(setup: Setup, outcome: Outcome) -> list[str]:
    """What is beside the table."""
    plan = setup.plan
    every = np.array(outcome.timings)
    parts = {
        "training": every[:, :, 0] / plan.compute_time,
        "upload": every[:, :, 1] / plan.upload_time,
        "both": every[:, :, 2] / (plan.compute_time + plan.upload_time),
        "processor time of the training": every[:, :, 3] / (setup.shares * plan.compute_time),
        "training, against its own processor time at the planned share": every[:, :, 0] * setup.shares / every[:, :, 3],
    }
    lines = [f"measured over planned, {name}: {_spread(values.ravel())}" for name, values in parts.items()]
    lines.append("rounds, measured over planned: " + ", ".join(f"{ratio:.3f}" for ratio in ratios(setup, outcome)))
    lines.append("accuracy on test data: " + ", ".join(f"{value:.3f}" for value in outcome.accuracy))
    return lines


def conditions(setup: Setup, outcome: Outcome) -> str:
    """In a sentence, what was run on what."""
    plan = setup.plan
    work = "processor time" if outcome.by_cycles else "steps"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{len(plan.devices)} devices, {len(outcome.timings)} rounds planned to take {plan.latency:.2f} s, updates of"
        f" {plan.task.update_bits / 8e6:.2f} MB, work counted in {work},"
        f" {outcome.step_seconds * 1e3:.2f} ms of processor a step; one of"
        f" {len(os.sched_getaffinity(0))} cores stands for {setup.core_hz / 1e9:.2f} GHz; load average {load};"
        f" {platform.system()} {platform.release().split('-')[0]}, {platform.machine()}"
    )


def text(table: list[tuple[str, ...]]) -> str:
    """Columns for a terminal."""
    every = [HEADER, *table]
    widths = [max(len(row[k]) for row in every) for k in range(len(HEADER))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in every)


def markdown(setup: Setup, outcome: Outcome) -> str:
    """What stands in the documentation between the marks."""
    lines = [BEGIN, "", f"{conditions(setup, outcome)}.", ""]
    lines += [f"* {line}" for line in summary(setup, outcome)]
    lines += ["", f"| {' | '.join(HEADER)} |", "|" + " ---: |" * len(HEADER)]
    lines += [f"| {' | '.join(row)} |" for row in rows(setup, outcome)]
    return "\n".join([*lines, "", END])


def replaced(page: str, block: str) -> str:
    """Return the page with another block between the marks.

    Raises
    ------
    ValueError
        If the page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return before + block + after


def _spread(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    low, middle, high = (float(x) for x in np.percentile(values, (0, 50, 100)))
    return f"{low:.3f} to {high:.3f}, median {middle:.3f}"
