"""How much a device, and the fleet, can learn from how much data: FIMI eqs. (1)-(4)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt.models._domain import positive

Floats = NDArray[np.float64]


def local_error(samples: ArrayLike, alpha: float, beta: float, gamma: float) -> Floats:
    """Local learning error that training on so many samples reaches, FIMI eq. (1).

    ``delta = alpha * samples**-beta - gamma``

    Parameters
    ----------
    samples
        Training samples D = D_loc + D_gen, > 0; any shape.
    alpha, beta, gamma
        Parameters of the learning curve; ``alpha, beta > 0``, ``gamma`` of either sign (-gamma is the curve's floor).

    Returns
    -------
    ndarray
        delta, dimensionless, of the shape of `samples`.

    Raises
    ------
    ValueError
        If a number of samples is not positive.

    Examples
    --------
    >>> float(local_error(10_000.0, alpha=3.0, beta=0.25, gamma=0.1))
    0.2
    """
    return np.asarray(alpha * positive("samples", samples) ** -beta - gamma)


def samples_for_error(error: ArrayLike, alpha: float, beta: float, gamma: float) -> Floats:
    """Training samples that reach a local error: the inverse of :func:`local_error`, FIMI eq. (19) without D_loc.

    Parameters
    ----------
    error
        Local errors delta, dimensionless, each above ``-gamma``; any shape.
    alpha, beta, gamma
        Parameters of the learning curve.

    Returns
    -------
    ndarray
        D in samples, of the shape of `error`.

    Raises
    ------
    ValueError
        If an error is not above ``-gamma``: no amount of data reaches it.

    Examples
    --------
    >>> float(samples_for_error(0.2, alpha=3.0, beta=0.25, gamma=0.1).round(6))
    10000.0
    """
    excess = np.asarray(error, np.float64) + gamma
    if not np.all(excess > 0):
        worst = float(np.min(np.asarray(error, np.float64)))
        raise ValueError(f"error must be above -gamma = {-gamma:g}, which no amount of data goes below; got {worst:g}")
    return np.asarray((excess / alpha) ** (-1.0 / beta))


def mean_error(samples: ArrayLike, alpha: float, beta: float, gamma: float) -> float:
    """Mean of the devices' local errors, FIMI eq. (2).

    Parameters
    ----------
    samples
        Training samples D of each device, (I,), > 0.
    alpha, beta, gamma
        Parameters of the learning curve.

    Returns
    -------
    float
        dbar, dimensionless.

    Raises
    ------
    ValueError
        If a number of samples is not positive.

    Examples
    --------
    >>> mean_error([10_000.0, 10_000.0], alpha=3.0, beta=0.25, gamma=0.1)
    0.2
    """
    return float(np.mean(local_error(samples, alpha, beta, gamma)))


def required_rounds(max_global_error: float, mean_local_error: float, zeta: float) -> float:
    """Global rounds after which the global error is reached, FIMI eq. (3).

    ``N = zeta * ln(1 / Delta) / (1 - dbar)``

    Parameters
    ----------
    max_global_error
        Delta, in (0, 1).
    mean_local_error
        dbar, below 1.
    zeta
        Scale of the number of rounds, > 0.

    Returns
    -------
    float
        N in rounds, not rounded to a whole number.

    Raises
    ------
    ValueError
        If ``mean_local_error >= 1`` (training never converges) or `max_global_error` is outside (0, 1).

    Examples
    --------
    >>> round(required_rounds(0.2, mean_local_error=0.5, zeta=50.0), 3)
    160.944
    """
    if not 0 < max_global_error < 1:
        raise ValueError(f"max_global_error must be in (0, 1), got {max_global_error:g}")
    if not mean_local_error < 1:
        raise ValueError(f"mean_local_error must be below 1 for training to converge, got {mean_local_error:g}")
    return float(-zeta * np.log(max_global_error) / (1.0 - mean_local_error))


def global_error(rounds: float, mean_local_error: float, zeta: float) -> float:
    """Global error after so many rounds, FIMI eq. (4).

    ``Delta = exp(N * (dbar - 1) / zeta)``

    Parameters
    ----------
    rounds
        N, > 0.
    mean_local_error
        dbar; at 1 or above the result is 1 or more: nothing is learnt.
    zeta
        Scale of the number of rounds, > 0.

    Returns
    -------
    float
        Delta, dimensionless.

    Examples
    --------
    >>> round(global_error(160.944, mean_local_error=0.5, zeta=50.0), 4)
    0.2
    """
    return float(np.exp(rounds * (mean_local_error - 1.0) / zeta))


def mean_error_limit(max_global_error: float, rounds: float, zeta: float) -> float:
    """Largest mean local error with which the global error is still met, FIMI (12a) solved for dbar.

    ``dbar <= 1 + (zeta / N) * ln(Delta_max)``

    Parameters
    ----------
    max_global_error
        Delta_max, in (0, 1).
    rounds
        N, > 0.
    zeta
        Scale of the number of rounds, > 0.

    Returns
    -------
    float
        The limit on dbar; it is below ``-gamma`` when no amount of data can meet Delta_max.

    Examples
    --------
    >>> round(mean_error_limit(0.2, rounds=200, zeta=77.6), 6)
    0.375538
    """
    return float(1.0 + zeta / rounds * np.log(max_global_error))
