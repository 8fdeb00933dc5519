"""What the tests of the Flower adapter share: a small plan, its nodes, and a client app that keeps what it reads."""

import functools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from flower_grid import InlineGrid
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg, Strategy
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt.adapters.flower import DevicePlan, read_plan, tell_device

# Sums in another order: NumPy's FedAvg adds up the devices by their place, Flower as the replies come.
SAME_WEIGHTS = 1e-12
IDS = ("phone-1", "phone-2", "7")
NODES: dict[int, UserConfig] = {10**18 + i: {"device-id": name} for i, name in enumerate(IDS)}
FIRST, SECOND, THIRD = NODES
LIMITS = fo.Constraints(0.3, rounds=200, max_latency=60.0, bandwidth=3e6, max_synthetic=2000)
Floats = NDArray[np.float64]


@contextmanager
def without_network() -> Iterator[None]:
    """Refuse every connection, and fail if one was asked for."""
    with mock.patch.object(socket.socket, "connect", side_effect=OSError("no network in tests")) as connect:
        yield
    assert not connect.called, connect.call_args_list


@functools.cache
def small_plan() -> fo.Plan:
    """Whole samples of two classes for the three devices."""
    counts = [[400.0, 800.0], [600.0, 300.0], [200.0, 900.0]]
    devices = fo.Devices(
        [1200.0, 900.0, 1100.0], 5e-27, 1.5e9, [3e-11, 1e-10, 6e-11], 0.2, class_counts=counts, ids=IDS
    )
    return fo.solve(devices, replace(LIMITS, max_global_error=0.2), integer=True)


class Client:
    """A client app that keeps the plans it reads, and answers with what it is told to."""

    def __init__(self, **metrics: float) -> None:
        self.app = ClientApp()
        self.metrics = metrics
        self.broken: set[int] = set()
        self.plans: dict[int, list[DevicePlan]] = {}
        tell_device(self.app)
        self.app.train()(self.train)

    def train(self, message: Message, context: Context) -> Message:
        if context.node_id in self.broken:
            raise OSError("battery is empty")
        plan = read_plan(message)
        self.plans.setdefault(context.node_id, []).append(plan)
        metrics = MetricRecord({"num-examples": plan.num_examples, **self.metrics})
        arrays = ArrayRecord([np.array([plan.num_examples])])
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    def devices(self, turn: int = -1) -> dict[int, str | int]:
        return {node: plans[turn].id for node, plans in self.plans.items()}


def fedavg(**options: Any) -> FedAvg:
    return FedAvg(**{"fraction_evaluate": 0.0, "min_train_nodes": 1, "min_available_nodes": 1} | options)


def run(strategy: Strategy, grid: InlineGrid, rounds: int = 1) -> Floats:
    start = ArrayRecord([np.zeros(1)])
    [array] = strategy.start(grid, start, num_rounds=rounds).arrays.to_numpy_ndarrays()
    return array


def weighted(*numbers: float) -> float:
    """FedAvg of clients that send their number of examples."""
    return sum(n * n for n in numbers) / sum(numbers)
