"""Time and energy of local training: FIMI eqs. (5), (6)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def compute_time(samples: ArrayLike, frequency: ArrayLike, cycles_per_sample: float, local_epochs: float) -> Floats:
    """Time of one round's local training, FIMI eq. (6): ``tau * omega * D / f``.

    Parameters
    ----------
    samples
        Training samples D, (I,), > 0.
    frequency
        CPU frequency f, (I,), Hz, > 0.
    cycles_per_sample, local_epochs
        omega (cycles per sample) and tau (passes over the data).

    Returns
    -------
    ndarray
        Seconds, (I,).

    Examples
    --------
    >>> float(compute_time(1000.0, 1e9, cycles_per_sample=5e6, local_epochs=1))
    5.0
    """
    cycles = local_epochs * cycles_per_sample * np.asarray(samples, np.float64)
    return np.asarray(cycles / np.asarray(frequency, np.float64))


def compute_energy(
    samples: ArrayLike,
    frequency: ArrayLike,
    energy_coefficient: ArrayLike,
    cycles_per_sample: float,
    local_epochs: float,
) -> Floats:
    """Energy of one round's local training, FIMI eq. (5): ``tau * eps * omega * D * f**2``.

    Parameters
    ----------
    samples
        Training samples D, (I,), > 0.
    frequency
        CPU frequency f, (I,), Hz, > 0.
    energy_coefficient
        eps, (I,), J s^2 / cycle^3, > 0.
    cycles_per_sample, local_epochs
        omega (cycles per sample) and tau (passes over the data).

    Returns
    -------
    ndarray
        Joules, (I,).

    Examples
    --------
    >>> float(compute_energy(1000.0, 1e9, 5e-27, cycles_per_sample=5e6, local_epochs=1))
    25.0
    """
    cycles = local_epochs * cycles_per_sample * np.asarray(samples, np.float64)
    return np.asarray(np.asarray(energy_coefficient, np.float64) * cycles * np.asarray(frequency, np.float64) ** 2)
