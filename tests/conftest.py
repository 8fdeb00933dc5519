"""Hypothesis profiles: the same examples in every run, unless `--hypothesis-profile=hunt` asks for new ones."""

from hypothesis import settings

# No deadline: the first example compiles the kernels. Nothing in this suite is timed.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("hunt", deadline=None, max_examples=2000)
settings.load_profile("repeatable")
