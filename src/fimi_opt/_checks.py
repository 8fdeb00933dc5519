"""The one gate: every array and scalar that a user hands in is checked and converted here, once."""

import decimal
import math
import numbers
import reprlib
import sys
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt.errors import ImplausibleInputWarning, InvalidInputError

Floats = NDArray[np.float64]

# They call themselves integers.
NO_NUMBERS = (bool, np.bool_, np.timedelta64)
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 100


class Range(NamedTuple):
    """What a quantity may be: computable values lie in [least, greatest], plausible ones in [low, high]."""

    least: float
    greatest: float
    low: float = 0.0
    high: float = math.inf
    hint: str = ""


# The computable ranges keep every product of the model inside float64 (eps (tau omega D)^3 / t^2 is the largest) and
# are far wider than physics; the plausible ones only catch wrong units.
RANGES = {
    "local_samples": Range(1e-9, 1e18),
    "energy_coefficient": Range(1e-60, 1.0, 1e-32, 1e-20, "J s^2 / cycle^3, about 5e-27 for a phone"),
    "max_frequency": Range(1e-9, 1e18, 1e4, 1e11, "is it in MHz or GHz? It must be in Hz"),
    "channel_gain": Range(1e-60, math.nextafter(1.0, 0.0), 0.0, 0.1, "is it in dB? It must be a linear power gain"),
    "max_power": Range(1e-60, 1e12, 0.0, 10.0, "is it in dBm? It must be in W"),
    "noise_density": Range(1e-60, 1e6, 0.0, 1e-12, "is it in dBm/Hz? It must be in W/Hz"),
    "cycles_per_sample": Range(1e-9, 1e18),
    "local_epochs": Range(1e-9, 1e9),
    "update_bits": Range(1e-9, 1e21),
    "alpha": Range(1e-60, 1e60),
    "beta": Range(1e-6, 10.0),
    "zeta": Range(1e-60, 1e60),
    "rounds": Range(1e-9, 1e18),
    "max_latency": Range(1e-12, 1e15, 0.0, 1e9, "it must be in seconds"),
    "compute_time": Range(1e-15, 1e18, 0.0, 1e12, "it must be in seconds"),
    "upload_time": Range(1e-15, 1e18, 0.0, 1e12, "it must be in seconds"),
    "bandwidth": Range(1e-12, 1e24, 0.0, 1e15, "it must be in Hz"),
}


def positive_array(name: str, values: ArrayLike, shape: tuple[int, ...] | None = None) -> Floats:
    """Read-only contiguous float64 copy of a per-device quantity, every value inside its range."""
    array = to_array(name, values, shape)
    limits = RANGES[name]
    bad = ~((array >= limits.least) & (array <= limits.greatest))
    if bad.any():
        where = first_device(bad)
        raise InvalidInputError(_refusal(name, where, float(np.atleast_1d(array).flat[np.argmax(bad)]), limits))
    if array.size and (array.min() < limits.low or array.max() > limits.high):
        odd = (array < limits.low) | (array > limits.high)
        warn_implausible(name, first_device(odd), float(np.atleast_1d(array).flat[np.argmax(odd)]), limits.hint)
    return array


def positive_scalar(name: str, value: object) -> float:
    """A plain float inside its quantity's range."""
    number = real(name, value)
    limits = RANGES[name]
    if not limits.least <= number <= limits.greatest:
        raise InvalidInputError(_refusal(name, "", number, limits))
    if not limits.low <= number <= limits.high:
        warn_implausible(name, "", number, limits.hint)
    return number


def to_array(name: str, values: ArrayLike, shape: tuple[int, ...] | None) -> Floats:
    """Read-only contiguous float64 copy, broadcast from a scalar to `shape`; any other mismatch is refused."""
    shape_of(name, values)
    given = np.asarray(values)
    if given.dtype.kind == "O":
        given = _from_objects(name, given)
    if given.dtype.kind not in "iuf":
        raise InvalidInputError(f"{name} must be real numbers, got {given.dtype}")
    if np.ma.is_masked(values):
        raise InvalidInputError(f"{name} has masked values: fill them, or leave these devices out")
    array = np.array(given, dtype=np.float64, order="C")
    if shape is not None and array.shape != shape:
        if array.ndim > 0:
            raise InvalidInputError(f"{name} has shape {array.shape}, but the devices need {shape}")
        array = np.full(shape, array)
    array.flags.writeable = False
    return array


def shape_of(name: str, values: ArrayLike) -> tuple[int, ...]:
    """Shape of what the user gave; ragged lists have none and are refused."""
    try:
        return np.shape(values)
    except ValueError:
        raise InvalidInputError(f"{name} must be a regular array: its rows differ in length") from None


def _from_objects(name: str, given: NDArray[Any]) -> Floats:
    """Floats from an array of Python objects (fractions, decimals, mixed columns), None and text refused."""
    strange = [value for value in given.flat if not isinstance(value, numbers.Real | decimal.Decimal)]
    if strange:
        raise InvalidInputError(f"{name} must be real numbers, got {brief(strange[0])}")
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{name} must be real numbers: {error}") from None


def real(name: str, value: object) -> float:
    """A finite plain float."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, NO_NUMBERS) or not isinstance(value, numbers.Real):
        raise InvalidInputError(f"{name} must be a real number, got {brief(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidInputError(f"{name} is too large for a float") from None
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} must be finite, got {number}")
    return number


def whole(name: str, value: object, least: int) -> int:
    """Plain whole number of at least `least`; NumPy's integers will do."""
    if isinstance(value, NO_NUMBERS) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidInputError(f"{name} must be a whole number of at least {least}, got {brief(value)}")
    return int(value)


def brief(value: object) -> str:
    """A value in a message of one line: its repr, shortened where it is long."""
    return " ".join(_BRIEF.repr(value).split())


def admitted(name: str, value: float | None) -> float | None:
    """Return the value where `Constraints` takes it under this name, None where it does not."""
    if value is None:
        return None
    if name == "max_global_error":
        return value if 0 < value < 1 else None
    return value if RANGES[name].least <= value <= RANGES[name].greatest else None


def rounded_up(value: float) -> str:
    """Seven significant digits, rounded up: a critical value so printed admits a plan as well."""
    rounded = float(decimal.Context(prec=7, rounding=decimal.ROUND_CEILING).create_decimal_from_float(value))
    # A global error just below 1 must not print as 1, which is none.
    return f"{rounded:.7g}" if value >= 1 or rounded < 1 else f"{value:.17g}"


def first_device(bad: NDArray[np.bool_]) -> str:
    """Words for the place of the first offending value of a per-device array."""
    if bad.ndim == 0:
        return ""
    index = np.unravel_index(int(np.argmax(bad)), bad.shape)
    words = f" of device {index[0]}"
    return words + (f", class {index[1]}" if bad.ndim > 1 else "")


def warn_implausible(name: str, where: str, value: float, hint: str) -> None:
    """Warn once, pointing at the caller's own line."""
    warnings.warn(f"{name}{where} is {value:g}: {hint}", ImplausibleInputWarning, stacklevel=_outside_package())


def _refusal(name: str, where: str, value: float, limits: Range) -> str:
    hint = f" ({limits.hint})" if limits.hint else ""
    if math.isnan(value) or math.isinf(value):
        return f"{name}{where} must be finite, got {value}"
    if value <= 0:
        return f"{name}{where} must be positive, got {value:g}{hint}"
    if value > limits.greatest:
        return f"{name}{where} must be at most {limits.greatest:.17g}, got {value:g}{hint}"
    return f"{name}{where} must be at least {limits.least:g}, got {value:g}{hint}"


def _outside_package() -> int:
    """Stack level of the first frame that is not fimi_opt's or a dataclass's generated __init__."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_globals.get("__name__", "").startswith("fimi_opt") or frame.f_code.co_filename == "<string>"
    ):
        level, frame = level + 1, frame.f_back
    return level
