"""Calls of ip and tc, each with a limit."""

import subprocess
from collections.abc import Sequence

_SECONDS = 60


class TestbedError(RuntimeError):
    """The test bed could not be set up, or a device was lost."""

    __test__ = False  # pytest: not a class of tests


def call(arguments: Sequence[str], lines: Sequence[str] = ()) -> str:
    """Run a command in a session of its own, so that no Ctrl-C ends it half way; return what it printed."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        done = subprocess.run(
            arguments, input=text, capture_output=True, text=True, timeout=_SECONDS, start_new_session=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TestbedError(f"{' '.join(arguments)}: {error}") from None
    if done.returncode:
        raise TestbedError(f"{' '.join(arguments)}: {done.stderr.strip() or f'ended with {done.returncode}'}")
    return done.stdout
