"""One device's plan as an adapter's client reads it, whatever carried it there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan
from fimi_opt.plan.document import SCHEMA


@dataclass(frozen=True)
class DevicePlan:
    """What one device is to do in a round, what follows from it, and the device itself as the server knows it.

    The names are those of a device's record in ``Plan.to_dict()``.

    Attributes
    ----------
    id, index
        The device's id, text or a whole number, and its place in the fleet from 0.
    synthetic_samples
        D_gen, samples to train on beside the local ones.
    cpu_hz, bandwidth_hz, tx_power_w
        CPU frequency (Hz), share of the band (Hz) and transmit power (W) to set.
    rate_bps, compute_s, upload_s, energy_j
        What follows: upload rate (bit/s), times of training and uploading (s), energy (J), the last three per round.
    aggregation_weight, num_examples
        FedAvg weight as a share of the fleet's, and D_loc + D_gen (samples), which FedAvg weights by.
    local_samples, energy_coefficient, max_frequency, channel_gain, max_power, noise_density
        The device, in the units of :class:`fimi_opt.Devices`.
    class_counts, synthetic_per_class
        Local samples of each class, and samples to synthesise of each, (C,); None where classes are not planned.
    classes
        Names of the classes, (C,); None where classes are not planned.
    """

    id: str | int
    index: int
    synthetic_samples: float
    cpu_hz: float
    bandwidth_hz: float
    tx_power_w: float
    rate_bps: float
    compute_s: float
    upload_s: float
    energy_j: float
    aggregation_weight: float
    num_examples: float
    local_samples: float
    energy_coefficient: float
    max_frequency: float
    channel_gain: float
    max_power: float
    noise_density: float
    class_counts: tuple[float, ...] | None = None
    synthetic_per_class: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None


_BY_CLASS = ("class_counts", "synthetic_per_class")
_NUMBERS = tuple(f.name for f in fields(DevicePlan) if f.type is float)


def records_of(plan: Plan, classes: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Every device's record, by its id as text, with the version and the names of the classes: flat, and on its own.

    Raises
    ------
    ValueError
        As :meth:`fimi_opt.Plan.to_dict`.
    """
    document = plan.to_dict(classes)
    common = {"schema": SCHEMA} | ({"classes": document["classes"]} if "classes" in document else {})
    return {text: common | row for text, row in document["devices"].items()}


def parse(record: Mapping[str, Any]) -> DevicePlan:
    """Device's plan from a record of :func:`records_of`; keys that it does not know are left out.

    Raises
    ------
    ValueError
        If it is of another version, a key is missing or has not the type that it must have; it names the key.
    """
    if record.get("schema") != SCHEMA:
        raise InvalidInputError(f"schema of the plan must be {SCHEMA!r}, got {record.get('schema')!r}")
    values: dict[str, Any] = {name: _number(record, name) for name in _NUMBERS}
    for name in _BY_CLASS:
        if name in record:
            values[name] = tuple(_checked(name, item) for item in _list(record, name))
    if "classes" in record:
        values["classes"] = tuple(map(str, _list(record, "classes")))
    return DevicePlan(id=_whole_or_text(record, "id"), index=_place(record), **values)


def _item(record: Mapping[str, Any], name: str) -> Any:
    if name not in record:
        raise InvalidInputError(f"{name} is missing in the plan")
    return record[name]


def _number(record: Mapping[str, Any], name: str) -> float:
    return _checked(name, _item(record, name))


def _checked(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidInputError(f"{name} of the plan must be a finite number >= 0, got {value!r}")
    return value


def _place(record: Mapping[str, Any]) -> int:
    value = _number(record, "index")
    if not isinstance(value, int):
        raise InvalidInputError(f"index of the plan must be a whole number, got {value!r}")
    return value


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = _item(record, name)
    if not isinstance(value, list):
        raise InvalidInputError(f"{name} of the plan must be a list, got {value!r}")
    return value


def _whole_or_text(record: Mapping[str, Any], name: str) -> str | int:
    value = _item(record, name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidInputError(f"{name} of the plan must be text or a whole number, got {value!r}")
    return value
