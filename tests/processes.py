"""Programs run in a process of their own, with what each needs to begin; they are killed where they do not answer."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh import PACKAGE, TESTS

PATIENCE = 240  # seconds until a process counts as hung: an empty cache takes some forty to fill

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="no fork, and other signals")

HEAD = """
import asyncio, concurrent.futures, faulthandler, multiprocessing, os, signal, sys, threading, time, warnings
import fimi_opt as fo
from workload import JOBS, bits, do, do_all, fleet, found, nearly_infeasible, narrow, repeated

# Python 3.12 warns of forks where there are threads; they are what is tested.
warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)

def answer(turn, answers):
    faulthandler.dump_traceback_later(150, exit=True)  # a child that hangs says where, and ends
    answers.put(do_all(turn))

def children(context, count):
    answers = context.SimpleQueue()
    processes = [context.Process(target=answer, args=(turn, answers)) for turn in range(count)]
    for process in processes: process.start()
    for process in processes: process.join()
    codes = [process.exitcode for process in processes]
    assert codes == [0] * count, codes
    return {answers.get() for _ in processes}
"""


def environment() -> dict[str, str]:
    places = os.pathsep.join([str(PACKAGE.parent), str(TESTS)])
    return {**os.environ, "PYTHONPATH": places, "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def started(folder: Path, code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A new process, in a session of its own that is killed with all its children in the end."""
    script = folder / "script.py"
    script.write_text(HEAD + code, encoding="utf-8")  # a file, which spawned processes can import
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(script), *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(folder: Path, code: str, *arguments: object) -> str:
    with started(folder, code, *arguments) as process:
        out, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        return out.strip()
