"""Which node of Flower is which device: given, or asked of the nodes."""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

from fimi_opt.errors import InvalidInputError

# Below Flower's own logger, so that warnings stand where its users look for them.
LOGGER = logging.getLogger("flwr.fimi_opt")

ACTION = "fimi_device"
# Name of the answer's record, and of the id in it.
ANSWER, DEVICE = "fimi.device", "id"


def tell_device(app: ClientApp, key: str = "device-id") -> None:
    """Let a client app answer the server's question which device it runs on.

    Parameters
    ----------
    app
        The client app; it gets a query function named ``fimi_device``.
    key
        Name of the device's id in the node's config: ``flower-supernode --node-config 'device-id="phone-1"'``. Flower's
        simulation sets "partition-id", 0..I-1, which are the default ids of :class:`fimi_opt.Devices`.

    Raises
    ------
    ValueError
        If `app` is no client app, or has such a query function already; if `key` is no text. When asked: if the node's
        config has no text or whole number under `key`; the server logs it and leaves the node out.

    Examples
    --------
    >>> from flwr.clientapp import ClientApp
    >>> app = ClientApp()
    >>> tell_device(app, key="partition-id")
    """
    if not isinstance(app, ClientApp):
        raise InvalidInputError(f"app must be a flwr.clientapp.ClientApp, got {app!r:.80}")
    if not isinstance(key, str):
        raise InvalidInputError(f"key must be text, got {key!r:.80}")

    @app.query(ACTION)
    def tell(message: Message, context: Context) -> Message:
        value = context.node_config.get(key)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise InvalidInputError(f"node_config must have a text or whole number under {key!r}, got {value!r}")
        return Message(RecordDict({ANSWER: ConfigRecord({DEVICE: str(value)})}), reply_to=message)


class Nodes:
    """The nodes that stand for a device of the plan; whoever does not is named in the log, once.

    Parameters
    ----------
    devices
        Ids of the plan's devices, as text.
    given
        Device id of each node id; None to ask the nodes.
    timeout
        Seconds to wait for their answers, > 0.
    """

    def __init__(self, devices: Collection[str], given: Mapping[int, str | int] | None, timeout: float) -> None:
        self._devices = frozenset(devices)
        self._asks = given is None
        self._device = {} if given is None else _checked_mapping(given, self._devices)
        self._node = {device: node for node, device in self._device.items()}
        self._timeout = timeout
        self._refused: set[int] = set()
        self._said: set[str] = set()

    def device_of(self, node: int) -> str | None:
        """Id of the device that a node stands for."""
        return self._device.get(node)

    def begin_round(self) -> None:
        """Ask those again that gave no device before: they may have been started anew."""
        self._refused.clear()

    def online(self, grid: Grid) -> list[int]:
        """Nodes that are connected and stand for a device, after asking those that are not known yet."""
        connected = list(grid.get_node_ids())
        unknown = [node for node in connected if node not in self._device and node not in self._refused]
        if unknown and self._asks:
            self._ask(unknown, frozenset(connected), grid)
        for node in unknown if not self._asks else ():
            self.say(f"node {node} is not among the given nodes: it gets no plan and does not train")
        return [node for node in connected if node in self._device]

    def say(self, text: str, about: str = "") -> None:
        """Log a warning, once; once about the same thing, where that is named, whatever else the text says."""
        if (about or text) not in self._said:
            self._said.add(about or text)
            LOGGER.warning(text)

    def _ask(self, unknown: list[int], connected: frozenset[int], grid: Grid) -> None:
        questions = [Message(RecordDict(), dst_node_id=node, message_type=f"query.{ACTION}") for node in unknown]
        replies = {
            reply.metadata.src_node_id: reply for reply in grid.send_and_receive(questions, timeout=self._timeout)
        }
        for node in sorted(unknown):  # whatever order they answered in: of two that claim one device, the same gets it
            if node in replies:
                self._take(node, replies[node], connected)
            else:
                self.say(f"node {node} did not say in {self._timeout:g} s which device it is: it is asked again")

    def _take(self, node: int, reply: Message, connected: frozenset[int]) -> None:
        device = _answer(reply)
        holder = None if device is None else self._node.get(device)
        if reply.has_error():
            self._refuse(node, f"did not say which device it is ({reply.error.reason})")
        elif device is None or device not in self._devices:
            self._refuse(node, f"says that it is device {device!r}, which the plan does not have")
        elif holder in connected:
            self._refuse(node, f"says that it is device {device!r}, which node {holder} is")
        else:
            if holder is not None:
                del self._device[holder]  # gone: the device has come back as another node
            self._device[node] = device
            self._node[device] = node

    def _refuse(self, node: int, reason: str) -> None:
        self._refused.add(node)
        self.say(f"node {node} {reason}: it gets no plan and does not train")


class PlannedGrid:
    """A grid on which only the nodes that stand for a device are seen; all else is the grid's own."""

    def __init__(self, grid: Grid, nodes: Nodes) -> None:
        self._grid = grid
        self._nodes = nodes

    def get_node_ids(self) -> Iterable[int]:
        """Nodes that stand for a device."""
        return self._nodes.online(self._grid)

    def get_nodes(self) -> Iterable[Any]:
        """Return the same with what the grid knows of them."""
        online = set(self.get_node_ids())
        return [node for node in self._grid.get_nodes() if node.node_id in online]

    def __getattr__(self, name: str) -> Any:
        """Return what the grid has under this name."""
        return getattr(self._grid, name)


def _answer(reply: Message) -> str | None:
    record = reply.content.get(ANSWER) if reply.has_content() else None
    device = record.get(DEVICE) if isinstance(record, ConfigRecord) else None
    return device if isinstance(device, str) else None


def _checked_mapping(given: Mapping[int, str | int], devices: frozenset[str]) -> dict[int, str]:
    out: dict[int, str] = {}
    taken: dict[str, int] = {}
    for node, device in given.items():
        if isinstance(node, bool) or not isinstance(node, int):
            raise InvalidInputError(f"nodes must have whole numbers as keys, Flower's node ids, got {node!r}")
        if str(device) not in devices:
            raise InvalidInputError(f"nodes says that node {node} is device {device!r}, which the plan does not have")
        if taken.setdefault(str(device), node) != node:
            raise InvalidInputError(f"nodes gives device {device!r} to nodes {taken[str(device)]} and {node}")
        out[node] = str(device)
    return out
