"""The network: a namespace for the server with a bridge, one for each device, a veth pair between, tbf at its end."""

import os
import signal
from collections.abc import Sequence

from .commands import TestbedError, call
from .names import PREFIX, alive, run_of

PORT = 5050
SERVER = "10.77.0.1"
# Addresses of the subnet, which exists in the run's own namespaces only; the server's and the broadcast's are taken.
MOST_DEVICES = 200

# Every segment of 1448 bytes takes 66 of Ethernet, IP and TCP with time stamps, which tbf counts and the plan does not.
HEADERS = 1 + 66 / 1448
# What a full bucket lets pass at once, bytes: small beside an update, and more than three frames.
_BURST = 5000
# More than a socket has in flight: nothing is dropped.
_LIMIT = "400kb"


def hub(run: str) -> str:
    """Namespace of the server."""
    return f"{run}-hub"


def device(run: str, index: int) -> str:
    """Namespace of a device."""
    return f"{run}-d{index:03d}"


def lay_out(run: str, rates: Sequence[float]) -> None:
    """Make the namespaces and links; rates are those of the data alone, bit/s."""
    every = [device(run, i) for i in range(len(rates))]
    call(["ip", "-batch", "-"], [f"netns add {name}" for name in (hub(run), *every)])
    lines = ["link add br0 type bridge", f"addr add {SERVER}/24 dev br0", "link set lo up", "link set br0 up"]
    for i, name in enumerate(every):
        lines += [
            f"link add p{i} type veth peer name eth0 netns {name}",
            f"link set p{i} master br0 addrgenmode none",
            f"link set p{i} up",
        ]
    call(["ip", "-n", hub(run), "-batch", "-"], lines)
    for i, (name, rate) in enumerate(zip(every, rates, strict=True)):
        address = f"{SERVER.rpartition('.')[0]}.{i + 2}/24"
        lines = ["link set eth0 addrgenmode none", f"addr add {address} dev eth0", "link set eth0 up"]
        call(["ip", "-n", name, "-batch", "-"], lines)
        call(["tc", "-n", name, *shaping(rate)])


def shaping(rate: float) -> list[str]:
    """Arguments of tc for a link that carries data at so many bit/s, headers apart."""
    bits = f"{round(rate * HEADERS)}bit"
    return ["qdisc", "add", "dev", "eth0", "root", "tbf", "rate", bits, "burst", str(_BURST), "limit", _LIMIT]


def namespaces() -> list[str]:
    """Every namespace of ours, of whichever run."""
    names = (line.split()[0] for line in call(["ip", "netns", "list"]).splitlines() if line.strip())
    return [name for name in names if name.startswith(PREFIX) and run_of(name)]


def take_down(run: str) -> list[str]:
    """End what is left in the run's namespaces and remove these; return what went wrong."""
    problems = []
    for name in namespaces():
        if run_of(name) != run:
            continue
        try:
            for pid in call(["ip", "netns", "pids", name]).split():
                if int(pid) != os.getpid():
                    os.kill(int(pid), signal.SIGKILL)
        except (TestbedError, ProcessLookupError):
            pass  # it has ended by itself, or the namespace was never finished: removing it is all there is to do
        try:
            call(["ip", "netns", "del", name])
        except TestbedError as error:
            problems.append(str(error))
    return problems


def abandoned() -> set[str]:
    """Runs that are gone and have left namespaces."""
    return {run for name in namespaces() if (run := run_of(name)) and not alive(run)}
