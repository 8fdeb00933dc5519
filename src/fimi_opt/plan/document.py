"""A plan for other programs: plain numbers and flat lists, by names with their units, in JSON (docs/plan-files.md)."""

from __future__ import annotations

import hashlib
import json
import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fimi_opt._checks import brief
from fimi_opt.certificate import Violations, verify
from fimi_opt.errors import InvalidInputError

if TYPE_CHECKING:
    from fimi_opt.plan.answer import Plan

SCHEMA = "fimi-plan/1"

UNITS = {
    "aggregation_weight": "share of the fleet's samples",
    "bandwidth": "Hz",
    "bandwidth_hz": "Hz",
    "channel_gain": "linear power gain",
    "class_counts": "samples",
    "compute_s": "s",
    "cpu_hz": "Hz",
    "cycles_per_sample": "cycles",
    "energy_coefficient": "J s^2 / cycle^3",
    "energy_j": "J per round",
    "latency_s": "s per round",
    "local_samples": "samples",
    "lower_bound_j": "J per round",
    "max_frequency": "Hz",
    "max_latency": "s per round",
    "max_power": "W",
    "max_synthetic": "samples per device",
    "noise_density": "W/Hz",
    "num_examples": "samples, local and synthetic",
    "price_bandwidth": "J/Hz",
    "price_error": "J per unit of the mean local error's limit",
    "price_latency": "J/s",
    "rate_bps": "bit/s",
    "synthetic_per_class": "samples",
    "synthetic_samples": "samples",
    "tx_power_w": "W",
    "update_bits": "bit",
    "upload_s": "s",
}

# A device's record: the decision, what follows from it, and what the device is, the latter by the names of Devices.
DECISION = {
    "synthetic_samples": "synthetic_samples",
    "cpu_hz": "frequency",
    "bandwidth_hz": "bandwidth",
    "tx_power_w": "power",
}
IMPLIED = {
    "rate_bps": "rate",
    "compute_s": "compute_time",
    "upload_s": "upload_time",
    "aggregation_weight": "aggregation_weights",
    "num_examples": "samples",
}
GIVEN = ("local_samples", "energy_coefficient", "max_frequency", "channel_gain", "max_power", "noise_density")

LIMITS = ("max_global_error", "rounds", "max_latency", "bandwidth")
CURVE = ("alpha", "beta", "gamma", "zeta")
WORK = ("cycles_per_sample", "local_epochs", "update_bits")
_MOST_ID = 2**64
HISTORY = ("number", "best", "elite_mean", "spread", "feasible")


def to_dict(plan: Plan, classes: Sequence[str] | None = None) -> dict[str, Any]:
    """Nested dicts of the plan; see :meth:`fimi_opt.Plan.to_dict`."""
    out: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": type(plan).__name__,
        "method": plan.method,
        "scheme": scheme_of(plan),
        "units": dict(UNITS),
        "limits": _limits(plan),
        "task": _task(plan),
        "totals": totals(plan),
        "certificate": certificate(plan),
    }
    names = class_names(plan, classes)
    if names:
        out["classes"] = names
    if plan.history:
        columns = zip(*((step.number, *map(_finite_or_none, step[1:])) for step in plan.history), strict=True)
        out["history"] = dict(zip(HISTORY, map(list, columns), strict=True))
    out["ids"] = "default" if isinstance(plan.devices.ids, range) else "given"
    out["devices"] = _devices(plan)
    out["fingerprint"] = fingerprint(plan)
    _refuse_infinite(out, "")
    return out


def to_json(plan: Plan, classes: Sequence[str] | None = None) -> str:
    """JSON text of the plan, one line for each device; see :meth:`fimi_opt.Plan.to_json`."""
    parts = to_dict(plan, classes)
    devices = parts.pop("devices")
    lines = [f"  {_compact(key)}: {_compact(value)}," for key, value in parts.items()]
    rows = ",\n".join(f"    {_compact(key)}: {_compact(value)}" for key, value in devices.items())
    return "\n".join(["{", *lines, '  "devices": {', rows, "  }", "}", ""])


def synthesis_requests(plan: Plan) -> dict[str, list[int]]:
    """Whole samples of each class for each device; see :meth:`fimi_opt.Plan.synthesis_requests`."""
    table = plan.synthetic_by_class
    if table is None:
        raise InvalidInputError("devices have no class_counts, so the plan does not say which classes to synthesise")
    broken = table != np.floor(table)
    if broken.any():
        i, c = (int(k) for k in np.argwhere(broken)[0])
        raise InvalidInputError(
            f"synthetic_by_class of device {i}, class {c} is {table[i, c]:g}, but only whole samples can be made: "
            "plan them with solve(..., integer=True), of a scheme that chooses classes, with whole class_counts"
        )
    return dict(zip(id_texts(plan.devices.ids), table.astype(np.int64).tolist(), strict=True))


def scheme_of(plan: Plan) -> dict[str, Any]:
    """What the file says of the plan's scheme; its rule for classes is found again by the name."""
    scheme = plan.scheme
    return {
        "name": scheme.name,
        "problem": scheme.problem,
        "samples": scheme.samples,
        "meets_error_limit": scheme.meets_error_limit,
    }


def totals(plan: Plan) -> dict[str, float]:
    """What the whole fleet takes, and the error that it reaches."""
    return {
        "energy_j": float(plan.energy),
        "latency_s": float(plan.latency),
        "mean_error": float(plan.mean_error),
        "global_error": float(plan.global_error),
        "synthetic_samples": plan.synthetic_samples.sum().item(),
        "bandwidth_hz": plan.bandwidth.sum().item(),
    }


def certificate(plan: Plan) -> dict[str, Any]:
    """How good the plan is; the worst violation is that of the limits which its scheme keeps."""
    return {
        "status": plan.status.name.lower(),
        "message": plan.status.message,
        "lower_bound_j": float(plan.lower_bound),
        "gap": float(plan.gap),
        "worst_violation": max(kept_limits(plan).values()),
        "price_error": float(plan.prices.error),
        "price_bandwidth": float(plan.prices.bandwidth),
        "price_latency": float(plan.prices.latency),
    }


def kept_limits(plan: Plan) -> dict[str, float]:
    """Violation of each limit that the plan's scheme keeps, by its name in :class:`fimi_opt.Violations`."""
    found = dict(zip(Violations._fields, map(float, verify(plan)), strict=True))
    if not plan.scheme.meets_error_limit:
        del found["learning"]
    return found


def id_texts(ids: Sequence[Any]) -> list[str]:
    """Ids as text, which must be able to say what they were: text of UTF-8, or whole numbers."""
    texts: dict[str, None] = {}
    for name in ids:
        if isinstance(name, bool | np.bool_) or not isinstance(name, str | numbers.Integral):
            raise InvalidInputError(f"ids must be text or whole numbers to be written, got {brief(name)}")
        if not isinstance(name, str) and not abs(int(name)) < _MOST_ID:
            raise InvalidInputError(
                "ids must be text or whole numbers of at most 64 bits to be written, got a larger one"
            )
        text = checked_text("ids", name) if isinstance(name, str) else str(int(name))
        if text in texts:
            raise InvalidInputError(f"ids must differ as text, but {text!r} stands twice")
        texts[text] = None
    return list(texts)


def checked_text(name: str, text: str) -> str:
    """Text as a plain str, refused where UTF-8 cannot hold it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(f"{name} must be text that UTF-8 can hold, got {brief(text)}") from None
    return str(text)


def fingerprint(plan: Plan) -> str:
    """Hash of every bit that two plans must share to be equal, however their file is laid out.

    SHA-256 of the words as JSON, then of all numbers as little-endian float64.
    """
    devices, limits, task = plan.devices, plan.constraints, plan.task
    ids = None if isinstance(devices.ids, range) else [n if isinstance(n, str) else int(n) for n in devices.ids]
    counts = () if devices.class_counts is None else devices.class_counts
    scalars = [
        plan.lower_bound,
        *plan.prices,
        *(getattr(limits, name) for name in LIMITS),
        *(getattr(task.learning, name) for name in CURVE),
        *(getattr(task, name) for name in WORK),
    ]
    arrays: list[ArrayLike] = [scalars, limits.max_synthetic, counts, np.array(plan.history, np.float64)]
    arrays += [getattr(devices, name) for name in GIVEN]
    arrays += [getattr(plan, name) for name in DECISION.values()]
    rows = [np.ascontiguousarray(np.asarray(row, "<f8") + 0.0) for row in arrays]  # -0.0 equals 0.0
    words = [type(plan).__name__, plan.method, plan.status.name, plan.scheme.name, ids]
    digest = hashlib.sha256(_compact([SCHEMA, *words, [row.shape for row in rows]]).encode())
    for row in rows:
        digest.update(row.tobytes())
    return f"sha256:{digest.hexdigest()}"


def _limits(plan: Plan) -> dict[str, Any]:
    limits = plan.constraints
    most = limits.max_synthetic
    return {name: getattr(limits, name) for name in LIMITS} | {
        "max_synthetic": most if isinstance(most, float) else most.tolist()
    }


def _task(plan: Plan) -> dict[str, Any]:
    task = plan.task
    curve = {name: getattr(task.learning, name) for name in CURVE}
    return {"learning": curve} | {name: getattr(task, name) for name in WORK}


def _devices(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what each device needs to know, and what it is, by its id."""
    texts = id_texts(plan.devices.ids)
    columns: dict[str, Sequence[Any]] = {
        "index": range(len(texts)),
        "id": [name if isinstance(name, str) else int(name) for name in plan.devices.ids],
        **{key: getattr(plan, name).tolist() for key, name in (DECISION | IMPLIED).items()},
        "energy_j": (plan.compute_energy + plan.upload_energy).tolist(),
        **{name: getattr(plan.devices, name).tolist() for name in GIVEN},
    }
    if plan.devices.class_counts is not None and plan.synthetic_by_class is not None:
        columns["class_counts"] = plan.devices.class_counts.tolist()
        columns["synthetic_per_class"] = plan.synthetic_by_class.tolist()
    rows = zip(*columns.values(), strict=True)
    return {text: dict(zip(columns, row, strict=True)) for text, row in zip(texts, rows, strict=True)}


def class_names(plan: Plan, classes: Sequence[str] | None) -> list[str]:
    """Names of the classes as text, "0", "1", ... unless given, none without class counts; refuse another number."""
    counts = plan.devices.class_counts
    count = 0 if counts is None else counts.shape[1]
    given = map(str, range(count)) if classes is None else (checked_text("classes", str(name)) for name in classes)
    names = list(given)
    if len(names) != count:
        raise InvalidInputError(f"classes has {len(names)} names, but the devices count {count} classes")
    return names


def _finite_or_none(value: float) -> float | None:
    return float(value) if value < math.inf else None


def _refuse_infinite(value: Any, place: str) -> None:
    """Refuse what JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInputError(f"{place} is {value}, for which JSON has no number: it is no plan that solve() made")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_infinite(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for item in value:
            _refuse_infinite(item, place)


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
