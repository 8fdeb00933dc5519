"""Tests against one mutant in a process of its own, forked from one that has imported all that takes time."""

import ast
import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

Key = TypeVar("Key")

# pytest's: tests failed; a module could not be imported.
_NOTICED = (1, 2)
_LOOK = 0.02
# A machine that others use as well gives a process its seconds in this many times as many.
_PATIENCE = 20


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree in place of its file."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Spec of that module alone."""
        if fullname != self.name:
            return None
        is_package = self.path.name == "__init__.py"
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=str(self.path), is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [str(self.path.parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the tree."""
        exec(compile(self.tree, str(self.path), "exec", dont_inherit=True), module.__dict__)


def start(finder: Finder, arguments: Sequence[str], limit: int, log: Path) -> int:
    """Fork a process that runs pytest with that module for so many seconds of its own time; return its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.meta_path.insert(0, finder)
        import pytest

        code = int(pytest.main([*arguments]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def ended(pid: int, since: float, limit: float) -> str | None:
    """What became of a run: "survived", "failed", "time" or "crash"; None while it goes on."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        if time.monotonic() - since <= _PATIENCE * limit:
            return None
        os.killpg(pid, signal.SIGKILL)  # it sleeps: no time of its own passes
        os.waitpid(pid, 0)
        return "time"
    if os.WIFSIGNALED(status):
        return "time" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "crash"
    code = os.WEXITSTATUS(status)
    if code == 0:
        return "survived"
    if code in _NOTICED:
        return "failed"
    raise RuntimeError(f"pytest ended with {code}: see the log")


def run_all(
    jobs: Sequence[tuple[Key, Finder]], arguments: Sequence[str], limit: int, workers: int, log: Path
) -> Iterator[tuple[Key, str, float]]:
    """Yield each job's key, what became of it and the seconds it took, as they end."""
    waiting = list(reversed(jobs))
    running: dict[int, tuple[Key, float]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            key, finder = waiting.pop()
            pid = start(finder, arguments, limit, log.with_name(f"{log.name}-{len(waiting)}"))
            running[pid] = key, time.monotonic()
        for pid, (key, since) in list(running.items()):
            result = ended(pid, since, limit)
            if result is not None:
                del running[pid]
                yield key, result, time.monotonic() - since
        time.sleep(_LOOK)
