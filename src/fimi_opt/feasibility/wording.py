"""Why there is no plan, in words: what binds, with how much, and what to change."""

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context
from typing import NamedTuple

import numpy as np

from fimi_opt.errors import DeviceNeed
from fimi_opt.types import Constraints, Devices

# More devices than _ALL are told by the first _FIRST.
_ALL, _FIRST = 5, 2
_LONGEST_NAME = 40
# Numbers of these sizes are written without an exponent.
_PLAIN = (1e-4, 1e12)
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"))
_UNITS = {"bandwidth": " Hz", "max_latency": " s", "max_global_error": "", "rounds": "", "max_synthetic": " samples"}


class Way(enum.Enum):
    """How a device misses the deadline even alone; the member is the words for it."""

    TRAINING = "cannot even train {its} own data {deadline}"
    UPLOADING = "cannot even upload {deadline} with the whole band"
    EITHER = "can neither train {its} own data nor upload {deadline} with the whole band"
    BOTH = "cannot train {its} own data and then upload {deadline} with the whole band"


class Facts(NamedTuple):
    """What the reasons are told with.

    Attributes
    ----------
    allowed, floor, reached, in_time
        Mean local error: that the limits allow, that no data falls below, with all the synthetic data that is allowed,
        and with what the deadline leaves time for.
    short
        Hz that the band lacks; inf where no band is enough.
    short_without
        Whether it lacks some even without synthetic data.
    """

    allowed: float
    floor: float
    reached: float
    in_time: float
    short: float
    short_without: bool


def sentence(
    devices: Devices,
    constraints: Constraints,
    stuck: Mapping[Way, Sequence[DeviceNeed]],
    reasons: Iterable[str],
    facts: Facts,
    cures: Mapping[str, float | None],
) -> str:
    """The whole message."""
    told = [_clause(devices, constraints, way, needs) for way, needs in stuck.items() if needs]
    told += [_told(reason, constraints, facts) for reason in reasons if reason != "devices"]
    changes = [_cure(constraints, name, value) for name, value in cures.items() if value is not None]
    if changes:
        return f"no plan meets all limits: {'; '.join(told)}. Any one of these admits a plan: {'; '.join(changes)}"
    hint = "suggest_relaxation says which changes of several do"
    if facts.reached >= 1:
        hint = "with a mean local error of 1 or more, which is all that max_synthetic allows, nothing is learnt"
    return f"no plan meets all limits: {'; '.join(told)}. No change of a single limit admits one: {hint}"


def apart(value: float, limit: float) -> tuple[str, str]:
    """Value, rounded up, and the limit that it exceeds, with as many digits as it takes to tell how far."""
    for digits in range(7, 17):
        above = _digits(value, digits, ROUND_CEILING)
        # The printed excess is the true one to a part in ten; a global error just below 1 must not print as 1.
        if float(above) - limit <= 1.1 * (value - limit) and (value >= 1 or float(above) < 1):
            return above, _digits(limit, digits, ROUND_HALF_EVEN)
    return f"{value:.17g}", f"{limit:.17g}"


def scaled(value: float, unit: str) -> str:
    """Seven digits, rounded up, with the unit's prefix."""
    prefixes = [pair for pair in _PREFIXES if pair[0] <= 1 or unit != "s"]  # nobody counts in kiloseconds
    scale, prefix = next((pair for pair in prefixes if value >= pair[0]), (1.0, ""))
    return f"{_digits(value / scale, 7, ROUND_CEILING)} {prefix}{unit}"


def names(devices: Devices, indices: Sequence[int]) -> str:
    """Such as "device 3", "devices 3 and 17", "devices 3, 17 and 41 others", "all 60 devices"."""
    if len(indices) == len(devices) > _ALL:
        return f"all {len(devices):,} devices"
    shown = indices if len(indices) <= _ALL else indices[:_FIRST]
    words = [_name(devices.ids[i]) for i in shown]
    if len(indices) > len(shown):
        words.append(f"{len(indices) - len(shown):,} others")
    if len(words) == 1:
        return f"device {words[0]}"
    return f"devices {', '.join(words[:-1])} and {words[-1]}"


def _told(reason: str, constraints: Constraints, facts: Facts) -> str:
    allowed = f"{facts.allowed:.7g}"
    if reason == "curve":
        return (
            f"max_global_error and rounds ask for a mean local error of {allowed}, and no amount of data brings it"
            f" below {facts.floor:.7g}"
        )
    if reason == "data":
        reached, allowed = apart(facts.reached, facts.allowed)
        if not np.any(constraints.max_synthetic):
            return (
                "no synthetic data is allowed, and the local data alone leaves a mean local error of"
                f" {reached}, where {allowed} is the limit"
            )
        return (
            "max_synthetic allows too little data: with all of it on every device the mean local error is"
            f" {reached}, where {allowed} is the limit"
        )
    if reason == "time":
        reached, allowed = apart(facts.in_time, facts.allowed)
        return (
            f"the deadline of {constraints.max_latency:.7g} s leaves too little time to train: whatever the band, the"
            f" mean local error is at least {reached}, where {allowed} is the limit"
        )
    without = ", and too narrow even without synthetic data" if facts.short_without else ""
    return f"the band is {scaled(facts.short, 'Hz')} short{without}"


def _clause(devices: Devices, constraints: Constraints, way: Way, needs: Sequence[DeviceNeed]) -> str:
    """What devices that miss the deadline in the same way need."""
    many = len(needs) > 1
    it, its, most = ("they need", "their", "up to ") if many else ("it needs", "its", "")
    wants = [f"{most}{scaled(max(need.latency for need in needs), 's')}"]
    for unit, values in (("Hz", [n.max_frequency for n in needs]), ("W", [n.max_power for n in needs])):
        known = [value for value in values if value is not None]
        if len(known) == len(needs):
            wants.append(f"{most}{scaled(max(known), unit)}")
    who = names(devices, [need.device for need in needs])
    count = f" ({len(needs)} of {len(devices)})" if _ALL < len(needs) < len(devices) else ""
    cannot = way.value.format(its=its, deadline=f"by the deadline of {constraints.max_latency:.7g} s")
    return f"{who}{count} {cannot}: {it} {', or '.join(wants)}"


def changed(name: str, value: float, given: float) -> str:
    """Such as "max_latency = 71.2 s instead of 60"."""
    new, old = apart(value, given)
    return f"{name} = {new}{_UNITS[name]} instead of {old}"


def _cure(constraints: Constraints, name: str, value: float) -> str:
    given = getattr(constraints, name)
    if isinstance(given, np.ndarray):
        return f"{name} = {_digits(value, 7, ROUND_CEILING)} samples, at least, on every device"
    return changed(name, value, given)


def _digits(value: float, digits: int, rounding: str) -> str:
    """So many significant digits; never below the value where it is rounded up."""
    if not math.isfinite(value):
        return f"{value}"
    rounded = Context(prec=digits, rounding=rounding).create_decimal_from_float(value).normalize()
    return f"{rounded:f}" if _PLAIN[0] <= abs(value) < _PLAIN[1] else f"{float(rounded):.{digits}g}"


def _name(name: object) -> str:
    """An id on one line, shortened."""
    text = str(name) if str(name).isprintable() else repr(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."
