"""Processes made in every way, and pools of others: the same bits everywhere.

Each test has a parent process of its own: what a fork copies should be the test's business alone. The children are
killed where they do not answer, so that a hang is a failure and not a hang.
"""

import multiprocessing
from pathlib import Path

import pytest
from processes import needs_posix, run
from workload import do_all

METHODS = ("fork", "spawn", "forkserver")
CHILDREN = 3

WARM = """
if __name__ == "__main__":
    expected = do_all()
    print(*(children(multiprocessing.get_context(sys.argv[1]), int(sys.argv[2])) | {expected}))
"""

# The parent's other thread solves, or reads plans, at the moments of the forks.
BUSY = """
if __name__ == "__main__":
    expected, ended = do_all(), threading.Event()
    def work():
        while not ended.is_set():
            do(sys.argv[3])
    thread = threading.Thread(target=work)
    thread.start()
    context, seen = multiprocessing.get_context(sys.argv[1]), {expected}
    for turn in range(int(sys.argv[2])):
        time.sleep(0.003 * turn)
        seen |= children(context, 2)
    ended.set()
    thread.join()
    print(*seen | {do_all()})
"""

# The parent's other thread compiles, or reads code from the cache, at the moment of the fork.
COMPILING = """
if __name__ == "__main__":
    thread = threading.Thread(target=do_all)
    thread.start()
    time.sleep(float(sys.argv[3]))
    seen = children(multiprocessing.get_context(sys.argv[1]), int(sys.argv[2]))
    thread.join()
    print(*seen | {do_all()})
"""

POOL = """
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(int(sys.argv[2]), mp_context=context) as pool:
        seen = set(pool.map(do_all, range(4)))
        [plan] = pool.map(found, ["1000"])
        assert plan == found("1000")
        for job, kind in (("infeasible", fo.InfeasibleError), ("invalid", fo.InvalidInputError)):
            assert bits(pool.submit(found, job).result()) == do(job)
        try:
            pool.submit(fo.solve, *narrow(20)).result()
        except fo.InfeasibleError as error:
            assert bits(error) == do("infeasible")
        else:
            raise AssertionError("no error came back")
    print(*seen | {do_all()})
"""

JOBLIB = """
if __name__ == "__main__":
    from joblib import Parallel, delayed
    seen = {do_all()}
    for backend in ("loky", "threading", "multiprocessing"):
        seen |= set(Parallel(n_jobs=int(sys.argv[2]), backend=backend)(delayed(do_all)(turn) for turn in range(4)))
    print(*seen)
"""

LOOP = """
async def main(count):
    loop = asyncio.get_running_loop()
    return {await done for done in [loop.run_in_executor(None, do_all, turn) for turn in range(count)]}

if __name__ == "__main__":
    print(*asyncio.run(main(8)) | {do_all()})
"""

# The first calls of a process, from many threads at once.
CROWD = """
if __name__ == "__main__":
    together = threading.Barrier(16)
    def work(turn):
        together.wait()
        return do_all(turn)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        print(*set(pool.map(work, range(16))))
"""


@pytest.fixture(scope="module")
def expected() -> str:
    return do_all()


def test_methods_are_all_that_there_are() -> None:
    assert set(multiprocessing.get_all_start_methods()) <= set(METHODS)


@needs_posix
@pytest.mark.parametrize("method", METHODS)
def test_children_of_a_warm_parent(tmp_path: Path, method: str, expected: str) -> None:
    assert run(tmp_path, WARM, method, CHILDREN) == expected


@needs_posix
@pytest.mark.parametrize("job", ["20", "40000", "search"])
def test_forks_while_another_thread_solves(tmp_path: Path, job: str, expected: str) -> None:
    assert run(tmp_path, BUSY, "fork", 6, job) == expected


@needs_posix
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_while_another_thread_solves(tmp_path: Path, method: str, expected: str) -> None:
    assert run(tmp_path, BUSY, method, 1, "40000") == expected


@needs_posix
@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.4])
def test_forks_while_another_thread_reads_the_cache(tmp_path: Path, seconds: float, expected: str) -> None:
    assert run(tmp_path, COMPILING, "fork", 2, seconds) == expected


@needs_posix
@pytest.mark.slow
def test_forks_while_another_thread_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: str) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    assert run(tmp_path, COMPILING, "fork", 2, 2.0) == expected


@needs_posix
@pytest.mark.parametrize("method", METHODS)
def test_process_pools(tmp_path: Path, method: str, expected: str) -> None:
    assert run(tmp_path, POOL, method, 2) == expected


@needs_posix
def test_joblib(tmp_path: Path, expected: str) -> None:
    assert run(tmp_path, JOBLIB, "-", 2) == expected


def test_the_executor_of_asyncio(tmp_path: Path, expected: str) -> None:
    assert run(tmp_path, LOOP) == expected


def test_first_calls_from_sixteen_threads(tmp_path: Path, expected: str) -> None:
    assert run(tmp_path, CROWD) == expected
