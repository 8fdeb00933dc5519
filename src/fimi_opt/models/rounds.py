"""What one round of the whole fleet takes: FIMI eqs. (10), (11)."""

import numpy as np
from numpy.typing import ArrayLike


def round_energy(compute_energy: ArrayLike, upload_energy: ArrayLike) -> float:
    """Energy of one round, FIMI eq. (10): the sum over the fleet.

    Parameters
    ----------
    compute_energy, upload_energy
        Joules of each device, (I,).

    Returns
    -------
    float
        Joules.

    Examples
    --------
    >>> round_energy([1.0, 2.0], [0.5, 0.25])
    3.75
    """
    return float(np.sum(compute_energy) + np.sum(upload_energy))


def round_latency(compute_time: ArrayLike, upload_time: ArrayLike) -> float:
    """Time of one round, FIMI eq. (11): the slowest device's.

    Parameters
    ----------
    compute_time, upload_time
        Seconds of each device, (I,).

    Returns
    -------
    float
        Seconds.

    Examples
    --------
    >>> round_latency([40.0, 30.0], [10.0, 25.0])
    55.0
    """
    return float(np.max(np.asarray(compute_time, np.float64) + np.asarray(upload_time, np.float64)))
