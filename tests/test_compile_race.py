"""Processes that start at once on an empty cache: the same answers from all of them, and from all who read it later.

Two processes write the same files. An index may lose the other's entry, which costs a compilation; the code in a file
is marked with its signature (`tests/test_cold_start.py`). And numba names machine code by a counter of the process:
forked from one parent, two give the same name to different code where the functions' names and arguments are the same
too (numba issue 10486). No two functions of ours, or of numba's that ours call, are the same in both.
"""

import multiprocessing
from pathlib import Path

import pytest
from fresh import JOBS, cached, run

pytestmark = pytest.mark.slow

PROCESSES = 4

RACE = (
    JOBS
    + """
import multiprocessing

def work(turn, together, answers):
    jobs = [bound, amounts, categories]
    together.wait()
    done = {job.__name__: job() for job in jobs[turn % 3 :] + jobs[: turn % 3]}  # other orders, other counters
    answers.put(" ".join(done[job.__name__] for job in jobs))

if __name__ == "__main__":
    method, count = sys.argv[1], int(sys.argv[2])
    context = multiprocessing.get_context(method)
    together, answers = context.Barrier(count), context.Queue()
    processes = [context.Process(target=work, args=(turn, together, answers)) for turn in range(count)]
    for process in processes: process.start()
    found = {answers.get() for _ in processes}
    for process in processes: process.join()
    assert [process.exitcode for process in processes] == [0] * count
    # The parent has their counters too.
    found.add(" ".join((bound(), amounts(), categories())))
    assert len(found) == 1, found
    print(*found)
"""
)
LATER = JOBS + "print(bound(), amounts(), categories(), *counts())"

# Every function that is compiled, by the name that its machine code would have without the counter.
NAMES = """
import re
from numba.core.funcdesc import PythonFunctionDescriptor

def content(function):
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    code = function.__code__
    return code.co_code, repr(code.co_consts), code.co_names, repr([getattr(c, "__qualname__", c) for c in cells])

names, made = {}, PythonFunctionDescriptor._from_python_function.__func__
def watched(cls, ir, *arguments, **options):
    descriptor = made(cls, ir, *arguments, **options)
    name = re.sub(r"B[0-9]+v[0-9]+", "", descriptor.mangled_name)
    assert name != descriptor.mangled_name
    names.setdefault(name, set()).add(content(ir.func_id.func))
    return descriptor
PythonFunctionDescriptor._from_python_function = classmethod(watched)

import fimi_opt
fimi_opt.warm_up()
print(len(names), *(name for name, contents in names.items() if len(contents) > 1))
"""


@pytest.mark.release
@pytest.mark.parametrize("method", sorted({"fork", "spawn"}.intersection(multiprocessing.get_all_start_methods())))
def test_all_answer_the_same_and_leave_a_good_cache(tmp_path: Path, method: str) -> None:
    script, cache = tmp_path / "race.py", tmp_path / "cache"
    script.write_text(RACE, encoding="utf-8")  # a file, which spawned processes can import
    found = run(script, method, str(PROCESSES), NUMBA_CACHE_DIR=cache)
    assert cached(cache)
    assert not list(cache.rglob("*.tmp.*"))
    later, last = run(LATER, NUMBA_CACHE_DIR=cache), run(LATER, NUMBA_CACHE_DIR=cache)
    assert later[:3] == last[:3] == found
    assert int(later[3]) > 0
    assert int(last[4]) == 0


@pytest.mark.release
def test_no_two_functions_share_the_name_of_their_code(tmp_path: Path) -> None:
    count, *shared = run(NAMES, NUMBA_CACHE_DIR=tmp_path)
    assert int(count) > 50
    assert shared == []
