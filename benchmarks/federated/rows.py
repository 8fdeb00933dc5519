"""Rows of results, made by processes side by side and kept on disk: a run that was interrupted goes on."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from paper.rows import Settings, whole_lines

# One thread a process: they are as many as cores, and sums do not depend on how many threads there were.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

Measure = Callable[..., dict[str, Any]]


class Rows:
    """A JSON-lines file; a row counts only if the code that made it is today's.

    Parameters
    ----------
    path
        The file; made, with its folder, where it is missing.
    stamp
        Of the code, see :func:`paper.rows.stamp_of`.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self._path, self._stamp = path, stamp
        self._rows: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()

    def find(self, name: str, settings: Settings) -> dict[str, Any] | None:
        """Return a part's row of these settings, if there is one."""
        return self._rows.get(_key(name, settings))

    def row(self, name: str, settings: Settings) -> dict[str, Any]:
        """Return a part's row of these settings.

        Raises
        ------
        KeyError
            If it was not made.
        """
        return self._rows[_key(name, settings)]

    def add(self, name: str, settings: Settings, row: dict[str, Any]) -> None:
        """Append a row; whole on disk when this returns."""
        key = _key(name, settings)
        line = json.dumps([self._stamp, key, row])
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._rows[key] = json.loads(line)[2]

    def _read(self) -> None:
        """Take over the lines with this stamp."""
        for text in whole_lines(self._path):
            stamp, key, row = json.loads(text)
            if stamp == self._stamp:
                self._rows[key] = row


def missing(
    rows: Rows, name: str, measure: Measure, settings: Sequence[Settings], jobs: int
) -> Iterator[dict[str, Any]]:
    """Make the rows that are not on disk, and yield each as it is finished, in any order.

    Parameters
    ----------
    rows
        Where they are kept.
    name
        Of the part.
    measure
        Makes a row of one entry of `settings`, a function at the top of a module.
    settings
        Its keyword arguments.
    jobs
        Processes; with 1 all is done in this one.
    """
    todo = [entry for entry in settings if rows.find(name, entry) is None]
    if jobs == 1 or len(todo) < 2:
        for entry in todo:
            rows.add(name, entry, measure(**entry))
            yield dict(entry)
        return
    # Children read these when they import NumPy.
    os.environ.update(_ONE_THREAD)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(todo)), mp_context=context, initializer=_begin) as pool:
        waiting = {pool.submit(measure, **entry): entry for entry in todo}
        try:
            for done in as_completed(waiting):
                rows.add(name, waiting[done], done.result())
                yield dict(waiting[done])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _key(name: str, settings: Settings) -> str:
    return json.dumps([name, dict(settings)], sort_keys=True)
