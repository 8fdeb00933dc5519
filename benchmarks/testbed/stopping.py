"""Signals to stop: the first ends what goes on, further ones wait until what was made is removed."""

import contextlib
import signal
from collections.abc import Callable, Iterator

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Turn the first signal into KeyboardInterrupt or SystemExit; call what is given where closing begins.

    From either on, signals are put off to the end of the block.
    """
    late: list[int] = []
    quiet = False

    def stop(number: int, frame: object) -> None:
        nonlocal quiet
        if quiet:
            late.append(number)
            return
        quiet = True
        raise _exception(number)

    def closing() -> None:
        nonlocal quiet
        quiet = True

    before = {number: signal.signal(number, stop) for number in _STOPS}
    try:
        yield closing
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if late:
        raise _exception(late[0])


def _exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
