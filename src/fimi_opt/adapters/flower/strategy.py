"""A strategy of Flower that trains by a plan, whatever strategy it is put around."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fimi_opt._checks import brief, real
from fimi_opt.adapters.flower.nodes import LOGGER, Nodes, PlannedGrid
from fimi_opt.adapters.flower.record import RECORD, records_of
from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.plan import Plan, Status
from fimi_opt.plan.terms import FIMI
from fimi_opt.solve import solve
from fimi_opt.types import Devices

# What a client measured in a round, by its device's id as text.
Metrics = Mapping[str, Mapping[str, Any]]
Measure = Callable[[Plan, Metrics], Devices | None]

# A client that trained on a sample more or less than planned did not follow the plan; below that it rounded.
_ONE_SAMPLE = 1.0
# No one puts more around a strategy.
_MOST_WRAPPERS = 100


class PlannedStrategy(Strategy):
    """Any strategy of Flower, with a plan: only nodes of planned devices train, each gets its plan and counts by it.

    Every message of training gets a record ``"fimi.plan"`` of its own beside what the strategy put in it
    (:func:`read_plan`), and every reply's weight becomes the planned D_loc + D_gen. Choosing nodes, aggregating and
    evaluating, on all nodes, stay the strategy's.

    Parameters
    ----------
    strategy
        What is to train: ``FedAvg(...)``, one of its kind, or any other :class:`flwr.serverapp.strategy.Strategy`.
        Where it is a wrapper itself, the weight's name is that of the innermost ``strategy``.
    plan
        The plan, of :func:`fimi_opt.solve` or a comparison scheme in which the devices alone train. Their ids, as text,
        name the devices.
    nodes
        Device id of each of Flower's node ids; by default every node is asked (:func:`tell_device`), those that join
        later before the round in which they are first seen.
    classes
        Names of the classes, (C,), for the clients; by default "0", "1", ...
    measure
        Called before every round but the first, with the plan and with what the replies of the last round measured:
        their metrics by the device's id as text, without those who dropped out. It returns the same devices as they are
        now, and the round is planned anew from them with ``warm_start``; or None to keep the plan. Where no plan
        exists for them, the last one is kept and a warning logged: its rounds may take longer than the limit.
    planned_weights
        Whether a reply weighs D_loc + D_gen of the plan, whatever number of examples it says; a warning names a device
        that says another one. False leaves the clients' own weights.
    query_timeout
        Seconds to wait for the nodes' answers which device they are, > 0.

    Raises
    ------
    ValueError
        If an argument is not what it must be; if `nodes` names a device twice or one that the plan does not have; if
        the strategy waits for more nodes than there are devices, or has its own ``start``, which a wrapper would pass
        by; if `measure` is given for a plan that :func:`fimi_opt.solve` does not make. In training: if `measure`
        returns other devices, or the same in another order or with other classes.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> from flwr.serverapp.strategy import FedAvg
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    >>> plan = fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> PlannedStrategy(FedAvg(), plan).plan.status.name
    'OPTIMAL'
    """

    def __init__(
        self,
        strategy: Strategy,
        plan: Plan,
        *,
        nodes: Mapping[int, str | int] | None = None,
        classes: Sequence[str] | None = None,
        measure: Measure | None = None,
        planned_weights: bool = True,
        query_timeout: float = 60.0,
    ) -> None:
        if type(plan) is not Plan:  # the server's own update would be missing in the average
            raise InvalidInputError(
                f"plan must be a fimi_opt.Plan whose devices alone train, got {type(plan).__name__}"
            )
        if not (nodes is None or isinstance(nodes, Mapping)):
            raise InvalidInputError(f"nodes must be a mapping of Flower's node ids to device ids, got {nodes!r:.80}")
        if not (measure is None or callable(measure)):
            raise InvalidInputError(f"measure must be a function or None, got {measure!r:.80}")
        if not isinstance(planned_weights, bool):
            raise InvalidInputError(f"planned_weights must be True or False, got {brief(planned_weights)}")
        _check_strategy(strategy, len(plan.devices) if nodes is None else len(nodes))
        if measure is not None and plan.scheme != FIMI:
            raise InvalidInputError(
                f"measure plans anew with solve(), but this plan is of the scheme {plan.scheme.name!r}"
            )
        self.strategy = strategy
        self.plan = plan
        self._measure = measure
        self._planned_weights = planned_weights
        self._classes = classes
        self._records = records_of(plan, self._classes)
        self._nodes = Nodes(self._records, nodes, _checked_timeout(query_timeout))
        self._sent: dict[int, str] = {}
        self._measured: dict[str, dict[str, Any]] | None = None

    def summary(self) -> None:
        """Log the plan, then the strategy's own summary."""
        LOGGER.info("\t├──> Plan: %r", self.plan)
        self.strategy.summary()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Return the strategy's messages to nodes of planned devices, each with that device's plan."""
        if self._measure is not None and self._measured is not None:
            self._plan_anew(server_round, self._measure, self._measured)
        self._nodes.begin_round()
        self._sent = {}
        planned = cast(Grid, PlannedGrid(grid, self._nodes))
        messages = []
        for message in self.strategy.configure_train(server_round, arrays, config, planned):
            node = message.metadata.dst_node_id
            device = self._nodes.device_of(node)
            if device is None:
                self._nodes.say(f"the strategy chose node {node}, which stands for no device: it does not train")
                continue
            # A content of its own: FedAvg's messages share one, in which the last plan would be everyone's.
            message.content = RecordDict({**message.content, RECORD: ConfigRecord(dict(self._records[device]))})
            self._sent[node] = device
            messages.append(message)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return what the strategy aggregates from the replies, each of the weight that its plan says."""
        self._measured = {}
        passed_on = []
        for reply in replies:
            if reply.has_error():
                passed_on.append(reply)  # the strategy logs it
                continue
            device = self._sent.get(reply.metadata.src_node_id)
            if device is None:
                self._nodes.say(f"node {reply.metadata.src_node_id} replied without a plan: its update is not used")
                continue
            self._measured[device] = {
                key: value for r in reply.content.metric_records.values() for key, value in r.items()
            }
            if self._planned_weights:
                self._weigh(reply, device)
            passed_on.append(reply)
        absent = [device for device in self._sent.values() if device not in self._measured]
        if absent:
            LOGGER.warning("round %d goes without the updates of devices %s", server_round, ", ".join(absent))
        return self.strategy.aggregate_train(server_round, passed_on)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Return the strategy's messages, to any node."""
        return self.strategy.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Return what the strategy makes of the replies."""
        return self.strategy.aggregate_evaluate(server_round, replies)

    def _weigh(self, reply: Message, device: str) -> None:
        """Set the reply's weight; a reply without exactly one record of metrics is the strategy's to refuse."""
        key = _weight_key(self.strategy)
        planned = self._records[device]["num_examples"]
        if len(reply.content.metric_records) != 1:
            return
        [metrics] = reply.content.metric_records.values()
        said = metrics.get(key, planned)
        if not (isinstance(said, int | float) and abs(said - planned) < _ONE_SAMPLE):
            reason = f"device {device} says that it trained on {said} samples, but {planned:g} were planned"
            self._nodes.say(reason, about=device)
        metrics[key] = planned

    def _plan_anew(self, server_round: int, measure: Measure, measured: Metrics) -> None:
        devices: object = measure(self.plan, measured)
        if devices is None:
            return
        plan = self.plan
        now = _checked_devices(devices, plan.devices)
        whole = plan.status is Status.INTEGER
        try:
            anew = solve(now, plan.constraints, plan.task, method=plan.method, integer=whole, warm_start=plan)
        except (InfeasibleError, NumericalError) as error:
            LOGGER.warning("round %d keeps the last plan: %s", server_round, error)
            return
        self.plan, self._records = anew, records_of(anew, self._classes)


def _checked_devices(devices: object, planned: Devices) -> Devices:
    """Devices as measured, refused where they are not those of the plan, in its order and with its classes."""
    must = "measure must return fimi_opt.Devices with the plan's"
    if not isinstance(devices, Devices):
        raise InvalidInputError(f"{must} ids or None, got {devices!r:.80}")
    if len(devices) != len(planned):
        raise InvalidInputError(f"{must} ids, of {len(planned)} devices, got {len(devices)}")
    for ours, theirs in zip(planned.ids, devices.ids, strict=True):
        if ours != theirs:
            raise InvalidInputError(f"{must} ids in their order, got {brief(theirs)} in the place of {ours!r}")
    wanted, got = (0 if d.class_counts is None else d.class_counts.shape[1] for d in (planned, devices))
    if wanted != got:
        raise InvalidInputError(f"{must} class_counts, of {wanted} classes, got {got}")
    return devices


def _weight_key(strategy: Strategy) -> str:
    """Name of the weight in a reply's metrics: FedAvg's argument, the same in what wraps it."""
    return str(getattr(_innermost(strategy), "weighted_by_key", "num-examples"))


def _innermost(strategy: Strategy) -> Strategy:
    """What wrappers are put around."""
    for _ in range(_MOST_WRAPPERS):
        inner = getattr(strategy, "strategy", None)
        if not isinstance(inner, Strategy):
            break
        strategy = inner
    return strategy


def _checked_timeout(query_timeout: float) -> float:
    timeout = real("query_timeout", query_timeout)
    if not timeout > 0:
        raise InvalidInputError(f"query_timeout must be positive, got {timeout:g}")
    return timeout


def _check_strategy(strategy: Strategy, count: int) -> None:
    if not isinstance(strategy, Strategy):
        raise InvalidInputError(f"strategy must be a strategy of flwr.serverapp.strategy, got {brief(strategy)}")
    if isinstance(strategy, PlannedStrategy):
        raise InvalidInputError("strategy has a plan already: give the strategy that it wraps")
    if type(strategy).start is not Strategy.start:
        raise InvalidInputError(
            f"{type(strategy).__name__} has its own start(), which PlannedStrategy would pass by: "
            "put that start() into a subclass of PlannedStrategy"
        )
    for name in ("min_available_nodes", "min_train_nodes"):
        wanted = getattr(_innermost(strategy), name, 0)
        if wanted > count:
            reason = f"{name} of the strategy is {wanted}, but only {count} nodes have a plan: it would wait for ever"
            raise InvalidInputError(reason)
