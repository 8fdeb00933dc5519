"""A plan from its file: nothing is believed that can be recomputed, and every bit must be the one that was written."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import document as writing
from fimi_opt.plan.schema import inside, refuse_others, shown
from fimi_opt.plan.terms import FIMI, ClassTable, Floats, Iteration, Prices, Scheme, Status
from fimi_opt.types import Constraints, Devices, LearningCurve, Task, most_synthetic

if TYPE_CHECKING:
    from fimi_opt.plan.answer import Plan

_FAMILY = writing.SCHEMA.rpartition("/")[0] + "/"

# Another machine's exp and log differ in the last digits, of which the models multiply some; solve() returns no plan
# that misses a limit by more than 1e-9.
_AGREES = 1e-9
_MISSED = 2 * _AGREES


def parse(text: str) -> dict[str, Any]:
    """Parse and check against the schema what :func:`fimi_opt.plan.document.to_json` wrote.

    Raises
    ------
    ValueError
        If it is not JSON, of another version, or against the schema; it names the line or the key.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"text must be a str, got {type(text).__name__}")
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        ended = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        hint = " (is the file cut off?)" if ended else ""
        reason = f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}{hint}"
        raise InvalidInputError(reason) from None
    except RecursionError:
        raise InvalidInputError("not a plan: it is nested too deeply") from None
    except InvalidInputError:
        raise
    except ValueError:  # of int()
        raise InvalidInputError("not a plan: it holds a number of more digits than can be read") from None
    version = found.get("schema") if isinstance(found, dict) else None
    if isinstance(version, str) and version.startswith(_FAMILY) and version != writing.SCHEMA:
        reason = f"schema is {shown(version)}, but this fimi_opt reads {writing.SCHEMA!r}: use a newer one"
        raise InvalidInputError(reason)
    refuse_others(found)
    return dict(found)


def restore(document: dict[str, Any], kind: str, schemes: Iterable[Scheme]) -> dict[str, Any]:
    """Fields of the plan that a document tells of, each checked by its own type.

    Raises
    ------
    ValueError
        If the plan is of another kind, its scheme is not known, ids or lists do not fit the devices, or a type refuses
        its values; it names the key.
    """
    if document["kind"] != kind:
        others = f"holds a {shown(document['kind'])}, with more to it than the file says"
        raise InvalidInputError(f"kind must be {kind!r} to be read back, but the file {others}")
    rows = _ordered(document["devices"], given=document["ids"] == "given")
    devices = Devices(
        **{name: _column(rows.values(), name) for name in writing.GIVEN},
        class_counts=_table(rows, "class_counts"),
        ids=[row["id"] for row in rows.values()] if document["ids"] == "given" else None,
    )
    limits = document["limits"]
    constraints = Constraints(**{name: limits[name] for name in (*writing.LIMITS, "max_synthetic")})
    most_synthetic(constraints, len(devices))
    task, certificate = document["task"], document["certificate"]
    return {
        **{name: _column(rows.values(), key) for key, name in writing.DECISION.items()},
        "lower_bound": float(certificate["lower_bound_j"]),
        "prices": Prices(*(float(certificate[f"price_{name}"]) for name in Prices._fields)),
        "status": Status[certificate["status"].upper()],
        "method": document["method"],
        "devices": devices,
        "constraints": constraints,
        "task": Task(
            LearningCurve(**{name: task["learning"][name] for name in writing.CURVE}),
            **{name: task[name] for name in writing.WORK},
        ),
        "scheme": _scheme(document["scheme"], schemes),
        "history": _history(document.get("history")),
    }


def confirm(plan: Plan, document: dict[str, Any]) -> None:
    """Refuse a document whose figures are not those of the plan that it tells of.

    Raises
    ------
    ValueError
        If the plan misses a limit, a figure is not what the models make of the decision, or a bit of the plan is not
        the one that was written; it names the key.
    """
    with np.errstate(all="ignore"):
        for name, missed in writing.kept_limits(plan).items():
            if not missed <= _MISSED:
                raise InvalidInputError(f"devices do not keep the limits: {name} is missed by {missed:.1e} of it")
        _compare("totals", document["totals"], writing.totals(plan))
        _compare("certificate", document["certificate"], writing.certificate(plan))
        if not plan.gap >= -_AGREES:
            raise InvalidInputError("certificate.lower_bound_j is above totals.energy_j: no plan can take less")
        _compare_devices(plan, document["devices"])
    if document["fingerprint"] != writing.fingerprint(plan):
        raise InvalidInputError("fingerprint does not match: a value of the file was changed after it was written")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise InvalidInputError(f"key {shown(twice)} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInputError(f"not JSON: {name} is no number of JSON")


def _ordered(devices: dict[str, dict[str, Any]], *, given: bool) -> dict[str, dict[str, Any]]:
    """The devices' records in the order of the fleet, whatever order the file has, their ids checked."""
    rows = dict(sorted(devices.items(), key=lambda item: float(item[1]["index"])))
    for k, (name, row) in enumerate(rows.items()):
        own = row["id"]
        if row["index"] != k:
            reason = f"must count the devices from 0 without gaps, got {shown(row['index'])}"
            raise InvalidInputError(f"{inside('devices', name, 'index')} {reason}")
        if isinstance(own, float) or str(own) != name or not (given or own == k):
            raise InvalidInputError(f"{inside('devices', name, 'id')} does not match its record: it is {shown(own)}")
    return rows


def _column(rows: Iterable[dict[str, Any]], name: str) -> Floats:
    return np.array([row[name] for row in rows], np.float64)


def _table(rows: dict[str, dict[str, Any]], key: str) -> Floats | None:
    """The devices' lists under one key, which all of them have, of one length, or none."""
    lists = [row.get(key, []) for row in rows.values()]
    for name, values in zip(rows, lists, strict=True):
        if len(values) != len(lists[0]):
            reason = f"has {len(values)} values, but the first device has {len(lists[0])}"
            raise InvalidInputError(f"{inside('devices', name, key)} {reason}")
    return np.array(lists, np.float64) if lists[0] else None


def _scheme(said: dict[str, Any], schemes: Iterable[Scheme]) -> Scheme:
    known = {FIMI.name: FIMI}
    for scheme in schemes:
        if not isinstance(scheme, Scheme):
            raise InvalidInputError(f"schemes must be of type Scheme, got {type(scheme).__name__}")
        known[scheme.name] = scheme
    if said["name"] not in known:
        raise InvalidInputError(
            f"scheme.name is {shown(said['name'])}, but known are {', '.join(known)}: "
            "give the others in `schemes`, as fimi_opt.baselines.HEURISTIC"
        )
    found = known[said["name"]]
    if said["meets_error_limit"] != found.meets_error_limit:
        raise InvalidInputError(f"scheme.meets_error_limit is not that of {found.name}: the file was changed")
    return found


def _history(columns: dict[str, list[Any]] | None) -> tuple[Iteration, ...]:
    if columns is None:
        return ()
    if len({len(columns[name]) for name in writing.HISTORY}) > 1:
        raise InvalidInputError("history must have lists of one length")
    rows = zip(*(columns[name] for name in writing.HISTORY), strict=True)
    return tuple(Iteration(int(number), *map(_float_or_inf, rest)) for number, *rest in rows)


def _float_or_inf(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _compare(place: str, said: dict[str, Any], formed: dict[str, Any]) -> None:
    """Compare a file's figures with the models', relative to themselves, and to 1 what is relative already."""
    for key, value in formed.items():
        if key == "message":  # words may be put better
            continue
        least = 1.0 if key in ("gap", "worst_violation", "mean_error") else 0.0
        if isinstance(value, str):
            agrees = said[key] == value
        else:
            agrees = abs(said[key] - value) <= _AGREES * max(abs(value), least)
        if not agrees:
            raise InvalidInputError(f"{place}.{key} is {shown(said[key])}, but the models give {shown(value)}")


def _compare_devices(plan: Plan, said: dict[str, dict[str, Any]]) -> None:
    rows = {text: said[text] for text in writing.id_texts(plan.devices.ids)}
    energy = plan.compute_energy + plan.upload_energy
    formed = {"energy_j": energy} | {key: getattr(plan, name) for key, name in writing.IMPLIED.items()}
    for key, values in formed.items():
        _refuse_difference(rows, key, _column(rows.values(), key), values, _AGREES * np.abs(values))
    table, found = plan.synthetic_by_class, _table(rows, "synthetic_per_class")
    if table is None or found is None:
        if table is not None or found is not None:
            raise InvalidInputError("devices must have both of class_counts and synthetic_per_class, or neither")
        return
    if found.shape != table.shape:
        reason = f"have {found.shape[1]} values in synthetic_per_class, but {table.shape[1]} in class_counts"
        raise InvalidInputError(f"devices {reason}")
    # Which of equally filled classes get one sample more is drawn, and may be drawn differently by another NumPy.
    drawn = 1.0 if table.dtype.kind == "i" else 0.0
    rounding = _AGREES * plan.samples
    allowed = np.broadcast_to(drawn + rounding[:, None], table.shape)
    _refuse_difference(rows, "synthetic_per_class", found, table, allowed)
    _refuse_difference(rows, "synthetic_per_class", found.sum(axis=1), plan.synthetic_samples, rounding)


def _refuse_difference(names: Iterable[str], key: str, found: Floats, formed: ClassTable, allowed: Floats) -> None:
    wrong = ~(np.abs(found - formed) <= allowed)
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        figures = f"{float(found[at]):.9g}, but the models give {float(formed[at]):.9g}"
        raise InvalidInputError(f"{inside('devices', list(names)[at[0]], key)} is {figures}")
