"""The adapter for Flower against real Flower objects: every node's plan and weight, and planning anew."""

import functools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flower_clients import (
    FIRST,
    IDS,
    LIMITS,
    NODES,
    SAME_WEIGHTS,
    SECOND,
    Client,
    fedavg,
    run,
    small_plan,
    weighted,
    without_network,
)
from flower_grid import InlineGrid
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import strategy as kinds
from flwr.serverapp.exception import InconsistentMessageReplies
from flwr.serverapp.strategy import Strategy

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.adapters.flower import PlannedStrategy, read_plan, tell_device


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with without_network():
        yield


@pytest.fixture(scope="module")
def plan() -> fo.Plan:
    return small_plan()


# Every node's own plan, and its weight.


def test_every_node_gets_its_own_plan(plan: fo.Plan) -> None:
    client = Client()
    grid = InlineGrid(client.app, NODES)
    array = run(PlannedStrategy(fedavg(), plan, classes=["cat", "dog"]), grid)
    document = plan.to_dict(["cat", "dog"])
    for node, config in NODES.items():
        [mine] = client.plans[node]
        record = document["devices"][config["device-id"]]
        lists = {key: tuple(value) for key, value in record.items() if isinstance(value, list)}
        assert vars(mine) == record | lists | {"classes": ("cat", "dog")}
    np.testing.assert_allclose(array, weighted(*plan.samples), rtol=SAME_WEIGHTS)


def test_fedavg_alone_sends_everyone_the_same_content(plan: fo.Plan) -> None:
    # The trap: a plan put into it would be everyone's.
    grid = InlineGrid(Client().app, NODES)
    arrays, config = ArrayRecord([np.zeros(1)]), ConfigRecord()
    bare = [message.content for message in fedavg(min_train_nodes=3).configure_train(1, arrays, config, grid)]
    assert all(content is bare[0] for content in bare)
    planned = PlannedStrategy(fedavg(min_train_nodes=3), plan).configure_train(1, arrays, config, grid)
    contents = [message.content for message in planned]
    assert len({id(content) for content in contents}) == len({id(c["fimi.plan"]) for c in contents}) == 3
    assert all(content["arrays"] is arrays and content["config"] is config for content in contents)
    assert "fimi.plan" not in bare[0]


@pytest.mark.parametrize("value", [None, np.float64(1).astype(np.float32), np.int64(1), [1, "a"], [[1.0]], [None], {}])
def test_config_record_refuses(value: Any) -> None:
    with pytest.raises(TypeError):
        ConfigRecord({"value": value})


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("counts", [None, [[500.0, 400.0], [900.0, 0.0]]])
def test_a_plan_of_any_kind_goes_over_the_wire(integer: bool, counts: Any) -> None:
    devices = fo.Devices(900.0, 5e-27, 1.5e9, [1e-10, 2e-10], 0.2, class_counts=counts)
    plan = fo.solve(devices, LIMITS, integer=integer)
    client = Client()
    nodes: dict[int, UserConfig] = {index + 1: {"device-id": index} for index in range(2)}
    run(PlannedStrategy(fedavg(), plan), InlineGrid(client.app, nodes))
    for node, [mine] in client.plans.items():
        record = plan.to_dict()["devices"][str(node - 1)]
        assert mine.id == mine.index == record["index"]
        assert mine.synthetic_samples == record["synthetic_samples"]
        assert (mine.synthetic_per_class is None) == (counts is None)
        assert (mine.classes is None) == (counts is None)


def test_a_comparison_scheme_can_be_trained(plan: fo.Plan) -> None:
    without = baselines.server_side(plan.devices, plan.constraints, plan.task)
    with pytest.raises(fo.InvalidInputError, match="devices alone train, got ServerSidePlan"):
        PlannedStrategy(fedavg(), without)
    scheme = baselines.traditional(plan.devices, plan.constraints, plan.task)
    client = Client()
    array = run(PlannedStrategy(fedavg(), scheme), InlineGrid(client.app, NODES))
    np.testing.assert_allclose(array, weighted(*plan.devices.local_samples), rtol=SAME_WEIGHTS)
    with pytest.raises(fo.FimiError, match="measure plans anew"):
        PlannedStrategy(fedavg(), scheme, measure=lambda plan, _: plan.devices)


def test_an_id_beyond_flowers_numbers_is_refused() -> None:
    devices = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2, ids=[2**63])
    with pytest.raises(fo.InvalidInputError, match=r"ids must fit .* 9223372036854775808"):
        PlannedStrategy(fedavg(), fo.solve(devices, LIMITS))


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "FedAvg": fedavg,
    "FedAvgM": lambda: kinds.FedAvgM(fraction_evaluate=0.0, server_momentum=0.5),
    "FedProx": lambda: kinds.FedProx(fraction_evaluate=0.0, proximal_mu=0.1),
    "FedAdam": lambda: kinds.FedAdam(fraction_evaluate=0.0),
    "FedAdagrad": lambda: kinds.FedAdagrad(fraction_evaluate=0.0),
    "FedYogi": lambda: kinds.FedYogi(fraction_evaluate=0.0),
    "FedMedian": lambda: kinds.FedMedian(fraction_evaluate=0.0),
    "FedTrimmedAvg": lambda: kinds.FedTrimmedAvg(fraction_evaluate=0.0),
    "MultiKrum": lambda: kinds.MultiKrum(fraction_evaluate=0.0, num_nodes_to_select=2),
    "QFedAvg": lambda: kinds.QFedAvg(fraction_evaluate=0.0, client_learning_rate=0.1, train_loss_key="loss"),
    "own weight": lambda: fedavg(weighted_by_key="n"),
    "private": lambda: kinds.DifferentialPrivacyServerSideFixedClipping(fedavg(weighted_by_key="n"), 0.0, 1e6, 3),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_aggregates_as_it_does_alone(plan: fo.Plan, name: str) -> None:
    app = ClientApp()
    tell_device(app)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        planned = plan.samples[IDS.index(str(context.node_config["device-id"]))]
        [array] = message.content.array_records["arrays"].to_numpy_ndarrays()
        metrics = MetricRecord({"num-examples": float(planned), "n": float(planned), "loss": 0.5})
        content = RecordDict({"arrays": ArrayRecord([array + planned]), "metrics": metrics})
        return Message(content, reply_to=message)

    random.seed(1)
    alone = run(STRATEGIES[name](), InlineGrid(app, NODES), rounds=2)
    random.seed(1)
    planned = run(PlannedStrategy(STRATEGIES[name](), plan), InlineGrid(app, NODES), rounds=2)
    np.testing.assert_array_equal(planned, alone)


def test_the_planned_weight_replaces_another_one(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(**{"num-examples": 5})
    array = run(PlannedStrategy(fedavg(), plan), InlineGrid(client.app, NODES), rounds=2)
    np.testing.assert_allclose(array, weighted(*plan.samples), rtol=SAME_WEIGHTS)
    assert caplog.text.count("device phone-1 says that it trained on 5 samples") == 1
    own = run(PlannedStrategy(fedavg(), plan, planned_weights=False), InlineGrid(client.app, NODES))
    np.testing.assert_allclose(own, plan.samples.mean(), rtol=SAME_WEIGHTS)


@pytest.mark.parametrize("wrappers", [1, 2])
def test_the_weight_is_found_inside_wrappers(plan: fo.Plan, caplog: pytest.LogCaptureFixture, wrappers: int) -> None:
    client = Client(n=5)
    private: Strategy = fedavg(weighted_by_key="n")
    for _ in range(wrappers):
        private = kinds.DifferentialPrivacyServerSideFixedClipping(private, 0.0, 1e6, 3)
    with caplog.at_level("INFO"):
        array = run(PlannedStrategy(private, plan), InlineGrid(client.app, NODES))
    np.testing.assert_allclose(array, weighted(*plan.samples), rtol=SAME_WEIGHTS)
    assert "Plan: Plan(3 devices" in caplog.text
    assert "Weighted by: 'n'" in caplog.text  # the strategy's own summary


def test_a_reply_without_metrics_is_the_strategys_to_refuse(plan: fo.Plan) -> None:
    app = ClientApp()
    tell_device(app)
    app.train()(lambda m, _: Message(RecordDict({"arrays": ArrayRecord([np.zeros(1)])}), reply_to=m))
    with pytest.raises(InconsistentMessageReplies):
        run(PlannedStrategy(fedavg(), plan), InlineGrid(app, NODES))


def test_evaluation_is_the_strategys_and_on_all_nodes(plan: fo.Plan) -> None:
    client = Client()
    seen = []

    @client.app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        with pytest.raises(fo.InvalidInputError, match="messages of training only"):
            read_plan(message)
        seen.append(context.node_id)
        return Message(RecordDict({"m": MetricRecord({"num-examples": 1, "accuracy": 0.5})}), reply_to=message)

    nodes = NODES | {5: {"device-id": "nobody"}}
    strategy = PlannedStrategy(fedavg(fraction_evaluate=1.0), plan)
    result = strategy.start(InlineGrid(client.app, nodes), ArrayRecord([np.zeros(1)]), num_rounds=1)
    assert result.evaluate_metrics_clientapp[1]["accuracy"] == pytest.approx(0.5)
    assert set(seen) == set(nodes)
    assert set(client.plans) == set(NODES)


# The client's side.


def message_with(record: Mapping[str, Any] | None) -> Message:
    content = RecordDict({} if record is None else {"fimi.plan": ConfigRecord(dict(record))})
    return Message(content, dst_node_id=1, message_type="train")


def test_read_plan_names_what_is_wrong(plan: fo.Plan) -> None:
    good = {"schema": "fimi-plan/1", **plan.to_dict()["devices"]["7"]}
    assert read_plan(message_with(good | {"of a later version": "x"})).id == "7"
    for change, reason in (
        ({"schema": "fimi-plan/2"}, "schema of the plan must be 'fimi-plan/1', got 'fimi-plan/2'"),
        ({"cpu_hz": "fast"}, "cpu_hz of the plan must be a finite number >= 0, got 'fast'"),
        ({"num_examples": float("nan")}, "num_examples of the plan must be a finite .* got nan"),
        ({"energy_j": -1.0}, "energy_j of the plan must be a finite number >= 0, got -1.0"),
        ({"index": True}, "index of the plan must be a finite number >= 0, got True"),
        ({"synthetic_per_class": 5}, "synthetic_per_class of the plan must be a list, got 5"),
        ({"class_counts": [1.0, float("inf")]}, "class_counts of the plan must be a finite number"),
        ({"id": 0.5}, "id of the plan must be text or a whole number, got 0.5"),
    ):
        with pytest.raises(fo.InvalidInputError, match=reason):
            read_plan(message_with(good | change))
    for name in ("id", "index", "bandwidth_hz"):
        with pytest.raises(fo.InvalidInputError, match=f"{name} is missing in the plan"):
            read_plan(message_with({key: value for key, value in good.items() if key != name}))


def test_read_plan_without_a_plan() -> None:
    with pytest.raises(fo.InvalidInputError, match=r"'train' carries no plan under 'fimi\.plan'"):
        read_plan(message_with(None))
    with pytest.raises(fo.InvalidInputError, match="carries an error and no plan: lost"):
        read_plan(Message(Error(1, "lost"), reply_to=message_with(None)))


# Planning anew.


def test_every_round_is_planned_from_what_was_measured(plan: fo.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(**{"channel-gain": 5e-11})
    asked = []

    def measure(last: fo.Plan, metrics: Mapping[str, Mapping[str, Any]]) -> fo.Devices:
        asked.append(set(metrics))
        client.broken = {SECOND}
        gain = last.devices.channel_gain.copy()
        for index, name in enumerate(last.devices.ids):
            if name in metrics:
                gain[index] = metrics[name]["channel-gain"]
        return replace(last.devices, channel_gain=gain)

    starts = []

    def solve(*args: Any, **options: Any) -> fo.Plan:
        starts.append(options["warm_start"])
        return fo.solve(*args, **options)

    monkeypatch.setattr("fimi_opt.adapters.flower.strategy.solve", solve)
    strategy = PlannedStrategy(fedavg(), plan, measure=measure)
    run(strategy, InlineGrid(client.app, NODES), rounds=3)
    assert starts[0] is plan
    assert starts[1].devices == strategy.plan.devices  # round 2's plan, with what had been measured by then
    assert asked == [set(IDS), {"phone-1", "7"}]  # before rounds 2 and 3; phone-2 dropped out of round 2
    cold = fo.solve(replace(plan.devices, channel_gain=np.full(3, 5e-11)), plan.constraints, plan.task, integer=True)
    assert strategy.plan.devices == cold.devices
    assert strategy.plan.status is fo.Status.INTEGER
    assert strategy.plan.energy == pytest.approx(cold.energy, rel=1e-6)
    first, second, third = client.plans[FIRST]
    assert first.channel_gain == 3e-11
    assert second.channel_gain == third.channel_gain == 5e-11
    assert third.upload_s == strategy.plan.upload_time[0]


def test_measuring_nothing_keeps_the_plan(plan: fo.Plan) -> None:
    strategy = PlannedStrategy(fedavg(), plan, measure=lambda _, __: None)
    run(strategy, InlineGrid(Client().app, NODES), rounds=2)
    assert strategy.plan is plan


def test_where_no_plan_exists_the_last_one_is_kept(plan: fo.Plan, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    worse = replace(plan.devices, channel_gain=np.full(3, 1e-16))
    strategy = PlannedStrategy(fedavg(), plan, measure=lambda _, __: worse)
    run(strategy, InlineGrid(client.app, NODES), rounds=2)
    assert strategy.plan is plan
    assert client.plans[FIRST][0] == client.plans[FIRST][1]
    assert "round 2 keeps the last plan: " in caplog.text


def test_other_devices_are_refused(plan: fo.Plan) -> None:
    now = plan.devices
    one = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2)
    answers: list[tuple[Any, str]] = [
        ("worse", "ids or None, got 'worse'"),
        (one, "ids, of 3 devices, got 1"),
        (replace(now, ids=["phone-2", "phone-1", "7"]), "ids in their order, got 'phone-2' in the place of 'phone-1'"),
        (replace(now, class_counts=None), "class_counts, of 2 classes, got 0"),
    ]
    for wrong, words in answers:
        strategy = PlannedStrategy(fedavg(), plan, measure=functools.partial(lambda answer, *_: answer, wrong))
        with pytest.raises(fo.InvalidInputError, match=rf"return fimi_opt\.Devices with the plan's {words}"):
            run(strategy, InlineGrid(Client().app, NODES), rounds=2)
        assert strategy.plan is plan
