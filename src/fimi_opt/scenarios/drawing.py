"""Draw a fleet: where its devices are, what they are like and which samples they hold.

Every quantity is drawn from a stream of its own, so that fleets can be compared: changing one argument leaves the other
draws as they were, and a larger fleet starts with the devices of the smaller one. (:class:`Arithmetic` values, which
depend on the fleet's size, are the exception.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import real, to_array
from fimi_opt.errors import InvalidInputError
from fimi_opt.types import Devices

Floats = NDArray[np.float64]

# -174 dBm/Hz is thermal noise at 290 K.
NOISE_PER_HZ_DBM = -174.0

# One child of the seed each, in this order: append only, or every seeded fleet changes.
_STREAMS = (
    "distance",
    "max_power_dbm",
    "max_frequency",
    "energy_coefficient",
    "local_samples",
    "mix",
    "counts",
    "shadowing",
    "fading",
)
# Below it float64 holds every whole number.
_EXACT_INTEGERS = 2.0**53
# Far beyond any radio; what is more would not be a float64 any longer.
_DECIBELS = 1000.0
_METRES = 1e9
# Outside, Dirichlet draws leave float64; inside, they reach from one class a device to equal shares.
_CONCENTRATION = (1e-3, 1e6)


@dataclass(frozen=True)
class Uniform:
    """Drawn for each device on its own, evenly between `low` and `high`.

    Raises
    ------
    ValueError
        If the ends are not finite or `low` is above `high`; it says which.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not real("low", self.low) <= real("high", self.high):
            raise InvalidInputError(f"Uniform needs low <= high, got {self.low!r} and {self.high!r}")


@dataclass(frozen=True)
class Arithmetic:
    """Evenly spaced from the first device's value to the last one's, as in the paper's Fig. 5(b).

    Parameters
    ----------
    first, last
        The value of the first device and of the last one, in the unit of the quantity.

    Raises
    ------
    ValueError
        If an end is not finite; it says which.
    """

    first: float
    last: float

    def __post_init__(self) -> None:
        real("first", self.first)
        real("last", self.last)


Spread: TypeAlias = Uniform | Arithmetic | ArrayLike
"""How a quantity lies over the fleet: by a rule, or given, as one number for all or as (I,)."""


class DeviceClass(NamedTuple):
    """A kind of device: what its processor, radio and data are like.

    Attributes
    ----------
    name
        Devices are called by it, with a number.
    max_frequency
        Hz.
    energy_coefficient
        eps, J s^2 / cycle^3.
    max_power_dbm
        Transmit power, dBm.
    local_samples
        Samples, rounded to whole ones where drawn.
    """

    name: str
    max_frequency: Spread
    energy_coefficient: Spread
    max_power_dbm: Spread
    local_samples: Spread


class Cell(NamedTuple):
    """Where devices are and how their signals reach the base station.

    Attributes
    ----------
    radius, least_distance
        Of the ring in which devices are drawn evenly over its area, m.
    distance
        Distances from the base station, m, in place of drawn ones.
    path_loss_db
        Intercept and slope a + b log10(distance / km), dB.
    shadowing_db
        Standard deviation of log-normal shadowing, dB, >= 0.
    rayleigh
        Whether a gain is multiplied by one draw of Rayleigh fading.
    noise_density_dbm
        dBm/Hz.
    """

    radius: float = 400.0
    least_distance: float = 10.0
    distance: Spread | None = None
    path_loss_db: tuple[float, float] = (128.1, 37.6)
    shadowing_db: float = 0.0
    rayleigh: bool = False
    noise_density_dbm: float = NOISE_PER_HZ_DBM


def draw_fleet(
    seed: int,
    groups: Sequence[tuple[DeviceClass, int]],
    cell: Cell,
    *,
    classes: int,
    concentration: float,
    named: bool = True,
) -> Devices:
    """Devices of the given kinds, so many of each, in one cell.

    Parameters
    ----------
    seed
        Chooses the drop, an integer >= 0.
    groups
        Kinds and how many of each, in this order.
    cell
        Where they are.
    classes, concentration
        As for :func:`paper`.
    named
        Whether ids are ``name-1``, ``name-2``, ... of each kind; else they are 0..I-1.

    Returns
    -------
    Devices
        The fleet.

    Raises
    ------
    ValueError
        If an argument is outside its range; it names the argument and the value.

    Examples
    --------
    >>> from fimi_opt.scenarios import PHONE
    >>> draw_fleet(0, [(PHONE, 2)], Cell(), classes=0, concentration=0.4).ids
    ('phone-1', 'phone-2')
    """
    streams = _streams(seed)
    sizes = [_whole("devices", size, 0) for _, size in groups]
    count = sum(sizes)
    if count == 0:
        raise InvalidInputError("devices must be at least 1, got 0")
    drawn = {name: streams[name].random(count) for name in _STREAMS[:5]}

    def spread(field: str) -> Floats:
        parts = np.split(drawn[field], np.cumsum(sizes)[:-1])
        return np.concatenate(
            [_values(field, getattr(kind, field), part) for (kind, _), part in zip(groups, parts, strict=True)]
        )

    samples = spread("local_samples")
    names = [f"{kind.name}-{k + 1}" for (kind, _), size in zip(groups, sizes, strict=True) for k in range(size)]
    return Devices(
        samples,
        spread("energy_coefficient"),
        spread("max_frequency"),
        _gains(cell, drawn["distance"], streams["shadowing"], streams["fading"]),
        _linear("max_power_dbm", spread("max_power_dbm")) / 1000,
        _linear("noise_density_dbm", np.array(real("noise_density_dbm", cell.noise_density_dbm))) / 1000,
        _class_counts(samples, classes, concentration, streams["mix"], streams["counts"]),
        names if named else None,
    )


def _streams(seed: int) -> dict[str, np.random.Generator]:
    """Return one generator for each quantity."""
    children = np.random.SeedSequence(_whole("seed", seed, 0)).spawn(len(_STREAMS))
    return {name: np.random.Generator(np.random.PCG64(child)) for name, child in zip(_STREAMS, children, strict=True)}


def _values(name: str, spread: Spread, drawn: Floats) -> Floats:
    """Return the spread's value for each device, of which `drawn` holds a number in [0, 1)."""
    count = drawn.size
    if isinstance(spread, Uniform):
        values = spread.low + (spread.high - spread.low) * drawn
        return np.rint(values) if name == "local_samples" else values
    if isinstance(spread, Arithmetic):
        return np.linspace(spread.first, spread.last, count)
    values = to_array(name, spread, None)
    if values.shape not in ((), (count,)):
        raise InvalidInputError(f"{name} must be one number or {count}, one per device; got shape {values.shape}")
    return np.broadcast_to(values, (count,))


def _gains(cell: Cell, drawn: Floats, shadowing: np.random.Generator, fading: np.random.Generator) -> Floats:
    """Linear power gain of each device's channel, (I,)."""
    if cell.distance is None:
        nearest, farthest = real("least_distance", cell.least_distance), real("radius", cell.radius)
        if not 0 < nearest < farthest <= _METRES:
            raise InvalidInputError(
                f"least_distance must be positive and below radius, and that at most {_METRES:g} m;"
                f" got {nearest:g} and {farthest:g}"
            )
        # Uniform in area: r^2 is.
        metres = np.sqrt(nearest**2 + (farthest**2 - nearest**2) * drawn)
    else:
        metres = _values("distance", cell.distance, drawn)
        bad = ~((metres > 0) & (metres <= _METRES))
        if bad.any():
            raise InvalidInputError(f"distance must be positive, at most {_METRES:g} m, got {metres[bad][0]:g}")
    deviation = real("shadowing_db", cell.shadowing_db)
    if deviation < 0:
        raise InvalidInputError(f"shadowing_db must be at least 0, got {deviation:g}")
    if np.shape(cell.path_loss_db) != (2,):
        raise InvalidInputError(f"path_loss_db must be the loss at 1 km and per decade, got {cell.path_loss_db!r}")
    at_1_km, per_decade = (real("path_loss_db", value) for value in cell.path_loss_db)
    loss = at_1_km + per_decade * np.log10(metres / 1000) + deviation * shadowing.standard_normal(drawn.size)
    gain = _linear("path_loss_db with shadowing", -loss)
    return gain * fading.standard_exponential(drawn.size) if cell.rayleigh else gain


def _class_counts(
    samples: Floats, classes: int, concentration: float, mix: np.random.Generator, counts: np.random.Generator
) -> Floats | None:
    """Whole samples of each class, (I, C), by a Dirichlet mix for each device; None for no classes."""
    if _whole("classes", classes, 0) == 0:
        return None
    least, most = _CONCENTRATION
    if not least <= real("concentration", concentration) <= most:
        raise InvalidInputError(f"concentration must be between {least:g} and {most:g}, got {concentration:g}")
    bad = ~((samples == np.rint(samples)) & (samples > 0) & (samples < _EXACT_INTEGERS))
    if bad.any():
        raise InvalidInputError(
            f"local_samples must be whole, positive and below 2^53 to be split over classes, got {samples[bad][0]:g}"
        )
    shares = mix.dirichlet(np.full(classes, concentration), samples.size)
    return np.asarray(counts.multinomial(samples.astype(np.int64), shares), np.float64)


def _linear(name: str, decibels: Floats) -> Floats:
    bad = ~(np.abs(decibels) <= _DECIBELS)
    if bad.any():
        value = np.atleast_1d(decibels)[np.atleast_1d(bad)][0]
        raise InvalidInputError(f"{name} must give between -{_DECIBELS:g} and {_DECIBELS:g} dB, got {value:g}")
    return np.asarray(10.0 ** (decibels / 10))


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidInputError(f"{name} must be a whole number, at least {least}, got {value!r}")
    return int(value)
