"""Hypothesis profiles: the same examples in every run, unless `--hypothesis-profile=hunt` asks for new ones."""

import signal

import numba
import pytest
from hypothesis import Phase, settings

# No deadline: the first example compiles the kernels. Nothing in this suite is timed.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("hunt", deadline=None, max_examples=2000)
# Of `make mutants`: a fault is seen or not, and its smallest example is of no use.
settings.register_profile(
    "few", derandomize=True, deadline=None, max_examples=8, database=None, phases=(Phase.explicit, Phase.generate)
)
# Of `make coverage`: kernels take a hundred times as long.
settings.register_profile("without JIT", derandomize=True, deadline=None, max_examples=12)
settings.load_profile("without JIT" if numba.config.DISABLE_JIT else "repeatable")  # type: ignore[attr-defined]

# What their processes run is not counted, and numba's code, cache and locks, which they are about, are not there.
collect_ignore = (
    ["test_cold_start.py", "test_compile_race.py", "test_interrupts.py", "test_processes.py"]
    if numba.config.DISABLE_JIT  # type: ignore[attr-defined]
    else []
)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of all that a shell runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        # Kernels divide by zero and overflow in silence; without JIT NumPy's numbers do the same with a warning.
        config.addinivalue_line("filterwarnings", "ignore::RuntimeWarning")
