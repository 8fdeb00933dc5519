"""What goes over the sockets: whole numbers and float64 in the machine's order, parameters as float32."""

import socket
import struct

import numpy as np
from numpy.typing import NDArray

# Of a device, when it has its data: its index.
HELLO = struct.Struct("=I")
# Of the server: steps of training, and seconds of processor after which it ends before; the parameters follow.
# No steps: the end of all rounds.
ORDER = struct.Struct("=Id")
# Of a device, when it has the parameters, and of the server, when all have: the round's start.
READY = b"r"
GO = b"g"
# Of a device: when it began, when it had trained (s, monotonic clock), seconds of processor, steps; the parameters
# follow.
DONE = struct.Struct("=dddI")

_CHUNK = 1 << 16


def update_bytes(parameters: int) -> int:
    """Bytes of one upload."""
    return DONE.size + 4 * parameters


def receive(connection: socket.socket, count: int) -> bytes:
    """Return so many bytes from a blocking socket.

    Raises
    ------
    EOFError
        If the other side has gone.
    TimeoutError
        If the socket's time passes without a byte.
    """
    got = bytearray()
    while len(got) < count:
        part = connection.recv(min(count - len(got), _CHUNK))
        if not part:
            raise EOFError("the other side has gone")
        got += part
    return bytes(got)


def parameters(data: bytes) -> NDArray[np.float32]:
    """Parameters from the bytes."""
    return np.frombuffer(data, np.float32).copy()
