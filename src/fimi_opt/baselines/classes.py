"""How the schemes that do not maximise entropy split a device's added samples over the classes.

Rules take local samples of each class (I, C) and amounts (I,), as a checked plan has them, and return samples of each
class (I, C), whose rows sum to the amounts: whole numbers (int64) where every amount is whole, unless they are expected
values. None knows more than its own device.
"""

import numpy as np
from numpy.typing import NDArray

from fimi_opt.plan import ClassTable

Floats = NDArray[np.float64]


def scarcest(class_counts: Floats, amounts: Floats) -> ClassTable:
    """Everything into the class of which the device has least; of equally scarce ones, into the first.

    Examples
    --------
    >>> scarcest(np.array([[5.0, 1.0, 0.0], [4.0, 3.0, 3.0]]), np.array([7.0, 2.5]))
    array([[0. , 0. , 7. ],
           [0. , 2.5, 0. ]])
    """
    table = np.zeros(class_counts.shape)
    table[np.arange(amounts.size), class_counts.argmin(axis=1)] = amounts
    return table.astype(np.int64) if _whole(amounts) else table


def uniform(class_counts: Floats, amounts: Floats) -> ClassTable:
    """As much of each class, whatever the device has; where that is not whole, one more of the first classes.

    Examples
    --------
    >>> uniform(np.array([[5.0, 1.0, 0.0]]), np.array([7.0]))
    array([[3, 2, 2]])
    """
    shares = np.repeat(amounts[:, None] / class_counts.shape[1], class_counts.shape[1], axis=1)
    return _rounded(shares, amounts) if _whole(amounts) else shares


def proportional(class_counts: Floats, amounts: Floats) -> ClassTable:
    """In the device's own proportions; whole numbers by largest remainder, of equal ones the first class.

    Examples
    --------
    >>> proportional(np.array([[5.0, 1.0, 0.0]]), np.array([9.0]))
    array([[8, 1, 0]])
    """
    shares = as_found(class_counts, amounts)
    return _rounded(shares, amounts) if _whole(amounts) else shares


def as_found(class_counts: Floats, amounts: Floats) -> Floats:
    """Expected samples of each class among samples that come as the device's own do: nobody chose their classes.

    Examples
    --------
    >>> as_found(np.array([[5.0, 1.0, 0.0]]), np.array([9.0]))
    array([[7.5, 1.5, 0. ]])
    """
    return np.asarray(class_counts / class_counts.sum(axis=1, keepdims=True) * amounts[:, None])


def _rounded(shares: Floats, amounts: Floats) -> NDArray[np.int64]:
    """Whole numbers with the same sums, by largest remainder."""
    table = np.floor(shares).astype(np.int64)
    missing = amounts.astype(np.int64) - table.sum(axis=1)
    order = np.argsort(table - shares, axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    table += rank < missing[:, None]
    return table


def _whole(amounts: Floats) -> bool:
    return bool(np.all(amounts == np.floor(amounts)))
