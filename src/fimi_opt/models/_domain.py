"""The domain of the formulas: outside it they would answer with NaN or with nonsense."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def positive(name: str, values: ArrayLike, or_zero: bool = False) -> Floats:
    """Return the values as float64.

    Raises
    ------
    ValueError
        If one is not above 0, or not 0 where that is allowed; it names the argument and the first offending value.
    """
    array = np.asarray(values, np.float64)
    good = array >= 0 if or_zero else array > 0
    if not np.all(good):
        bad = float(np.atleast_1d(array)[np.atleast_1d(~good)][0])
        raise ValueError(f"{name} must {'not be negative' if or_zero else 'be positive'}, got {bad:g}")
    return array
