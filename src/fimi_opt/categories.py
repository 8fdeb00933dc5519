"""Which classes a device's synthetic samples should be of: the entropy-maximising allocation (P8), real and integer.

Filling the emptiest classes up to one level, like water, maximises the entropy of what the device then trains on (FIMI
eq. (47); its upper cap never binds: docs errata). The level needs no search: no set of classes can be filled
higher than evenly, so the level is the least of (amount + sum of the k emptiest counts) / k over k, and the classes
actually filled attain it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import brief, first_device, to_array
from fimi_opt._kernels.categories import even_out, share_out
from fimi_opt.errors import InvalidInputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Below it every whole float64 is exact, and so is every sum of counts that stays below it.
_EXACT_INTEGERS = 2.0**53


def entropy(counts: ArrayLike) -> np.float64 | Floats:
    """Entropy of how samples spread over the classes, FIMI eq. (45); ``0 log 0 = 0`` and no samples have entropy 0.

    ``H = -sum_c p_c log2(p_c)`` with ``p_c = counts_c / sum(counts)``

    Parameters
    ----------
    counts
        Samples of each class, >= 0; shape (..., C).

    Returns
    -------
    ndarray
        H in bits, between 0 and log2(C); shape (...), a scalar for one device's counts.

    Raises
    ------
    ValueError
        If a count is negative or not finite, or `counts` has no axis of classes; it names the index and the value.

    Examples
    --------
    >>> float(entropy([1, 1, 2, 0]))
    1.5
    """
    samples = to_array("counts", counts, None)
    if samples.ndim == 0 or samples.shape[-1] == 0:
        raise InvalidInputError(f"counts must have at least one class on its last axis, got shape {samples.shape}")
    bad = ~((samples >= 0) & (samples < np.inf))
    if bad.any():
        index = tuple(int(k) for k in np.argwhere(bad)[0])
        raise InvalidInputError(f"counts must be finite and not negative, got {samples[index]} at index {index}")
    # Shares of the largest count: their sum neither overflows nor vanishes.
    largest = samples.max(axis=-1, keepdims=True)
    shares = samples / np.where(largest > 0, largest, 1.0)
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), 1.0)
    bits = shares * np.log2(np.where(shares > 0, shares, 1.0))
    total: np.float64 | Floats = np.abs(bits.sum(axis=-1))  # of terms <= 0; abs so that none is -0.0
    return total


def allocate_categories(class_counts: ArrayLike, synthetic: ArrayLike, *, seed: int = 0) -> Floats | Integers:
    """Split each device's synthetic samples over the classes so that what it trains on has the most entropy (P8).

    ``gen_c = max(level - class_counts_c, 0)``, the level such that they sum to `synthetic`: FIMI eq. (47). In integers:
    the whole part of the level, and one sample more for each of the least filled classes while the remainder lasts.

    Which of *equally* filled classes get the remainder does not change a device's entropy, but the fleet's: the same
    choice on every device starves the same classes everywhere. The remainder goes to the classes of which the whole
    fleet, real and synthetic samples together, has least, for these totals are the class mix that the averaged model
    sees. It is balanced so far that no device could move a sample of its remainder to another of its equally filled
    classes and narrow the fleet's gap between the two. It follows that the fleet's fullest class is at most
    ``max(C - 2, 0)`` samples above, and the emptiest as many below, what any choice among equals could reach, and
    that the totals differ by at most 1 if every device fills all its classes (whole counts; with fractional ones the
    totals are balanced as rounded).

    Parameters
    ----------
    class_counts
        Local samples of each class, >= 0; (I, C).
    synthetic
        Synthetic samples D_gen of each device, >= 0; (I,), or a scalar for every device.
    seed
        Chooses among classes, and devices, that are equal in all of this; the same seed gives the same answer.

    Returns
    -------
    ndarray
        Synthetic samples of each class, >= 0; (I, C), its rows sum to `synthetic`. int64 when `synthetic` is
        integral, that is of an integer type, or whole while `class_counts` is whole too; else float64.

    Raises
    ------
    ValueError
        If a value is negative or not finite, the shapes do not fit, there is no class, a device's samples sum to
        infinity, or to 2**53 or more with `synthetic` of an integer type (float64 could not count them), or `seed`
        is not an integer >= 0; it names the argument, the first offending device and the value.

    Examples
    --------
    >>> allocate_categories([[5, 1, 0], [4, 4, 4]], [4.5, 1.5])
    array([[0.  , 1.75, 2.75],
           [0.5 , 0.5 , 0.5 ]])
    >>> allocate_categories([[5, 1, 0], [4, 4, 4]], [5, 3])
    array([[0, 2, 3],
           [1, 1, 1]])
    """
    counts = to_array("class_counts", class_counts, None)
    if counts.ndim != 2 or counts.shape[1] == 0:
        raise InvalidInputError(f"class_counts must be (devices, classes) with a class at least, got {counts.shape}")
    amounts = to_array("synthetic", synthetic, (counts.shape[0],))
    _refuse_negative("class_counts", counts)
    _refuse_negative("synthetic", amounts)
    _refuse_seed(seed)
    with np.errstate(over="ignore"):
        totals = counts.sum(axis=1) + amounts
    _refuse_totals(totals, np.inf, "they must sum to a finite number")
    if np.asarray(synthetic).dtype.kind in "iu":
        _refuse_totals(totals, _EXACT_INTEGERS, "integers are exact only below 2**53; give synthetic as float")
        return _allocate_integers(counts, amounts.astype(np.int64), seed)
    if (totals < _EXACT_INTEGERS).all() and _whole(amounts) and _whole(counts):
        return _allocate_integers(counts, amounts.astype(np.int64), seed)
    return _allocate_reals(counts, amounts)


def _allocate_reals(counts: Floats, amounts: Floats) -> Floats:
    # Depths below the surface of the emptiest class keep the digits of a small amount over large counts. A class
    # deeper than the amount stays dry, so clipping there changes nothing and keeps every sum finite.
    depth = np.minimum(counts - counts.min(axis=1, keepdims=True), amounts[:, None])
    sums = np.cumsum(np.sort(depth, axis=1), axis=1) + amounts[:, None]
    level = (sums / np.arange(1, depth.shape[1] + 1)).min(axis=1)
    given: Floats = np.maximum(level[:, None] - depth, 0.0)
    # What rounding left goes to the emptiest class, which gets most and is least disturbed by it: rows then sum as they
    # must, also where the amount is too small to be divided.
    emptiest = depth.argmin(axis=1)
    given[np.arange(emptiest.size), emptiest] += amounts - given.sum(axis=1)
    return given


def _allocate_integers(counts: Floats, amounts: Integers, seed: int) -> Integers:
    # Fractional counts need no other rule: the classes fill by their whole parts, ties of which the fraction breaks.
    lowest = np.floor(counts.min(axis=1, keepdims=True))
    depth = np.minimum(np.floor(counts) - lowest, amounts[:, None]).astype(np.int64)
    sums = np.cumsum(np.sort(depth, axis=1), axis=1) + amounts[:, None]
    level = (sums // np.arange(1, depth.shape[1] + 1)).min(axis=1, keepdims=True)
    given: Integers = np.maximum(level - depth, 0)
    remainder = amounts - given.sum(axis=1)
    # Samples of each class above the device's level: what the fleet's totals differ by, free of their common part.
    above = (counts - lowest) + (given - level)
    last = np.maximum(remainder - 1, 0)[:, None]
    cut = np.take_along_axis(np.sort(above, axis=1), last, axis=1)
    emptier = (above < cut) & (remainder > 0)[:, None]
    tied = (above == cut) & (remainder > 0)[:, None]
    given += emptier
    remainder -= emptier.sum(axis=1)
    given += _share_remainders(tied, remainder, np.rint(above.sum(axis=0)) + emptier.sum(axis=0), seed)
    return given


def _share_remainders(tied: NDArray[np.bool_], remainder: Integers, totals: Floats, seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    queue = np.lexsort((rng.permutation(totals.size), totals))
    # In random order no pattern of the fleet's numbering (every other device a phone) falls in step with the queue,
    # and the evening out takes few passes.
    visits = rng.permutation(np.flatnonzero(remainder))
    extra = share_out(tied, remainder, totals, visits, queue)
    even_out(tied, extra, totals, visits)
    return extra


def _whole(values: Floats) -> bool:
    return bool((values == np.floor(values)).all())


def _refuse_negative(name: str, values: Floats) -> None:
    bad = ~((values >= 0) & (values < np.inf))
    if bad.any():
        raise InvalidInputError(f"{name}{first_device(bad)} must be finite and not negative, got {values[bad][0]}")


def _refuse_seed(seed: object) -> None:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(f"seed must be an integer >= 0, got {brief(seed)}")


def _refuse_totals(totals: Floats, limit: float, reason: str) -> None:
    bad = ~(totals < limit)
    if bad.any():
        where, value = first_device(bad), totals[bad][0]
        raise InvalidInputError(f"class_counts and synthetic{where} sum to {value}: {reason}")
