"""What a round brings that no plan knows: the channels' fading, slow processors, devices that leave.

Every number is a function of the seed, the round, the device and the quantity alone. The generator is Philox, which
turns a counter into random words: the round and the quantity are two words of the counter, and device i takes the i-th
number from there. So neither more devices, nor more rounds, nor another option changes a number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import real, shape_of, to_array, whole
from fimi_opt.errors import InvalidInputError
from fimi_opt.types import ArrayEquality

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

Quantiles: TypeAlias = Callable[[Floats], ArrayLike]
"""A distribution by its inverse, as ``scipy.stats.pareto(3).ppf`` is: probabilities in (0, 1) to values, (I,)."""

# One word of the counter each: append only, or every seeded run changes.
_RAYLEIGH, _SHADOWING, _STRAGGLING, _SLOWDOWN, _DROP_OUT, _LEAVING = range(6)
# Numbers are whole multiples of 2^-53. The least of them, 0, stands for its cell: an exponential of 0 were no channel.
_LEAST = 2.0**-54
# Measured spreads are 3 to 12 dB; far beyond, gains would leave float64.
_MOST_SHADOWING_DB = 50.0
# Beyond any run; times and their sums stay inside float64.
_MOST_SLOWDOWN = 1e100


class Draw(NamedTuple):
    """One round's circumstances, per device.

    Attributes
    ----------
    gain_factor
        What multiplies the channel's power gain, (I,), > 0.
    slowdown
        What multiplies the time of training, (I,), >= 1.
    leaves
        Whether it drops out, (I,).
    leaves_at
        When it does, dimensionless: the part of its own training and uploading done by then, (I,), in [0, 1].
    """

    gain_factor: Floats
    slowdown: Floats
    leaves: Booleans
    leaves_at: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions(ArrayEquality):
    """How channels fade, how often devices are slow and how often they leave; by default not at all.

    Parameters
    ----------
    rayleigh
        Whether block Rayleigh fading multiplies each gain: one draw per round and device, exponential with mean 1.
    shadowing_db
        Standard deviation of log-normal shadowing, dB, in [0, 50]; its median is 1, so its mean is above.
    shadowing_rounds
        Rounds for which a device keeps its draw of shadowing, >= 1.
    channel_factors
        Measured fading, (R, I), > 0: row r - 1 multiplies the gains of round r. None for none.
    straggling
        Probability that a device is slow in a round, in [0, 1]; one for all, or (I,).
    slowdown
        By what the training of a slow one takes longer: a number in [1, 1e100], or a distribution of such
        (:data:`Quantiles`).
    drop_out
        Probability that a device leaves a round before its update is there, in [0, 1], one for all or (I,); or who
        does, (R, I) booleans, row r - 1 for round r.
    drop_out_at
        Where it leaves: the part of its own time of training and uploading that has passed, in [0, 1]; 0: it never
        begins. None draws it evenly.

    Raises
    ------
    ValueError
        If a value is outside its range or a shape does not fit; it names the argument and the value.

    Examples
    --------
    >>> Conditions(rayleigh=True, straggling=0.1, slowdown=3.0, drop_out=0.05).slowdown
    3.0
    """

    rayleigh: bool = False
    shadowing_db: float = 0.0
    shadowing_rounds: int = 1
    channel_factors: ArrayLike | None = None
    straggling: ArrayLike = 0.0
    slowdown: float | Quantiles = 2.0
    drop_out: ArrayLike = 0.0
    drop_out_at: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.rayleigh, bool | np.bool_):
            raise InvalidInputError(f"rayleigh must be True or False, got {self.rayleigh!r}")
        if not 0 <= real("shadowing_db", self.shadowing_db) <= _MOST_SHADOWING_DB:
            raise InvalidInputError(f"shadowing_db must be in [0, {_MOST_SHADOWING_DB:g}], got {self.shadowing_db!r}")
        whole("shadowing_rounds", self.shadowing_rounds, 1)
        if self.channel_factors is not None:
            self._set("channel_factors", _factors(self.channel_factors))
        self._set("straggling", _probability("straggling", self.straggling))
        if not callable(self.slowdown) and not 1 <= real("slowdown", self.slowdown) <= _MOST_SLOWDOWN:
            raise InvalidInputError(f"slowdown must be in [1, {_MOST_SLOWDOWN:g}], got {self.slowdown!r}")
        shape_of("drop_out", self.drop_out)
        who = np.asarray(self.drop_out)
        self._set("drop_out", _given(who) if who.dtype == np.bool_ else _probability("drop_out", self.drop_out))
        if self.drop_out_at is not None and not 0 <= real("drop_out_at", self.drop_out_at) <= 1:
            raise InvalidInputError(f"drop_out_at must be in [0, 1], got {self.drop_out_at!r}")

    def check(self, devices: int, rounds: int) -> None:
        """Refuse what is given for other devices, or for fewer rounds.

        Parameters
        ----------
        devices
            How many the fleet has.
        rounds
            How many are to be emulated.

        Raises
        ------
        ValueError
            If `channel_factors`, `straggling` or `drop_out` is; it names it and its shape.

        Examples
        --------
        >>> Conditions(straggling=[0.1, 0.0, 0.5]).check(devices=3, rounds=10)
        """
        for name in ("channel_factors", "straggling", "drop_out"):
            shape = np.shape(getattr(self, name))
            if shape and shape[-1] != devices:
                raise InvalidInputError(f"{name} has shape {shape}, but there are {devices} devices")
            if len(shape) == 2 and shape[0] < rounds:
                raise InvalidInputError(f"{name} has {shape[0]} rows, but {rounds} rounds are asked for")

    def draw(self, seed: int, number: int, devices: int) -> Draw:
        """Circumstances of one round.

        Parameters
        ----------
        seed
            A whole number >= 0.
        number
            The round, counted from 1.
        devices
            How many, I.

        Returns
        -------
        Draw
            The circumstances, each (I,).

        Raises
        ------
        ValueError
            If `slowdown` is a distribution that gives another shape, or a value outside [1, 1e100].

        Examples
        --------
        >>> Conditions(rayleigh=True).draw(0, number=1, devices=2).gain_factor.shape
        (2,)
        """
        source = _Source(seed, number, devices)
        given = np.asarray(self.drop_out)
        drawn = given.dtype != np.bool_
        return Draw(
            self._gain_factor(source),
            self._slowdown(source),
            source.happens(_DROP_OUT, given) if drawn else given[number - 1],
            source.uniform(_LEAVING) if self.drop_out_at is None else np.full(devices, float(self.drop_out_at)),
        )

    def _gain_factor(self, source: "_Source") -> Floats:
        factor = np.ones(source.devices)
        if self.channel_factors is not None:
            factor *= np.asarray(self.channel_factors)[source.number - 1]
        if self.rayleigh:
            factor *= -np.log1p(-source.uniform(_RAYLEIGH))
        if self.shadowing_db > 0:
            from scipy.special import ndtri  # as long as the rest of the import takes, and nothing else here needs it

            block = (source.number - 1) // int(self.shadowing_rounds)
            factor *= 10.0 ** (float(self.shadowing_db) / 10 * ndtri(source.uniform(_SHADOWING, block)))
        return factor

    def _slowdown(self, source: "_Source") -> Floats:
        slow = source.happens(_STRAGGLING, np.asarray(self.straggling))
        if not callable(self.slowdown):
            return np.where(slow, float(self.slowdown), 1.0)
        factors = to_array("slowdown", self.slowdown(source.uniform(_SLOWDOWN)), (source.devices,))
        bad = ~((factors >= 1) & (factors <= _MOST_SLOWDOWN))
        if bad.any():
            raise InvalidInputError(f"slowdown must give values in [1, {_MOST_SLOWDOWN:g}], got {factors[bad][0]:g}")
        return np.where(slow, factors, 1.0)

    def _set(self, name: str, value: NDArray[np.generic]) -> None:
        object.__setattr__(self, name, value)


class _Source(NamedTuple):
    """The random numbers of one round."""

    seed: int
    number: int
    devices: int

    def uniform(self, quantity: int, block: int | None = None) -> Floats:
        """Numbers in (0, 1), one per device; the same for the same block, by default the round."""
        at = np.array([0, self.number if block is None else block, quantity, 0], dtype=np.uint64)
        key = np.random.SeedSequence(self.seed).generate_state(2, np.uint64)
        numbers = np.random.Generator(np.random.Philox(key=key, counter=at)).random(self.devices)
        return np.maximum(numbers, _LEAST, out=numbers)

    def happens(self, quantity: int, probability: Floats) -> Booleans:
        if not probability.any():
            return np.zeros(self.devices, np.bool_)
        return np.asarray(self.uniform(quantity) <= probability)


def _factors(values: ArrayLike) -> Floats:
    factors = to_array("channel_factors", values, None)
    if factors.ndim != 2:
        raise InvalidInputError(f"channel_factors must have shape (R, I), got shape {factors.shape}")
    bad = ~((factors > 0) & np.isfinite(factors))
    if bad.any():
        r, i = np.argwhere(bad)[0]
        raise InvalidInputError(
            f"channel_factors of round {r + 1}, device {i} must be positive and finite, got {factors[r, i]:g}"
        )
    return factors


def _probability(name: str, values: ArrayLike) -> Floats:
    probability = to_array(name, values, None)
    if probability.ndim > 1:
        raise InvalidInputError(f"{name} must be one probability or (I,), got shape {probability.shape}")
    bad = ~((probability >= 0) & (probability <= 1))
    if bad.any():
        raise InvalidInputError(f"{name} must be in [0, 1], got {np.atleast_1d(probability)[np.atleast_1d(bad)][0]:g}")
    return probability


def _given(who: NDArray[np.generic]) -> Booleans:
    if who.ndim != 2:
        raise InvalidInputError(f"drop_out as booleans must have shape (R, I), got shape {who.shape}")
    copy = np.array(who, np.bool_)
    copy.flags.writeable = False
    return copy


CALM = Conditions()
