"""The server: it listens inside the run's own namespace and takes every time by the machine's one monotonic clock."""

import ctypes
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import messages
from .commands import TestbedError

Floats = NDArray[np.float32]
# Called while waiting; raises where it is known that a device is gone.
Watch = Callable[[], None]

_CLONE_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")
# Between two looks at the sockets: a time is late by no more, and the server leaves the processors to the devices.
_LOOK = 0.002
_CHUNK = 1 << 18
_LISTEN_SECONDS = 10.0


class Timing(NamedTuple):
    """One device's round by the clock, s.

    Attributes
    ----------
    compute
        From the beginning of its training to the end.
    upload
        From then to the update's last byte at the server.
    finish
        From the round's beginning to the same.
    busy
        Processor time of the training.
    steps
        Steps of the training; a number, not s.
    """

    compute: float
    upload: float
    finish: float
    busy: float
    steps: int


def listen(namespace: str, address: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket of another network namespace; the calling thread stays in its own."""
    made: list[socket.socket | Exception] = []

    def make() -> None:
        try:
            _enter(namespace)
            made.append(socket.create_server((address, port), backlog=backlog))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(_LISTEN_SECONDS)
    found = made[0] if made else f"nothing after {_LISTEN_SECONDS:g} s"
    if isinstance(found, socket.socket):
        return found
    raise TestbedError(f"listening in {namespace}: {found}")


def _enter(namespace: str) -> None:
    """Move the calling thread into a network namespace (os.setns needs Python 3.12)."""
    handle = os.open(_NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


class Work(NamedTuple):
    """What a device is asked to train: so many steps, or fewer where it has had so many seconds of processor."""

    steps: int
    seconds: float


class Server:
    """The server's side of the rounds."""

    def __init__(self, listening: socket.socket, count: int, watch: Watch) -> None:
        self._listening, self._count, self._watch = listening, count, watch
        self._devices: list[socket.socket] = []

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (*self._devices, self._listening):
            connection.close()

    def gather(self, seconds: float) -> None:
        """Wait until every device has said who it is."""
        until = time.monotonic() + seconds
        found: dict[int, socket.socket] = {}
        self._listening.settimeout(0.2)
        while len(found) < self._count:
            self._check(until, f"{self._count - len(found)} of {self._count} devices did not connect")
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            self._devices.append(connection)
            connection.settimeout(seconds)
            (index,) = messages.HELLO.unpack(self._receive(connection, messages.HELLO.size))
            found[index] = connection
        self._devices = [found[index] for index in range(self._count)]

    def play(self, parameters: Floats, work: list[Work], seconds: float) -> tuple[list[Floats], list[Timing]]:
        """One round: the model to all, then the start, then the updates and their times."""
        body = parameters.tobytes()
        for connection, asked in zip(self._devices, work, strict=True):
            connection.settimeout(seconds)
            self._send(connection, messages.ORDER.pack(*asked) + body)
        for connection in self._devices:
            self._receive(connection, len(messages.READY))
        began = time.monotonic()
        for connection in self._devices:
            self._send(connection, messages.GO)
        arrived, when = self._collect(messages.update_bytes(parameters.size), began + seconds)
        updates, timings = [], []
        for data, last in zip(arrived, when, strict=True):
            start, trained, busy, steps = messages.DONE.unpack_from(data)
            updates.append(messages.parameters(bytes(data[messages.DONE.size :])))
            timings.append(Timing(trained - start, last - trained, last - began, busy, steps))
        return updates, timings

    def finish(self) -> None:
        """Let the devices go."""
        for connection in self._devices:
            self._send(connection, messages.ORDER.pack(0, 0.0))

    def _collect(self, count: int, until: float) -> tuple[list[bytearray], list[float]]:
        """So many bytes of every device, and when the last of them was there."""
        got = [bytearray() for _ in self._devices]
        when = [0.0] * len(got)
        with selectors.DefaultSelector() as waiting:
            for index, connection in enumerate(self._devices):
                waiting.register(connection, selectors.EVENT_READ, index)
            while waiting.get_map():
                self._check(until, f"{len(waiting.get_map())} of {len(got)} updates did not arrive")
                for key, _ in waiting.select(0.2):
                    index, connection = key.data, self._devices[key.data]
                    got[index] += self._receive_some(connection, count - len(got[index]))
                    if len(got[index]) == count:
                        when[index] = time.monotonic()
                        waiting.unregister(connection)
                time.sleep(_LOOK)
        return got, when

    def _check(self, until: float, words: str) -> None:
        self._watch()
        if time.monotonic() > until:
            raise TestbedError(f"{words} in time")

    def _send(self, connection: socket.socket, data: bytes) -> None:
        try:
            connection.sendall(data)
        except OSError as error:
            self._watch()
            raise TestbedError(f"sending to a device: {error}") from None

    def _receive(self, connection: socket.socket, count: int) -> bytes:
        try:
            return messages.receive(connection, count)
        except (EOFError, OSError) as error:
            self._watch()
            raise TestbedError(f"receiving from a device: {error}") from None

    def _receive_some(self, connection: socket.socket, most: int) -> bytes:
        try:
            data = connection.recv(min(most, _CHUNK))
        except OSError as error:
            self._watch()
            raise TestbedError(f"receiving from a device: {error}") from None
        if not data:
            self._watch()
            raise TestbedError("a device closed its connection")
        return data
