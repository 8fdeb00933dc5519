"""What a user states: the devices, the task, the limits. Frozen, and checked where they are made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import brief, first_device, positive_array, positive_scalar, real, shape_of, to_array
from fimi_opt.errors import InvalidInputError

Floats = NDArray[np.float64]

# Thermal noise at 290 K, -174 dBm/Hz. The paper prints "per MHz", which is 60 dB below thermal: docs errata, V-A.
THERMAL_NOISE_DENSITY = 10 ** (-174 / 10) / 1000

# D_max of at most this keeps every product of the model inside a float.
MOST_SYNTHETIC = 1e18

# An offset of the local error beyond this would be all that is left of it in a float.
_MOST_GAMMA = 1e6

# Rows of class_counts may differ from local_samples by rounding of the counts' sum, not more.
_COUNT_TOL = 1e-9


class ArrayEquality:
    """Equality and copying that understand arrays; the generated ones of dataclasses do not."""

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and every field holds the same values."""
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        """Fields alone: what was formed from them is formed again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the fields, arrays read-only as they were: numpy forgets that when it copies or unpickles."""
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Devices(ArrayEquality):
    """The fleet: what each device has, one value per device; scalars stand for every device.

    Parameters
    ----------
    local_samples
        D_loc, (I,), samples, > 0.
    energy_coefficient
        eps, (I,), J s^2 / cycle^3, > 0: computing at f Hz takes eps f^2 joules per cycle.
    max_frequency
        f_max, (I,), Hz, > 0.
    channel_gain
        g, (I,), linear power gain, in (0, 1).
    max_power
        P_max, (I,), W, > 0.
    noise_density
        N0, (I,), W/Hz, > 0; by default thermal, -174 dBm/Hz.
    class_counts
        Local samples of each class, (I, C), >= 0; rows sum to `local_samples`. None where classes are not planned.
    ids
        Stable names of the devices, (I,), unique; by default 0..I-1. Errors, tables and files use them.

    Raises
    ------
    ValueError
        If a value is not a finite number of its range, a shape does not fit, rows of `class_counts` do not sum to
        `local_samples`, or ids repeat; it names the argument, the first offending device and the value.

    Warns
    -----
    ImplausibleInputWarning
        If a value is possible but looks like a wrong unit.

    Examples
    --------
    >>> devices = Devices([1250, 900], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2)
    >>> len(devices)
    2
    """

    local_samples: Floats
    energy_coefficient: Floats
    max_frequency: Floats
    channel_gain: Floats
    max_power: Floats
    noise_density: Floats
    class_counts: Floats | None
    ids: Sequence[Any]

    def __init__(
        self,
        local_samples: ArrayLike,
        energy_coefficient: ArrayLike,
        max_frequency: ArrayLike,
        channel_gain: ArrayLike,
        max_power: ArrayLike,
        noise_density: ArrayLike = THERMAL_NOISE_DENSITY,
        class_counts: ArrayLike | None = None,
        ids: Sequence[Any] | None = None,
    ) -> None:
        given = {
            "local_samples": local_samples,
            "energy_coefficient": energy_coefficient,
            "max_frequency": max_frequency,
            "channel_gain": channel_gain,
            "max_power": max_power,
            "noise_density": noise_density,
        }
        shape = _fleet_shape(given, class_counts)
        for name, values in given.items():
            object.__setattr__(self, name, positive_array(name, values, shape))
        counts = None if class_counts is None else _check_counts(class_counts, self.local_samples)
        object.__setattr__(self, "class_counts", counts)
        object.__setattr__(self, "ids", _check_ids(ids, shape[0]))

    def __len__(self) -> int:
        """Return the number of devices, I."""
        return int(self.local_samples.size)

    def __repr__(self) -> str:
        """Return one line: how many devices, and whether classes are known."""
        classes = "" if self.class_counts is None else f", {self.class_counts.shape[1]} classes"
        return f"Devices({len(self)} devices{classes})"


@dataclass(frozen=True)
class LearningCurve:
    """How error falls with data, ``delta = alpha D**-beta - gamma``, and with rounds (zeta): FIMI eqs. (1), (3).

    Parameters
    ----------
    alpha, beta
        Scale and exponent of the power law, > 0.
    gamma
        Offset, of either sign: the floor of the local error is -gamma.
    zeta
        Scale of the number of rounds, > 0.

    Raises
    ------
    ValueError
        If a parameter is not finite or outside its range; it names the parameter and the value.

    Examples
    --------
    >>> LearningCurve(alpha=3.0, beta=0.25, gamma=0.1, zeta=77.6).beta
    0.25
    """

    alpha: float
    beta: float
    gamma: float
    zeta: float

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "zeta"):
            object.__setattr__(self, name, positive_scalar(name, getattr(self, name)))
        gamma = real("gamma", self.gamma)
        if not abs(gamma) <= _MOST_GAMMA:
            raise InvalidInputError(f"gamma must be at most {_MOST_GAMMA:g} either way, got {gamma:g}")
        object.__setattr__(self, "gamma", gamma)


@dataclass(frozen=True)
class Task:
    """What is trained: its learning curve, its work per sample and the size of one update.

    Parameters
    ----------
    learning
        The learning curve.
    cycles_per_sample
        omega, CPU cycles to train on one sample once, > 0.
    local_epochs
        tau, passes over the local data in one round, > 0.
    update_bits
        S, bits of one upload, > 0.

    Raises
    ------
    ValueError
        If a value is not finite or outside its range; it names the argument and the value.

    Examples
    --------
    >>> Task(LearningCurve(3.0, 0.25, 0.1, 77.6), cycles_per_sample=5e6, local_epochs=1, update_bits=1e8).update_bits
    100000000.0
    """

    learning: LearningCurve
    cycles_per_sample: float
    local_epochs: float
    update_bits: float

    def __post_init__(self) -> None:
        if not isinstance(self.learning, LearningCurve):
            raise InvalidInputError(f"learning must be a LearningCurve, got {type(self.learning).__name__}")
        for name in ("cycles_per_sample", "local_epochs", "update_bits"):
            object.__setattr__(self, name, positive_scalar(name, getattr(self, name)))


@dataclass(frozen=True, eq=False, init=False)
class Constraints(ArrayEquality):
    """The limits that a plan must keep: FIMI (12a)-(12f) but for the devices' own f_max and P_max.

    Parameters
    ----------
    max_global_error
        Delta_max, in (0, 1).
    rounds
        N, global rounds, > 0.
    max_latency
        T, s, deadline of one round, > 0.
    bandwidth
        B, Hz, the whole band, > 0.
    max_synthetic
        D_max, samples that may be added to each device, >= 0; one number for all, or (I,).

    Raises
    ------
    ValueError
        If a value is not finite or outside its range; it names the argument, the device and the value.

    Examples
    --------
    >>> Constraints(0.2, rounds=200, max_latency=60.0, bandwidth=20e6, max_synthetic=2000).bandwidth
    20000000.0
    """

    max_global_error: float
    rounds: float
    max_latency: float
    bandwidth: float
    max_synthetic: float | Floats

    def __init__(
        self, max_global_error: float, rounds: float, max_latency: float, bandwidth: float, max_synthetic: ArrayLike
    ) -> None:
        error = real("max_global_error", max_global_error)
        if not 0 < error < 1:
            raise InvalidInputError(f"max_global_error must be in (0, 1), got {error:g}")
        object.__setattr__(self, "max_global_error", error)
        for name, value in (("rounds", rounds), ("max_latency", max_latency), ("bandwidth", bandwidth)):
            object.__setattr__(self, name, positive_scalar(name, value))
        object.__setattr__(self, "max_synthetic", _check_synthetic(max_synthetic))


def most_synthetic(constraints: Constraints, count: int) -> Floats:
    """D_max for `count` devices: (count,), or (1,) where one number stands for all.

    Raises
    ------
    ValueError
        If `constraints.max_synthetic` has neither one value nor one per device.
    """
    most = constraints.max_synthetic
    if not isinstance(most, np.ndarray):
        one = np.array([most])
        one.flags.writeable = False
        return one
    if most.shape != (count,):
        raise InvalidInputError(f"max_synthetic has shape {most.shape}, but the devices need ({count},)")
    return most


def check_instance(devices: Devices, constraints: Constraints, task: Task) -> None:
    """Refuse arguments of the wrong type.

    Raises
    ------
    ValueError
        If one is; it names the argument.
    """
    for name, value, kind in (
        ("devices", devices, Devices),
        ("constraints", constraints, Constraints),
        ("task", task, Task),
    ):
        if not isinstance(value, kind):
            raise InvalidInputError(f"{name} must be a fimi_opt.{kind.__name__}, got {type(value).__name__}")


def _fleet_shape(given: dict[str, ArrayLike], class_counts: ArrayLike | None) -> tuple[int]:
    """Return (I,), read off the first argument that is an array."""
    for name, values in given.items():
        shape = shape_of(name, values)
        if len(shape) > 1:
            raise InvalidInputError(f"{name} must have one value per device, shape (I,), got shape {shape}")
        if len(shape) == 1:
            if shape[0] == 0:
                raise InvalidInputError(f"{name} is empty: there must be at least one device")
            return (shape[0],)
    return (1,) if class_counts is None else (max((*shape_of("class_counts", class_counts)[:1], 1)),)


def _check_counts(class_counts: ArrayLike, local_samples: Floats) -> Floats:
    counts = to_array("class_counts", class_counts, None)
    if counts.ndim != 2 or counts.shape[0] != local_samples.size or counts.shape[1] == 0:
        raise InvalidInputError(
            f"class_counts must have shape (I, C) with I = {local_samples.size} devices, got shape {counts.shape}"
        )
    bad = ~((counts >= 0) & np.isfinite(counts))
    if bad.any():
        value = counts.flat[int(np.argmax(bad))]
        raise InvalidInputError(f"class_counts{first_device(bad)} must be finite and not negative, got {value:g}")
    sums = counts.sum(axis=1)
    off = np.abs(sums - local_samples) > _COUNT_TOL * local_samples
    if off.any():
        i = int(np.argmax(off))
        raise InvalidInputError(
            f"class_counts of device {i} sum to {sums[i]:g}, but its local_samples is {local_samples[i]:g}"
        )
    return counts


def _check_ids(ids: Sequence[Any] | None, count: int) -> Sequence[Any]:
    if ids is None:
        return range(count)
    if isinstance(ids, range) and len(ids) == count:  # the default, of a fleet made from another
        return ids
    try:
        names = tuple(np.asarray(ids).tolist()) if hasattr(ids, "dtype") else tuple(ids)
    except TypeError:
        raise InvalidInputError(f"ids must be a sequence of names, one per device, got {brief(ids)}") from None
    if len(names) != count:
        raise InvalidInputError(f"ids has {len(names)} names, but there are {count} devices")
    try:
        repeated = [name for name, times in Counter(names).items() if times > 1]
    except TypeError as error:
        raise InvalidInputError(f"ids must be hashable, such as strings or integers: {error}") from None
    if repeated:
        raise InvalidInputError(f"ids must be unique, but {brief(repeated[0])} stands more than once")
    return names


def _check_synthetic(max_synthetic: ArrayLike) -> float | Floats:
    array = to_array("max_synthetic", max_synthetic, None)
    if array.ndim > 1 or array.size == 0:
        raise InvalidInputError(f"max_synthetic must be one number or (I,), got shape {array.shape}")
    bad = ~((array >= 0) & (array <= MOST_SYNTHETIC))
    if bad.any():
        value = float(np.atleast_1d(array)[int(np.argmax(bad))])
        raise InvalidInputError(f"max_synthetic{first_device(bad)} must be finite and not negative, got {value:g}")
    return array if array.ndim else float(array)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.array_equal(a, b)
    return bool(a == b)
