"""The decorators of kernels: numba's compiler with a cache on disk that can be relied on.

numba's own ``cache=True`` refuses to be imported where no directory can be written; it lets a full disk or a damaged
file end the computation; where two processes write different signatures of a function at once it can keep the code of
one under the name of the other; and it does not notice that a function in another file changed, so that code from
before an upgrade would run on. A cache is there to save time: here whatever is wrong with it costs a compilation.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock

Function = TypeVar("Function", bound=Callable[..., Any])

# A child forked while another thread compiles would wait for numba's lock, which nobody there holds, for good.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )

# What kernels may be made of: private modules at the top, the shared kernels, and the files of their own package.
_TOP, _SHARED = "fimi_opt", "fimi_opt._kernels"


def kernel(function: Function) -> Function:
    """Compile a function to machine code at its first call, and keep the code on disk for later processes.

    It runs without the GIL and divides by zero as NumPy does. Where no directory for the cache can be written, each
    process compiles for itself.
    """
    return _kept(function, njit(nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """As :func:`kernel`, and copied into each kernel that calls it: a loop over it can become vector instructions."""
    return _kept(function, njit(nogil=True, error_model="numpy", forceinline=True)(function))


def _kept(function: Function, compiled: Any) -> Function:
    if compiled is not function:  # as it is where NUMBA_DISABLE_JIT is set
        with contextlib.suppress(RuntimeError, OSError):  # no directory for the cache
            compiled._cache = _Cache(function)
    return compiled  # type: ignore[no-any-return]


class _Cache(FunctionCache):
    """A cache of one kernel whose failures cost time and nothing else."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        package = function.__module__.rpartition(".")[0] or _TOP
        stamp = (self._impl.locator.get_source_stamp(), *map(_sources, (_TOP, _SHARED, package)))
        self._cache_file = _Entries(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling makes of a damaged file
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        # A full disk, a directory that was locked after the import: the code is in memory, where it is needed.
        # An interrupt of the compiler leaves none, which numba calls a RuntimeError.
        with contextlib.suppress(OSError, RuntimeError):
            super().save_overload(sig, data)


class _Entries(IndexDataCacheFile):
    """Index and files of one kernel's code, each file marked with what it is the code of.

    The index numbers the files: of two processes that number at once, one leaves its code under the other's number.
    """

    def save(self, key: Any, data: Any) -> None:
        super().save(key, (self._source_stamp, key, data))

    def load(self, key: Any) -> Any:
        entry = super().load(key)
        return entry[2] if entry is not None and entry[:2] == (self._source_stamp, key) else None


@functools.cache
def _sources(package: str) -> str:
    """Digest of a package's source files; of no bytes where they are not there, as in a frozen program."""
    digest = hashlib.sha256()
    for file in sorted(files(package).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".py") and (package != _TOP or file.name.startswith("_")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
