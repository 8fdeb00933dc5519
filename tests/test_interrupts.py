"""Interrupts of long work: the process goes on to give the same bits, and no thread stays behind."""

import ast
import contextlib
import importlib
import queue
import random
import signal
import subprocess
import threading
import types
import typing
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from fresh import PACKAGE
from processes import PATIENCE, needs_posix, started
from workload import do_all

# An interrupt waits for a kernel's end, some tenths of a second; the jobs interrupted here would go on for minutes.
PROMPT = 10
INTERRUPTS = 8
TRIES = 3  # Python drops what a handler raises inside a destructor or a callback: one more interrupt, then
DECORATORS = {"kernel", "inlined"}

# Says "go", works until it is interrupted, says how it was, and in the end that it still works.
LONG = """
LARGE = 2_000_000
def job(name):
    if name == "large":
        large = repeated(40_000, LARGE // 40_000)
        return lambda: fo.solve(*large)
    if name == "nearly infeasible":
        tight = nearly_infeasible(40_000)
        return lambda: fo.solve(*tight)
    if name == "infeasible":
        return lambda: fo.solve_many([narrow(40_000)])
    if name == "search":
        search = fo.CrossEntropy(samples=20_000, elite=1000, iterations=10_000, spread=1e-300)
        return lambda: fo.solve(*fleet(20), method="cross-entropy", search=search)
    if name == "many large":
        return lambda: fo.solve_many([fleet(40_000)] * 10_000)
    if name == "many small":
        return lambda: fo.solve_many([fleet(20)] * 1_000_000)
    raise AssertionError(name)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where the parent runs in the background
    work = job(sys.argv[1])
    do_all()  # compiling, which numba does not make safe to interrupt, is over
    for _ in range(int(sys.argv[2])):
        try:
            print("go", flush=True)
            for _ in range(1_000_000):
                work()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    for _ in range(100):  # threads end a moment after the call that started them was left
        if threading.active_count() == 1:
            break
        time.sleep(0.05)
    print("threads", threading.active_count(), flush=True)
    print(do_all())
"""


@pytest.fixture(scope="module")
def expected() -> str:
    return do_all()


def lines_of(stream: IO[str]) -> queue.Queue[str]:
    """Lines of a stream as they come; the empty one is its end."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line.strip())
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


def interrupt(folder: Path, name: str, times: int, longest: float) -> str:
    """Interrupt a job so often, at moments of a seeded draw; return what every job answers afterwards."""
    draw = random.Random(name)
    with started(folder, LONG, name, times) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines, errors = lines_of(process.stdout), lines_of(process.stderr)
        for _ in range(times):
            assert lines.get(timeout=PATIENCE) == "go", (process.wait(), list(errors.queue))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.0, longest))
            said = None
            for _ in range(TRIES):
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(queue.Empty):
                    said = lines.get(timeout=PROMPT)
                    break
            assert said == "interrupted", (process.poll(), list(errors.queue))
        assert lines.get(timeout=PATIENCE) == "threads 1"
        answers = [lines.get(timeout=PATIENCE) for _ in do_all().splitlines()]
        assert process.wait(PATIENCE) == 0
        return "\n".join(answers)


@needs_posix
@pytest.mark.release  # interrupts at random moments: a busy machine can lose one
@pytest.mark.parametrize(
    "name",
    [
        "large",
        "nearly infeasible",
        "infeasible",
        "search",
        "many large",
        "many small",
    ],
)
def test_interrupts_leave_a_usable_process(tmp_path: Path, name: str, expected: str) -> None:
    assert interrupt(tmp_path, name, INTERRUPTS, 0.5) == expected


# An interrupt that arrives inside a kernel is raised by the first Python code that runs after. For a named tuple that
# is its class, called by numba to hand the result over, and numba goes on with the object that it did not get: a crash.
# An array inside a tuple ends in SystemError. One array, numbers and plain tuples of numbers are handed over in C.
def handed_over_in_c(result: object) -> bool:
    if typing.get_origin(result) is tuple:
        return all(part in (float, int, bool) for part in typing.get_args(result))
    return result in (float, int, bool, type(None)) or typing.get_origin(result) is np.ndarray


def kernels_that_python_calls() -> dict[str, object]:
    """What each returns, by name."""
    results = dict[str, object]()
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__main__":
            continue
        module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        for outer in ast.parse(path.read_text(encoding="utf-8")).body:
            if any(isinstance(by, ast.Name) and by.id in DECORATORS for by in getattr(outer, "decorator_list", [])):
                continue
            names = {node.id for node in ast.walk(outer) if isinstance(node, ast.Name)}
            for used in (getattr(module, name, None) for name in sorted(names)):
                function = getattr(used, "py_func", used)
                if isinstance(function, types.FunctionType) and is_kernel(function):
                    results[f"{function.__module__}.{function.__name__}"] = typing.get_type_hints(function)["return"]
    return results


def is_kernel(function: types.FunctionType) -> bool:
    code = function.__code__
    if not Path(code.co_filename).is_relative_to(PACKAGE):
        return False
    lines = Path(code.co_filename).read_text(encoding="utf-8").splitlines()
    return lines[code.co_firstlineno - 1].strip().lstrip("@") in DECORATORS


def test_an_interrupt_inside_a_kernel_has_nothing_to_break() -> None:
    results = kernels_that_python_calls()
    assert len(results) > 10
    assert {name: result for name, result in results.items() if not handed_over_in_c(result)} == {}
