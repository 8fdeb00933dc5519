"""A Grid of Flower without processes: every node's ClientApp is called inline, over Flower's own wire format."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from flwr.app import Context, Error, Message, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

PAGE = Path(__file__).resolve().parents[1] / "docs" / "flower.md"
CLIENT_RAISED = 2  # flwr.common.constant.ErrorCode

# What Flower sets in the process of a server app: without it, no message can be made.
TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 0, 1, 1


def over_the_wire(message: Message) -> Message:
    """Return what arrives: Flower's bytes of every record of a message, read again."""
    identity = message.object_id
    contents = {key: part.deflate() for key, part in get_all_nested_objects(message).items()}
    arrived = inflate_object_from_contents(identity, contents)
    assert isinstance(arrived, Message)
    arrived.metadata.__dict__["_message_id"] = identity  # as Flower's own grids do
    return arrived


class InlineGrid(Grid):
    """Nodes by their id, each with its config; `offline` ones are not seen, `silent` ones never reply."""

    def __init__(self, app: ClientApp, configs: Mapping[int, UserConfig]) -> None:
        self.app = app
        self.configs = dict(configs)
        self.offline: set[int] = set()
        self.silent: set[int] = set()
        self.sent: list[Message] = []
        self.timeouts: list[float | None] = []

    def get_node_ids(self) -> Iterable[int]:
        return [node for node in self.configs if node not in self.offline]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        arrived = [over_the_wire(message) for message in list(messages)]
        self.sent += arrived
        self.timeouts.append(timeout)
        return [self._reply(m) for m in arrived if m.metadata.dst_node_id not in self.silent | self.offline]

    def _reply(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        context = Context(0, node, self.configs[node], RecordDict(), {})
        try:
            reply = self.app(message, context)
        except Exception as error:  # whatever it is, Flower tells the server
            reply = Message(Error(CLIENT_RAISED, str(error)), reply_to=message)
        return over_the_wire(reply)

    def set_run(self, run: Run) -> NoReturn:
        raise NotImplementedError

    @property
    def run(self) -> NoReturn:
        raise NotImplementedError

    def create_message(self, *args: object, **keywords: object) -> NoReturn:
        raise NotImplementedError

    def push_messages(self, messages: Iterable[Message]) -> NoReturn:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> NoReturn:
        raise NotImplementedError


def write_recipe(folder: Path) -> None:
    """Write the files of docs/flower.md as they stand on the page."""
    blocks = re.findall(r"^`([\w/]+\.\w+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 4
    for name, text in blocks:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def other_code() -> list[str]:
    """Return the page's Python that belongs to no file."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"(?<!`:\n\n)^```python\n(.*?)^```", text, re.M | re.S)
