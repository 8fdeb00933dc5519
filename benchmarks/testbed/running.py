"""A run from its first namespace to its last: whatever ends it, what it made is removed."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import model, network
from .commands import TestbedError
from .names import own
from .plans import Setup
from .quotas import Groups
from .server import Server, Timing, Work, listen
from .stopping import stoppable

Show = Callable[[str], None]

# Starting twenty interpreters on two cores takes some seconds.
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
# A round of which this is not enough has failed: so many times its plan, and room for the model's way to the devices.
_PATIENCE = 10.0
_PATIENCE_SECONDS = 60.0
# Steps of the first rehearsal, which touches all memory and code; a second one, as long as a round, has the devices
# measure what a step takes, all at work at once and within their quotas.
_REHEARSAL = 20
_TEST_POINTS = 100  # of each class
_TEST_DEVICE = 10**6  # no device's stream
_TAIL = 500


class Outcome(NamedTuple):
    """What was measured.

    Attributes
    ----------
    by_cycles
        Whether the devices were asked for processor time, not for steps.
    step_seconds
        Processor time of one step of training, median of the devices in the second rehearsal.
    timings
        Of each round and device.
    accuracy
        On test data, before the first round and after each.
    """

    by_cycles: bool
    step_seconds: float
    timings: list[list[Timing]]
    accuracy: list[float]


def sweep(groups: Groups) -> list[str]:
    """Remove what runs have left that were killed; return their names.

    Raises
    ------
    TestbedError
        If something stays.
    """
    runs = sorted(network.abandoned() | groups.abandoned())
    problems = [problem for run in runs for problem in (*groups.take_down(run), *network.take_down(run))]
    if problems:
        raise TestbedError(f"left by an earlier run: {'; '.join(problems)}")
    return runs


def measure(setup: Setup, rounds: int, groups: Groups, show: Show, by_cycles: bool = False) -> Outcome:
    """Train for so many rounds on processes and links as planned, and take the time; `by_cycles` as in :mod:`.plans`.

    Raises
    ------
    TestbedError
        If the surroundings cannot be made, a device is lost, a wait takes too long, or something stays afterwards.
    """
    run = own()
    processes: list[subprocess.Popen[bytes]] = []
    with stoppable() as closing, tempfile.TemporaryDirectory(prefix="fimi-testbed-") as folder:
        try:
            show(f"{len(setup.plan.devices)} namespaces, links and groups")
            network.lay_out(run, setup.plan.rate.tolist())
            groups.make(run, setup.shares.tolist())
            return _rounds(setup, rounds, groups, run, processes, Path(folder), show, by_cycles)
        finally:
            closing()
            problems = _end(processes) + groups.take_down(run) + network.take_down(run)
            if problems:
                raise TestbedError(f"not removed: {'; '.join(problems)}")


def _rounds(
    setup: Setup,
    rounds: int,
    groups: Groups,
    run: str,
    processes: list[subprocess.Popen[bytes]],
    folder: Path,
    show: Show,
    by_cycles: bool,
) -> Outcome:
    count, seed = len(setup.plan.devices), setup.seed
    patience = _PATIENCE * setup.plan.latency + _PATIENCE_SECONDS
    test = model.draw([_TEST_POINTS] * model.CLASSES, seed, _TEST_DEVICE)
    parameters = model.start(setup.hidden, seed)
    with Server(
        listen(network.hub(run), network.SERVER, network.PORT, count), count, lambda: _watch(processes, folder)
    ) as server:
        for index, counts in enumerate(setup.counts()):
            processes.append(_start(run, index, counts, setup, patience, folder))
        show("waiting for the devices")
        server.gather(_START_SECONDS)
        for index, process in enumerate(processes):
            groups.enter(run, index, process.pid)
        work, step_seconds = [Work(_REHEARSAL, math.inf)] * count, 0.0
        for number in (1, 2):
            show(f"rehearsal {number}/2: what a step takes")
            _, rehearsed = server.play(parameters, work, patience)
            step_seconds = float(np.median([timing.busy / timing.steps for timing in rehearsed]))
            work = setup.work(step_seconds, by_cycles)
        timings, accuracy = [], [model.accuracy(parameters, test)]
        for number in range(1, rounds + 1):
            updates, times = server.play(parameters, work, patience)
            parameters = model.average(updates, setup.plan.aggregation_weights)
            timings.append(times)
            accuracy.append(model.accuracy(parameters, test))
            took, planned = max(t.finish for t in times), setup.plan.latency
            show(
                f"round {number}/{rounds}: {took:.2f} s, planned {planned:.2f} ({took / planned:.3f}),"
                f" accuracy {accuracy[-1]:.3f}"
            )
        server.finish()
        for process in processes:
            process.wait(_STOP_SECONDS)
    return Outcome(by_cycles, step_seconds, timings, accuracy)


def _start(
    run: str, index: int, counts: list[int], setup: Setup, patience: float, folder: Path
) -> subprocess.Popen[bytes]:
    """Start a device's process; the caller's own thread must be the main one, for the process ends with it."""
    settings = {
        "parent": os.getpid(),
        "index": index,
        "address": network.SERVER,
        "port": network.PORT,
        "seed": setup.seed,
        "counts": counts,
        "hidden": setup.hidden,
        "patience": patience,
    }
    # One thread each: a quota is a share of one core.
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = ["ip", "netns", "exec", network.device(run, index), sys.executable, "-m", "testbed.device"]
    with _log(folder, index).open("wb") as log:
        return subprocess.Popen(
            [*command, json.dumps(settings)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, **threads},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _log(folder: Path, index: int) -> Path:
    return folder / f"d{index:03d}.log"


def _watch(processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    """Refuse to wait for a device that has ended."""
    for index, process in enumerate(processes):
        code = process.poll()
        if code:
            said = _log(folder, index).read_text(encoding="utf-8", errors="replace")[-_TAIL:].strip()
            raise TestbedError(f"device {index} ended with {code}: {said}")


def _end(processes: list[subprocess.Popen[bytes]]) -> list[str]:
    """End the processes that are left; return what went wrong."""
    for process in processes:
        if process.poll() is None:
            process.kill()
    problems = []
    for process in processes:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            problems.append(f"process {process.pid} does not end")
    return problems
