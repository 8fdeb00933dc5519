"""One device's plan as a ConfigRecord of Flower, and back."""

from collections.abc import Sequence
from typing import Any

from flwr.app import ConfigRecord, Message

from fimi_opt.adapters import device_plan
from fimi_opt.adapters.device_plan import DevicePlan, parse
from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan

# Under which the plan stands in a message's content, beside the arrays and the config of the strategy.
RECORD = "fimi.plan"

# Flower sends whole numbers as sint64.
_LEAST_ID, _MOST_ID = -(2**63), 2**63 - 1


def records_of(plan: Plan, classes: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Content of every device's record, by its id as text.

    Raises
    ------
    ValueError
        As :meth:`fimi_opt.Plan.to_dict`; and if an id is a whole number beyond 64 bits with sign.
    """
    records = device_plan.records_of(plan, classes)
    for record in records.values():
        if isinstance(record["id"], int) and not _LEAST_ID <= record["id"] <= _MOST_ID:
            raise InvalidInputError(f"ids must fit into 64 bits with sign for Flower, got {record['id']}: use text")
    return records


def read_plan(message: Message, key: str = RECORD) -> DevicePlan:
    """Plan of the device that a message of training was sent to.

    Parameters
    ----------
    message
        What the client was called with.
    key
        Name of the plan's record in the message's content.

    Returns
    -------
    DevicePlan
        The plan, under the names of ``Plan.to_dict()``.

    Raises
    ------
    ValueError
        If the message carries an error, or no plan; if the plan is of another version, a key is missing or has not the
        type that it must have. It names the key.

    Examples
    --------
    >>> from flwr.clientapp import ClientApp
    >>> app = ClientApp()
    >>> @app.train()
    ... def train(message, context):
    ...     samples = read_plan(message).synthetic_per_class
    """
    if message.has_error():
        raise InvalidInputError(f"message carries an error and no plan: {message.error.reason}")
    record = message.content.get(key) if message.has_content() else None
    if not isinstance(record, ConfigRecord):
        raise InvalidInputError(
            f"message of type {message.metadata.message_type!r} carries no plan under {key!r}: "
            "PlannedStrategy gives one to messages of training only"
        )
    return parse(record)
