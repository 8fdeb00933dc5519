"""Split a labelled data set over devices with unequal classes, by either of the two conventions called "Dir(alpha)".

:func:`per_device` draws a class mix for each device and fills a given number of samples by it; :func:`per_class` draws
for each class how its samples spread over the devices. Both give, for the same labels and seed, the positions that
flwr-datasets gives, by NumPy alone (docs: partitions).
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import brief, first_device, shape_of, to_array, whole
from fimi_opt._lazy import lazy
from fimi_opt.errors import InvalidInputError
from fimi_opt.types import ArrayEquality

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# From one class a device to equal shares: beyond, a draw is the same to all digits that matter.
_LEAST_ALPHA, _MOST_ALPHA = 1e-6, 1e6


@dataclass(frozen=True, eq=False, repr=False)
class Partition(ArrayEquality):
    """Which samples each device holds; device i is flwr-datasets' ``partition_id`` i.

    Attributes
    ----------
    positions
        Places in the labels of the samples handed out, device after device, (A,), int64; none stands twice.
    classes
        The labels that occur, sorted, (C,).
    class_counts
        Samples of each class on each device, (I, C), int64: the argument of :class:`fimi_opt.Devices`.
    """

    positions: Integers
    classes: NDArray[Any]
    class_counts: Integers

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in ("positions", "classes", "class_counts"):
            getattr(self, name).flags.writeable = False

    @lazy
    def local_samples(self) -> Integers:
        """Samples of each device, (I,): the argument of :class:`fimi_opt.Devices`, which has no empty ones."""
        held: Integers = self.class_counts.sum(axis=1)
        held.flags.writeable = False
        return held

    @lazy
    def indices(self) -> tuple[Integers, ...]:
        """Places in the labels of each device's samples, in random order: I arrays."""
        return tuple(np.split(self.positions, np.cumsum(self.local_samples)[:-1]))

    def __len__(self) -> int:
        """Return the number of devices, I."""
        return int(self.class_counts.shape[0])

    def __repr__(self) -> str:
        """Return one line: devices, classes, and how many samples were handed out."""
        return f"Partition({len(self)} devices, {self.classes.size} classes, {self.positions.size} samples)"


def per_device(labels: ArrayLike, sizes: ArrayLike, alpha: ArrayLike, *, seed: int) -> Partition:
    """Draw each device's class mix ``q ~ Dir(alpha)`` and fill its given number of samples by it: the paper's fleets.

    Samples are drawn one at a time and without replacement, for a device chosen at random. A class of which none is
    left is struck from every mix, and the rest of the mix is scaled up to one: where the sizes take most of the data,
    the devices filled last hold what the others left.

    Equal to flwr-datasets' ``InnerDirichletPartitioner(sizes, ..., alpha, seed=seed)`` where that works, that is for
    labels 0..C-1.

    Parameters
    ----------
    labels
        Class of each sample, (N,): numbers, text, or anything that can be sorted.
    sizes
        Samples of each device, whole, >= 0; (I,). They sum to N at most; what is left over is handed to no one.
    alpha
        Concentration, in [1e-6, 1e6]: one number, or one for each class in sorted order, (C,).
    seed
        Chooses the draw, an integer >= 0; the same seed gives the same partition.

    Returns
    -------
    Partition
        Who holds what.

    Raises
    ------
    ValueError
        If there are no labels, they are of several kinds or cannot be told apart and sorted, a size is not whole or
        negative, the sizes sum to more than N, `alpha` is outside its range or of another shape, or a device's mix
        consists of classes alone of which no sample is left; it names the argument and the first offending value.

    Examples
    --------
    >>> per_device(["cat", "dog", "cat", "dog", "dog", "cow"], [3, 2], 0.5, seed=1).class_counts.tolist()
    [[2, 0, 1], [0, 0, 2]]
    """
    classes, codes = _classes(labels)
    wanted = _sizes(sizes, codes.size)
    concentrations = _concentrations(alpha, classes.size, "class")
    rng = np.random.default_rng(whole("seed", seed, 0))
    mixes = rng.dirichlet(concentrations, size=len(wanted))
    # Of each class the last sample goes first, and each device fills up from its end, as in flwr-datasets.
    pools = [np.flatnonzero(codes == k).tolist() for k in range(classes.size)]
    held = [np.empty(size, np.int64) for size in wanted]
    missing, unfilled, left = list(wanted), list(range(len(wanted))), sum(wanted)
    cumulative = _cumulative(mixes)
    while left:  # bounded: every turn hands out a sample or drops a full device for good
        turn = int(rng.integers(len(unfilled)))
        i = unfilled[turn]
        if missing[i] == 0:
            del unfilled[turn]
            continue
        k = bisect_right(cumulative[i], rng.random())
        while not pools[k]:  # bounded: a struck class has no share, so that no draw hits it again
            mixes = _strike(mixes, k, np.array(missing) > 0, classes)
            cumulative = _cumulative(mixes)
            k = bisect_right(cumulative[i], rng.random())
        missing[i] -= 1
        left -= 1
        held[i][missing[i]] = pools[k].pop()
    return _shuffled(held, classes, codes, rng)


def per_class(
    labels: ArrayLike,
    devices: int,
    alpha: ArrayLike,
    *,
    seed: int,
    min_size: int = 10,
    self_balancing: bool = False,
    attempts: int = 100,
) -> Partition:
    """Split each class over the devices by shares ``~ Dir(alpha)``, all samples: devices differ in size as well.

    A draw that leaves a device with fewer than `min_size` samples is thrown away as a whole and drawn anew.

    Equal to flwr-datasets' ``DirichletPartitioner(devices, ..., alpha, min_size, self_balancing, seed=seed)``, which
    gives up after 11 draws. As there from release 0.6 on, classes are drawn in sorted order; release 0.5 drew them in
    the order in which they first occur in `labels`.

    Parameters
    ----------
    labels
        Class of each sample, (N,): numbers, text, or anything that can be sorted.
    devices
        I, how many devices, at least 1.
    alpha
        Concentration, in [1e-6, 1e6]: one number, or one for each device, (I,).
    seed
        Chooses the draw, an integer >= 0; the same seed gives the same partition.
    min_size
        Samples of each device at least, >= 0; with 0 devices can be empty.
    self_balancing
        Whether a device that holds more than N / I samples gets no more of the classes that follow.
    attempts
        Draws at most, at least 1.

    Returns
    -------
    Partition
        Who holds what.

    Raises
    ------
    ValueError
        If there are no labels, they are of several kinds or cannot be told apart and sorted, a number is outside its
        range, `alpha` is of another shape, `min_size` times I is more than N, or no draw gave every device `min_size`
        samples: then the message says how many the smallest device had at best, which `min_size` the same seed does
        give.

    Examples
    --------
    >>> per_class(["cat", "dog", "cat", "dog", "dog", "cow"], 2, 0.5, seed=1, min_size=2).class_counts.tolist()
    [[1, 0, 2], [1, 1, 1]]
    """
    classes, codes = _classes(labels)
    if not isinstance(self_balancing, bool | np.bool_):
        raise InvalidInputError(f"self_balancing must be True or False, got {brief(self_balancing)}")
    count, least, most = whole("devices", devices, 1), whole("min_size", min_size, 0), whole("attempts", attempts, 1)
    if least * count > codes.size:
        raise InvalidInputError(f"min_size is {least} for {count} devices, but labels has only {codes.size} samples")
    concentrations = _concentrations(alpha, count, "device")
    rng = np.random.default_rng(whole("seed", seed, 0))
    totals = np.bincount(codes, minlength=classes.size)
    fullest = codes.size / count if self_balancing else np.inf
    best = -1
    for _ in range(most):
        counts = _draw_counts(rng, totals, concentrations, fullest)
        best = max(best, -1 if counts is None else int(counts.sum(axis=1).min()))
        if counts is not None and best >= least:
            break
    else:
        raise InvalidInputError(_never_reached(least, best, most))
    parts = [np.split(np.flatnonzero(codes == k), np.cumsum(counts[:-1, k])) for k in range(classes.size)]
    return _shuffled([np.concatenate(own) for own in zip(*parts, strict=True)], classes, codes, rng)


def _cumulative(mixes: Floats) -> list[list[float]]:
    """Cumulative shares of each mix, by which a uniform number chooses a class as `Generator.choice` does."""
    sums = np.cumsum(mixes, axis=1)
    with np.errstate(invalid="ignore"):  # a full device's mix may be all struck; it is not asked for
        shares: list[list[float]] = (sums / sums[:, -1:]).tolist()
    return shares


def _strike(mixes: Floats, k: int, unfilled: NDArray[np.bool_], classes: NDArray[Any]) -> Floats:
    """Mixes without class k, each scaled up to one again."""
    mixes = mixes.copy()
    mixes[:, k] = 0.0
    sums = mixes.sum(axis=1, keepdims=True)
    stuck = unfilled & ~(sums[:, 0] > 0)
    if stuck.any():
        i, name = int(np.argmax(stuck)), classes.tolist()[k]
        raise InvalidInputError(
            f"sizes of device {i} cannot be filled: class {name!r} is used up, and the device's mix has no other that "
            "is not. A larger alpha, smaller sizes, more samples or another seed can do"
        )
    with np.errstate(invalid="ignore"):
        scaled: Floats = mixes / sums
    return scaled


def _draw_counts(rng: np.random.Generator, totals: Integers, concentrations: Floats, fullest: float) -> Integers | None:
    """Samples of each class on each device, (I, C); None where a class has no device left that may take it."""
    counts = np.zeros((concentrations.size, totals.size), np.int64)
    stuck = False
    for k in range(totals.size):
        shares = rng.dirichlet(concentrations)
        shares[counts.sum(axis=1) > fullest] = 0.0
        sums = np.cumsum(shares)
        stuck = stuck or not sums[-1] > 0
        if stuck:
            continue
        # Shares that were not cut are not scaled: their last digits decide at which sample a class is divided.
        ends = np.cumsum(shares / sums[-1]) if fullest < np.inf else sums
        cuts = (ends[:-1] * totals[k]).astype(np.int64)
        counts[:, k] = np.diff(cuts, prepend=0, append=totals[k])
    return None if stuck else counts


def _never_reached(least: int, best: int, attempts: int) -> str:
    found = f"the smallest device had {best} samples at best, so that min_size={best} would do"
    if best < 0:
        found = "every draw gave a class to full devices alone: self_balancing=False can do"
    return (
        f"min_size is {least}, but in {attempts} draws {found}; so can a larger alpha, fewer devices or more attempts"
    )


def _shuffled(held: list[Integers], classes: NDArray[Any], codes: Integers, rng: np.random.Generator) -> Partition:
    for own in held:
        rng.shuffle(own)
    counts = [np.bincount(codes[own], minlength=classes.size) for own in held]
    return Partition(np.concatenate(held), classes, np.array(counts, np.int64))


def _classes(labels: ArrayLike) -> tuple[NDArray[Any], Integers]:
    """Return the sorted classes, and each sample's place among them."""
    if np.ma.is_masked(labels):
        raise InvalidInputError("labels has masked values: leave these samples out")
    shape = shape_of("labels", labels)
    if len(shape) != 1 or shape[0] == 0:
        raise InvalidInputError(f"labels must have one value per sample, shape (N,), got shape {shape}")
    given = np.asarray(labels)
    if given.dtype.kind in "USfc" and not hasattr(labels, "dtype"):
        # NumPy writes the 1 of [1, "cat"] as text, and rounds 2**63 + 1 beside 1: what differed could be one class.
        for label, kept in zip(labels, given.tolist(), strict=True):  # type: ignore[arg-type]
            if label != kept and kept == kept:
                raise InvalidInputError(f"labels must be of one kind, but NumPy makes {kept!r} of {label!r}")
    try:
        classes, codes = np.unique(given, return_inverse=True)
        unequal = np.asarray(classes != classes, np.bool_)  # NaN and NaT are
    except (TypeError, ValueError, ArithmeticError) as error:  # of decimals, NaN cannot be sorted
        raise InvalidInputError(f"labels must be values that can be told apart and sorted: {error}") from None
    if unequal.any():
        raise InvalidInputError(f"labels must be values that equal themselves, got {classes[unequal][0]}")
    return classes, codes.astype(np.int64)


def _sizes(sizes: ArrayLike, samples: int) -> list[int]:
    wanted = to_array("sizes", sizes, None)
    if wanted.ndim != 1 or wanted.size == 0:
        raise InvalidInputError(f"sizes must have one value per device, shape (I,), got shape {wanted.shape}")
    bad = ~((wanted >= 0) & (wanted < np.inf) & (wanted == np.floor(wanted)))
    if bad.any():
        raise InvalidInputError(f"sizes{first_device(bad)} must be whole and not negative, got {wanted[bad][0]:g}")
    if wanted.sum() > samples:
        raise InvalidInputError(f"sizes sum to {wanted.sum():.17g}, but labels has only {samples} samples")
    return [int(size) for size in wanted]


def _concentrations(alpha: ArrayLike, count: int, of: str) -> Floats:
    values = to_array("alpha", alpha, None)
    if values.shape not in ((), (count,)):
        raise InvalidInputError(f"alpha must be one number, or one per {of}: {count}; got shape {values.shape}")
    bad = ~((values >= _LEAST_ALPHA) & (values <= _MOST_ALPHA))
    if bad.any():
        where = f" of {of} {int(np.argmax(bad))}" if values.ndim else ""
        value = values[bad][0]
        raise InvalidInputError(f"alpha{where} must be between {_LEAST_ALPHA:g} and {_MOST_ALPHA:g}, got {value:g}")
    return np.array(np.broadcast_to(values, (count,)))
