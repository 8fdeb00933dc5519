"""The shipped JSON Schema, and the part of JSON Schema that it needs: what it says of a file is what readers refuse."""

import functools
import json
import math
from collections.abc import Callable
from importlib import resources
from typing import Any

from fimi_opt.errors import InvalidInputError

_FILE = "fimi-plan-1.schema.json"
_MOST_SHOWN = 40
_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def is_number(value: object) -> bool:
    """Whether a value is a JSON number; Python's bool is one of its integers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": lambda value: is_number(value) and value == math.floor(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a plan's file."""
    text = (resources.files(__package__) / _FILE).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def refuse_others(document: object) -> None:
    """Refuse what is not a plan's file by its schema.

    Parameters
    ----------
    document
        What a JSON parser made of the file.

    Raises
    ------
    ValueError
        If a key is missing, or a value not what the schema wants, or too large for a float64; it names key and value.

    Examples
    --------
    >>> refuse_others({"schema": "fimi-plan/1"})
    Traceback (most recent call last):
        ...
    fimi_opt.errors.InvalidInputError: the plan lacks kind, method, ...
    """
    _check(document, schema(), ())


def shown(value: object) -> str:
    """A value of a file in a message of one line, shortened; of lists and objects only what they are."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "an object"
    words = json.dumps(value) if not isinstance(value, str) else repr(value[: _MOST_SHOWN + 1])
    return words if len(words) <= _MOST_SHOWN + 2 else words[: _MOST_SHOWN - 3] + "..."


def inside(*path: str | int) -> str:
    """Words for the place of a value, as ``devices["a"].cpu_hz``; of the whole, "the plan"."""
    words = ""
    for k, key in enumerate(path):
        if isinstance(key, int):
            words += f"[{key}]"
        elif key.isidentifier() and path[k - 1 : k] != ("devices",):
            words += f".{key}" if words else key
        else:
            words += f'["{shown(key)[1:-1]}"]'
    return words or "the plan"


@functools.cache
def _referred(name: str) -> dict[str, Any]:
    """Return a rule of ``$defs`` by its name there."""
    found: dict[str, Any] = schema()["$defs"][name.rpartition("/")[2]]
    return found


# Places are passed as they are and put into words on refusal only: a fleet's file has millions of them.
def _check(value: Any, rule: dict[str, Any], path: tuple[str | int, ...]) -> None:
    if "$ref" in rule:
        _check(value, _referred(rule["$ref"]), path)
    if is_number(value) and _infinite(value):
        raise InvalidInputError(f"{inside(*path)} is too large for a float64")
    _check_kind(value, rule, path)
    if isinstance(value, dict):
        _check_object(value, rule, path)
    elif isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            raise InvalidInputError(f"{inside(*path)} is empty")
        if "items" in rule:
            for k, item in enumerate(value):
                _check(item, rule["items"], (*path, k))
    elif is_number(value):
        _check_number(value, rule, path)


def _check_kind(value: Any, rule: dict[str, Any], path: tuple[str | int, ...]) -> None:
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_IS[kind](value) for kind in kinds):
        words = " or ".join(_WORDS[kind] for kind in kinds)
        raise InvalidInputError(f"{inside(*path)} must be {words}, got {shown(value)}")
    allowed = [rule["const"]] if "const" in rule else rule.get("enum", [])
    if allowed and (not isinstance(value, str) or value not in allowed):
        words = " or ".join(map(repr, allowed))
        raise InvalidInputError(f"{inside(*path)} must be {words}, got {shown(value)}")


def _check_object(value: dict[str, Any], rule: dict[str, Any], path: tuple[str | int, ...]) -> None:
    missing = [key for key in rule.get("required", []) if key not in value]
    if missing:
        raise InvalidInputError(f"{inside(*path)} lacks {', '.join(missing)}")
    if len(value) < rule.get("minProperties", 0):
        raise InvalidInputError(f"{inside(*path)} is empty")
    known, others = rule.get("properties", {}), rule.get("additionalProperties")
    for key, item in value.items():
        if key in known or others is not None:
            _check(item, known.get(key, others), (*path, key))


def _check_number(value: float, rule: dict[str, Any], path: tuple[str | int, ...]) -> None:
    if "exclusiveMinimum" in rule and not value > rule["exclusiveMinimum"]:
        raise InvalidInputError(f"{inside(*path)} must be above {rule['exclusiveMinimum']}, got {shown(value)}")
    if "minimum" in rule and not value >= rule["minimum"]:
        raise InvalidInputError(f"{inside(*path)} must be at least {rule['minimum']}, got {shown(value)}")


def _infinite(value: float) -> bool:
    """Whether a number has no place in a float64."""
    try:
        return not math.isfinite(value)
    except OverflowError:
        return True
