"""Time and energy of local training: FIMI eqs. (5), (6)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt.models._domain import positive

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

    Raises
    ------
    ValueError
        If an argument is not positive; it names the argument.

    Examples
    --------
    >>> float(compute_time(1000.0, 1e9, cycles_per_sample=5e6, local_epochs=1))
    5.0
    """
    cycles = local_epochs * cycles_per_sample * positive("samples", samples)
    return np.asarray(cycles / positive("frequency", frequency))


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

    Raises
    ------
    ValueError
        If an argument is not positive; it names the argument.

    Examples
    --------
    >>> float(compute_energy(1000.0, 1e9, 5e-27, cycles_per_sample=5e6, local_epochs=1))
    25.0
    """
    cycles = local_epochs * cycles_per_sample * positive("samples", samples)
    each = positive("energy_coefficient", energy_coefficient) * positive("frequency", frequency) ** 2
    return np.asarray(each * cycles)
