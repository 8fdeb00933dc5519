"""The recipe of docs/flower.md in Flower's own processes: a SuperLink with SuperNodes, or with the ray simulation."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

BINARIES = Path(sys.executable).parent
OFFLINE = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
HOST = "127.0.0.1"
# On two busy cores; every process loads the library, compiled before by make_plan() in the test's own process.
START_LIMIT, RUN_LIMIT = 60.0, 300.0
MARK = "FIMI_FLOWER_RUN"


def missing(*names: str) -> list[str]:
    """Those of Flower's programs that are not installed beside this Python."""
    return [name for name in names if not (BINARIES / name).exists()]


class Flower:
    """A private, offline Flower in a folder: its programs' environment, and free ports."""

    def __init__(self, folder: Path, environment: dict[str, str], ports: list[int]) -> None:
        self.folder = folder
        self.environment = environment
        self.ports = ports
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, log: str, *command: str) -> subprocess.Popen[bytes]:
        """Start one of the programs."""
        with (self.folder / log).open("wb") as stream:
            process = subprocess.Popen(
                [str(BINARIES / command[0]), *command[1:]],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process


@contextlib.contextmanager
def private_flower(folder: Path, ports: int) -> Iterator[Flower]:
    """Make one; on leaving, whatever was started in it is ended, wherever it went since."""
    mark = uuid4().hex
    home = folder / "home"
    home.mkdir()
    environment = {**os.environ, **OFFLINE, "FLWR_HOME": str(home), "HOME": str(home), MARK: mark}
    environment["PATH"] = f"{BINARIES}{os.pathsep}{environment['PATH']}"
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(ports)]
        for one in sockets:
            one.bind((HOST, 0))
        numbers = [one.getsockname()[1] for one in sockets]
    flower = Flower(folder, environment, numbers)
    try:
        yield flower
    finally:
        end_marked(mark)
        for process in flower.started:
            process.wait(timeout=START_LIMIT)


def marked(mark: str) -> list[int]:
    """Processes that were started with this mark in their environment, wherever they went since."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def end_marked(mark: str) -> None:
    """End them, and those that they start meanwhile."""
    for wanted in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        for pid in marked(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, wanted)
        for _ in range(20):
            if not marked(mark):
                return
            time.sleep(0.1)
    raise RuntimeError(f"processes {marked(mark)} would not end")


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens there."""
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
            return
        time.sleep(0.2)
    raise RuntimeError(f"nothing listens on port {port}")


def run_recipe(app: Path, devices: int, rounds: int, simulated: bool) -> dict[str, Any]:
    """Arrays that the server app of a folder writes, trained by a SuperLink of our own.

    Raises
    ------
    RuntimeError
        If the run does not end well in time; it shows the ends of the logs.
    """
    out = app / "trained.npz"
    with private_flower(app, ports=1 + devices) as flower:
        port, *others = flower.ports
        try:
            options = ["--simulation"] if simulated else []
            wait_for_port(
                port, flower.start("superlink.log", "flower-superlink", "--insecure", "--port", str(port), *options)
            )
            for node in range(0 if simulated else devices):
                name = f"partition-id={node} num-partitions={devices}"
                place = ["--superlink", f"{HOST}:{port}", "--port", str(others[node]), "--node-config", name]
                flower.start(f"supernode-{node}.log", "flower-supernode", "--insecure", *place)
            write_connection(Path(flower.environment["FLWR_HOME"]), port, devices if simulated else 0)
            settings = f'devices={devices} rounds={rounds} out="{out}"'
            run = flower.start("run.log", "flwr", "run", ".", "ours", "--stream", "-c", settings)
            code = run.wait(timeout=RUN_LIMIT)
            if not out.exists():
                raise RuntimeError(f"the run ended with code {code} and wrote nothing")
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            ends = (f"{path.name}:\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(app.glob("*.log")))
            raise RuntimeError(f"{error}\n" + "\n".join(ends)) from error
    with np.load(out) as arrays:
        return dict(arrays)


def write_connection(home: Path, port: int, simulated: int) -> None:
    """Tell `flwr` of our SuperLink."""
    lines = ["[superlink.ours]", f'address = "{HOST}:{port}"', "insecure = true"]
    if simulated:
        lines += [
            f"options.num-supernodes = {simulated}",
            "options.backend.client-resources.num-cpus = 1",
            "options.backend.init-args.num-cpus = 2",
        ]
    (home / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
