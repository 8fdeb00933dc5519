"""Calls in other processes, each with its time limit: what hangs is killed, what crashes is told, the rest goes on."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

# The first process may have to compile every kernel; the others find them in numba's cache.
START_LIMIT = 900.0
# Between looks at the clocks of the workers.
_LOOK = 0.5


class NoAnswerError(Exception):
    """A call ended without one: "hang" after its time limit, or "crash"."""


class Worker:
    """A process that answers one call at a time; a new one is started where it had to be killed, or died.

    Parameters
    ----------
    limit
        Seconds for one call.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        if not self.pipe.poll(START_LIMIT) or self.pipe.recv() != "ready":
            raise RuntimeError("a worker process did not start")

    def begin(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Send a call."""
        self._deadline = time.monotonic() + self.limit
        self.pipe.send((function, arguments))

    def late(self) -> bool:
        """Whether the call has had its time."""
        return time.monotonic() > self._deadline

    def end(self) -> Any:
        """Return the answer, waiting for it up to the call's time limit.

        Raises
        ------
        NoAnswerError
            If there is none; the worker then is a new one.
        """
        try:
            if self.pipe.poll(max(self._deadline - time.monotonic(), 0.0)):
                return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._restart()
            raise NoAnswerError("crash") from None
        self._restart()
        raise NoAnswerError("hang")

    def _restart(self) -> None:
        self.close()
        self._start()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection) -> None:
    """Answer calls until the other end is closed; kernels are compiled before the first."""
    # Ctrl-C is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm_up()
    pipe.send("ready")
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(function(*arguments))


def warm_up() -> None:
    """Compile, or read from the cache, what an instance needs: a plan, a refusal, a bound from the prices."""
    from .judging import judge_drawn

    for index in range(8):
        judge_drawn(0, index, 5)


def spread(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], jobs: int, limit: float
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield (arguments, answer) as calls end, in any order; the answer is a NoAnswerError where there was none."""
    waiting = iter(calls)
    workers: list[Worker] = []
    busy: dict[Worker, tuple[Any, ...]] = {}
    try:
        # One after the other, so that no two compile into one cache.
        for _ in range(jobs):
            call = next(waiting, None)
            if call is None:
                break
            workers.append(Worker(limit))
            busy[workers[-1]] = call
            workers[-1].begin(function, *call)
        while busy:
            ready = wait([worker.pipe for worker in busy], timeout=_LOOK)
            for worker in [w for w in busy if w.pipe in ready or w.late()]:
                call = busy.pop(worker)
                try:
                    answer = worker.end()
                except NoAnswerError as error:
                    answer = error
                following = next(waiting, None)
                if following is not None:
                    busy[worker] = following
                    worker.begin(function, *following)
                yield call, answer
    finally:
        for worker in workers:
            worker.close()
