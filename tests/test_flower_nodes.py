"""Nodes that are not as one would wish: the table of docs/flower.md, line by line."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flower_clients import (
    FIRST,
    IDS,
    NODES,
    SAME_WEIGHTS,
    SECOND,
    THIRD,
    Client,
    fedavg,
    run,
    small_plan,
    weighted,
    without_network,
)
from flower_grid import InlineGrid
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

import fimi_opt as fo
from fimi_opt.adapters.flower import PlannedStrategy, tell_device


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with without_network():
        yield


@pytest.fixture(scope="module")
def plan() -> fo.Plan:
    return small_plan()


def test_a_node_without_a_device_does_not_train(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    nodes = NODES | {5: {"device-id": "nobody"}, 6: {}, 8: {"device-id": 0.5}}
    run(PlannedStrategy(fedavg(), plan), InlineGrid(client.app, nodes), rounds=3)
    assert set(client.plans) == set(NODES)
    assert caplog.text.count("node 5 says that it is device 'nobody', which the plan does not have") == 1
    assert caplog.text.count("node 6 did not say which device it is (node_config must have a text or whole") == 1
    assert "got 0.5" in caplog.text


def test_an_app_that_does_not_tell(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    strategy = PlannedStrategy(fedavg(min_train_nodes=0, min_available_nodes=0), plan)
    app = ClientApp()
    app.query("fimi_device")(lambda m, _: Message(RecordDict({"other": ConfigRecord()}), reply_to=m))
    for silent in (ClientApp(), app):
        assert strategy.configure_train(1, ArrayRecord([np.zeros(1)]), ConfigRecord(), InlineGrid(silent, NODES)) == []
    assert "did not say which device it is (No query function registered" in caplog.text
    assert f"node {FIRST} says that it is device None" in caplog.text


def test_of_two_nodes_with_one_device_the_first_gets_it(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    grid = InlineGrid(client.app, {FIRST + 100: NODES[FIRST]} | NODES)
    strategy = PlannedStrategy(fedavg(), plan)
    run(strategy, grid)
    assert client.devices() == dict(zip(NODES, IDS, strict=True))  # the lower node id, whoever answers first
    assert f"node {FIRST + 100} says that it is device 'phone-1', which node {FIRST} is" in caplog.text
    # The device has come back as another node.
    client.plans.clear()
    grid.offline = {FIRST}
    run(strategy, grid)
    assert client.devices()[FIRST + 100] == "phone-1"
    client.plans.clear()
    grid.offline = set()
    run(strategy, grid)
    assert FIRST not in client.plans


def test_a_node_that_drops_out_in_a_round(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    client.broken = {SECOND}
    grid = InlineGrid(client.app, NODES)
    array = run(PlannedStrategy(fedavg(), plan), grid)
    np.testing.assert_allclose(array, weighted(plan.samples[0], plan.samples[2]), rtol=SAME_WEIGHTS)
    assert "round 1 goes without the updates of devices phone-2" in caplog.text
    assert "battery is empty" in caplog.text


def test_a_round_in_which_all_drop_out_keeps_the_model(plan: fo.Plan) -> None:
    client = Client()
    models = []

    def evaluate(server_round: int, arrays: ArrayRecord) -> None:
        models.append(float(arrays.to_numpy_ndarrays()[0][0]))
        client.broken = set(NODES) if server_round == 1 else set()

    strategy = PlannedStrategy(fedavg(), plan)
    strategy.start(InlineGrid(client.app, NODES), ArrayRecord([np.zeros(1)]), num_rounds=3, evaluate_fn=evaluate)
    assert models[0] == 0.0
    assert models[1] == models[2] == pytest.approx(models[3], rel=SAME_WEIGHTS)
    assert models[1] == pytest.approx(weighted(*plan.samples), rel=SAME_WEIGHTS)


def test_a_node_that_does_not_answer_is_asked_again(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    grid = InlineGrid(client.app, NODES)
    grid.silent = {THIRD}
    strategy = PlannedStrategy(fedavg(), plan, query_timeout=3.0)
    run(strategy, grid)
    assert set(client.plans) == {FIRST, SECOND}
    assert grid.timeouts[0] == 3.0
    assert caplog.text.count(f"node {THIRD} did not say in 3 s which device it is: it is asked again") == 1
    grid.silent = set()
    run(strategy, grid)
    assert set(client.plans) == set(NODES)


def test_a_node_that_joins_late(
    plan: fo.Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    grid = InlineGrid(client.app, NODES | {5: {"device-id": "nobody"}})
    grid.offline = {THIRD}
    strategy = PlannedStrategy(fedavg(), plan)
    run(strategy, grid)
    assert set(client.plans) == {FIRST, SECOND}
    grid.offline = set()
    run(strategy, grid)
    assert set(client.plans) == set(NODES)
    # One that leaves is not missed in a round that it was not chosen for.
    grid.offline = {SECOND}
    run(strategy, grid)
    assert "goes without" not in caplog.text
    # While the strategy waits for its nodes: one without a device does not count.
    grid.offline = {THIRD}
    waited = []

    def join(seconds: float) -> None:
        waited.append(seconds)
        grid.offline = set()

    monkeypatch.setattr("flwr.serverapp.strategy.strategy_utils.sleep", join)
    array = run(PlannedStrategy(fedavg(min_available_nodes=3, min_train_nodes=3), plan), grid)
    np.testing.assert_allclose(array, weighted(*plan.samples), rtol=SAME_WEIGHTS)
    assert len(waited) == 1


def test_a_node_is_asked_once(plan: fo.Plan) -> None:
    grid = InlineGrid(Client().app, NODES | {5: {}})
    run(PlannedStrategy(fedavg(), plan), grid, rounds=4)
    asked = [message.metadata.dst_node_id for message in grid.sent if message.metadata.message_type != "train"]
    assert sorted(asked) == sorted([*NODES, 5, 5, 5, 5])  # who gave no device is asked once in every round


def test_given_nodes_are_not_asked(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    grid = InlineGrid(client.app, NODES | {5: {}})
    run(PlannedStrategy(fedavg(), plan, nodes={THIRD: "phone-1", FIRST: 7, 99: "phone-2"}), grid, rounds=2)
    assert client.devices() == {THIRD: "phone-1", FIRST: "7"}
    assert {message.metadata.message_type for message in grid.sent} == {"train"}
    assert caplog.text.count("node 5 is not among the given nodes: it gets no plan and does not train") == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"nodes": {1: "phone-9"}}, "node 1 is device 'phone-9', which the plan does not have"),
        ({"nodes": {1: "phone-1", 2: "phone-1"}}, "device 'phone-1' to nodes 1 and 2"),
        ({"nodes": {"1": "phone-1"}}, "nodes must have whole numbers as keys"),
        ({"nodes": [1, 2, 3]}, r"nodes must be a mapping of Flower's node ids to device ids, got \[1, 2, 3\]"),
        ({"measure": 5}, "measure must be a function or None, got 5"),
        ({"planned_weights": "no"}, "planned_weights must be True or False, got 'no'"),
        ({"query_timeout": 0.0}, "query_timeout must be positive, got 0"),
        ({"plan": "plan.json"}, "plan must be a fimi_opt.Plan .* got str"),
        ({"strategy": FedAvg}, "strategy must be a strategy of flwr.serverapp.strategy"),
        ({"strategy": FedAvg(min_available_nodes=4)}, "min_available_nodes of the strategy is 4, but only 3 nodes"),
        ({"strategy": FedAvg(), "nodes": {1: "phone-1"}}, "min_available_nodes of the strategy is 2, but only 1 nodes"),
        ({"classes": ["cat"]}, "classes has 1 names"),
    ],
)
def test_arguments_are_checked(plan: fo.Plan, options: dict[str, Any], reason: str) -> None:
    arguments: dict[str, Any] = {"strategy": fedavg(), "plan": plan} | options
    with pytest.raises(fo.InvalidInputError, match=reason):
        PlannedStrategy(**arguments)


@pytest.mark.parametrize(
    ("app", "key", "reason"),
    [
        (None, "device-id", r"app must be a flwr\.clientapp\.ClientApp, got None"),
        (ClientApp(), 5, "key must be text, got 5"),
    ],
)
def test_what_tells_a_device_is_checked(app: Any, key: Any, reason: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=reason):
        tell_device(app, key)


class OwnStart(FedAvg):
    def start(self, *args: Any, **keywords: Any) -> Any:
        raise NotImplementedError


class OwnNodes(FedAvg):
    """Chooses its nodes by itself, without looking at the grid."""

    def configure_train(self, *args: Any) -> Any:
        return self._construct_messages(RecordDict({"arrays": args[1]}), [*NODES, 5], "train")


class ByInfo(FedAvg):
    """Chooses by what the grid knows of its nodes, and asks the grid for more."""

    def configure_train(self, *args: Any) -> Any:
        grid = args[-1]
        return self._construct_messages(
            RecordDict({"arrays": args[1]}),
            [info.node_id for info in grid.get_nodes() if info.node_id in grid.configs],
            "train",
        )


def test_a_strategy_sees_only_planned_nodes_whatever_it_asks(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    run(PlannedStrategy(ByInfo(fraction_evaluate=0.0), plan), InlineGrid(client.app, NODES | {5: {"device-id": "x"}}))
    assert client.devices() == dict(zip(NODES, IDS, strict=True))
    assert "the strategy chose" not in caplog.text


def test_a_strategy_with_its_own_start_is_refused(plan: fo.Plan) -> None:
    with pytest.raises(fo.InvalidInputError, match=r"OwnStart has its own start\(\)"):
        PlannedStrategy(OwnStart(), plan)


def test_a_strategy_that_chooses_other_nodes(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    strategy = PlannedStrategy(OwnNodes(fraction_evaluate=0.0), plan, nodes=dict(zip(NODES, IDS, strict=True)))
    grid = InlineGrid(client.app, NODES | {5: {}})
    array = run(strategy, grid)
    np.testing.assert_allclose(array, weighted(*plan.samples), rtol=SAME_WEIGHTS)
    assert "the strategy chose node 5, which stands for no device: it does not train" in caplog.text
    # And a reply to what was never sent is not used.
    stray = Message(RecordDict({"m": MetricRecord({"num-examples": 1})}), dst_node_id=5, message_type="train")
    assert strategy.aggregate_train(2, [Message(stray.content, reply_to=stray)]) == (None, None)
    assert "node 5 replied without a plan: its update is not used" in caplog.text


def test_a_strategy_gets_one_plan(plan: fo.Plan) -> None:
    with pytest.raises(fo.InvalidInputError, match="has a plan already"):
        PlannedStrategy(PlannedStrategy(fedavg(), plan), plan)
