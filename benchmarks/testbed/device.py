"""A device's process: ``python -m testbed.device``, in its own network namespace."""

import argparse
import ctypes
import json
import os
import signal
import socket
import sys
import time

from . import messages, model

_PR_SET_PDEATHSIG = 1
# More rounds than anyone waits for.
_MOST_ROUNDS = 10_000


def main() -> int:
    """Take part in round after round until the server says that it is enough."""
    parser = argparse.ArgumentParser(prog="python -m testbed.device", description=__doc__)
    parser.add_argument("settings", help="JSON: parent, index, address, port, seed, counts, hidden, patience")
    given = json.loads(parser.parse_args().settings)
    _die_with(given["parent"])
    data = model.draw(given["counts"], given["seed"], given["index"])
    with socket.create_connection((given["address"], given["port"]), timeout=given["patience"]) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return take_part(server, given["index"], data, given["hidden"], given["seed"])


def take_part(server: socket.socket, index: int, data: model.Data, hidden: int, seed: int) -> int:
    """Round after round: wait for the model, for the start, train, upload; 0 where the server ended it."""
    count = model.size(hidden)
    server.sendall(messages.HELLO.pack(index))
    for number in range(_MOST_ROUNDS):
        steps, seconds = messages.ORDER.unpack(messages.receive(server, messages.ORDER.size))
        if steps == 0:
            return 0
        parameters = messages.parameters(messages.receive(server, 4 * count))
        server.sendall(messages.READY)
        messages.receive(server, len(messages.GO))
        began, busy = time.monotonic(), time.process_time()
        trained, made = model.train(parameters, data, steps, seed + number, seconds)
        stamps = began, time.monotonic(), time.process_time() - busy
        server.sendall(messages.DONE.pack(*stamps, made) + trained.tobytes())
    return 1


def _die_with(parent: int) -> None:
    """End when the parent ends, however it does; at once where it already has."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (EOFError, OSError) as error:  # the server has gone, or waits no longer
        sys.exit(f"{type(error).__name__}: {error}")
