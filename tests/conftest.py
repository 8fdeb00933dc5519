"""Hypothesis profiles: the same examples in every run, unless `--hypothesis-profile=hunt` asks for new ones."""

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
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        # Kernels divide by zero and overflow in silence; without JIT NumPy's numbers do the same with a warning.
        config.addinivalue_line("filterwarnings", "ignore::RuntimeWarning")
