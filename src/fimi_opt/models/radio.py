"""Rate, time and energy of uploading one update over a share of the band: FIMI eqs. (7)-(9), (30), (31).

Below, ``s = S ln 2`` is the update's size in nats and ``v = s / (b u)`` the spectral efficiency in nats that sends it
over b Hz in u seconds.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt.models._domain import positive

Floats = NDArray[np.float64]

LN2 = math.log(2.0)

# Nearer to the branch point -1/e than this, W_-1(-k e^-k) keeps too few digits of 1 - k to start from.
_NEAR_BRANCH_POINT = 1e-3
# From either start two Newton steps reach rounding; the others cost little and cover the seam.
_POLISH_STEPS = 4


def rate(bandwidth: ArrayLike, power: ArrayLike, channel_gain: ArrayLike, noise_density: ArrayLike) -> Floats:
    """Upload rate of a device on its own sub-band, FIMI eq. (7): ``b * log2(1 + g P / (N0 b))``.

    Parameters
    ----------
    bandwidth
        b, (I,), Hz, > 0.
    power
        Transmit power P, (I,), W, >= 0.
    channel_gain
        g, (I,), linear power gain, > 0.
    noise_density
        N0, (I,) or scalar, W/Hz, > 0.

    Returns
    -------
    ndarray
        Bits per second, (I,).

    Raises
    ------
    ValueError
        If an argument is not positive; it names the argument.

    Examples
    --------
    >>> float(rate(1e6, 0.1, 1e-11, 1e-19).round(3))
    3459431.619
    """
    b = positive("bandwidth", bandwidth)
    received = positive("channel_gain", channel_gain) * positive("power", power, or_zero=True)
    snr = received / (positive("noise_density", noise_density) * b)
    return np.asarray(b * np.log1p(snr) / LN2)


def upload_time(
    bandwidth: ArrayLike, power: ArrayLike, channel_gain: ArrayLike, noise_density: ArrayLike, update_bits: float
) -> Floats:
    """Time to upload one update, FIMI eq. (8): ``S / r``.

    Parameters
    ----------
    bandwidth, power, channel_gain, noise_density
        As for :func:`rate`; ``power > 0``.
    update_bits
        S, bits.

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
    >>> float(upload_time(1e6, 0.1, 1e-11, 1e-19, update_bits=1e8).round(4))
    28.9065
    """
    bits_per_second = rate(bandwidth, positive("power", power), channel_gain, noise_density)
    return np.asarray(positive("update_bits", update_bits) / bits_per_second)


def upload_energy(
    bandwidth: ArrayLike, power: ArrayLike, channel_gain: ArrayLike, noise_density: ArrayLike, update_bits: float
) -> Floats:
    """Energy to upload one update, FIMI eq. (9): ``S P / r``.

    Parameters
    ----------
    bandwidth, power, channel_gain, noise_density
        As for :func:`rate`.
    update_bits
        S, bits.

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
    >>> float(upload_energy(1e6, 0.1, 1e-11, 1e-19, update_bits=1e8).round(5))
    2.89065
    """
    seconds = upload_time(bandwidth, power, channel_gain, noise_density, update_bits)
    return np.asarray(positive("power", power) * seconds)


def transmit_power(
    bandwidth: ArrayLike, seconds: ArrayLike, channel_gain: ArrayLike, noise_density: ArrayLike, update_bits: float
) -> Floats:
    """Transmit power that uploads one update in a given time over a given band, FIMI eq. (30).

    ``P = (N0 b / g) * (2**(S / (b u)) - 1)``, formed with expm1: 2^x - 1 cancels for small x (docs errata, eq. (34)).

    Parameters
    ----------
    bandwidth
        b, (I,), Hz, > 0.
    seconds
        Upload time u, (I,), s, > 0.
    channel_gain, noise_density
        As for :func:`rate`.
    update_bits
        S, bits.

    Returns
    -------
    ndarray
        Watts, (I,); ``inf`` where no power that a float holds is enough.

    Raises
    ------
    ValueError
        If an argument is not positive; it names the argument.

    Examples
    --------
    >>> float(transmit_power(1e6, 28.9065, 1e-11, 1e-19, update_bits=1e8).round(5))
    0.1
    """
    b = positive("bandwidth", bandwidth)
    v = positive("update_bits", update_bits) * LN2 / (b * positive("seconds", seconds))
    scale = positive("noise_density", noise_density) * b / positive("channel_gain", channel_gain)
    with np.errstate(over="ignore"):
        return np.asarray(scale * np.expm1(v))


def least_bandwidth(
    seconds: ArrayLike, max_power: ArrayLike, channel_gain: ArrayLike, noise_density: ArrayLike, update_bits: float
) -> Floats:
    """Least bandwidth with which full power uploads one update in a given time, FIMI eq. (31), corrected: docs errata.

    ``b_min = -s / (u W_-1(-k e^-k) + k u)`` with ``k = N0 s / (g P_max u)``; the paper prints the opposite sign and
    leaves the branch open. The root ``x`` of ``ln(1 + x) = k x`` gives the same ``b_min = g P_max / (N0 x)`` and
    does not cancel where k is near 1, so the closed form is finished with Newton steps on that equation.

    Parameters
    ----------
    seconds
        Upload time u, (I,), s, > 0.
    max_power
        P_max, (I,), W, > 0.
    channel_gain, noise_density
        As for :func:`rate`.
    update_bits
        S, bits.

    Returns
    -------
    ndarray
        Hz, (I,); ``inf`` where ``k >= 1``: then no bandwidth, however wide, is enough.

    Raises
    ------
    ValueError
        If an argument is not positive; it names the argument.

    Examples
    --------
    >>> float(least_bandwidth(28.9065, 0.1, 1e-11, 1e-19, update_bits=1e8).round(-2))
    1000000.0
    """
    u, bits = positive("seconds", seconds), positive("update_bits", update_bits)
    ratio = positive("channel_gain", channel_gain) * positive("max_power", max_power)
    k = bits * LN2 * positive("noise_density", noise_density) / (ratio * u)
    reachable = k < 1
    k_safe = np.where(reachable, k, 0.5)
    v = _efficiency_at_full_power(k_safe)
    b = bits * LN2 / (u * v)
    return np.asarray(np.where(reachable, b, np.inf))


def _efficiency_at_full_power(k: Floats) -> Floats:
    """Root v > 0 of (e^v - 1) / v = 1 / k for 0 < k < 1: v = -W_-1(-k e^-k) - k, polished by Newton."""
    gap = 1 - k
    from scipy import special  # as long as the rest of the import takes, and no solve needs it

    closed = -special.lambertw(-k * np.exp(-k), -1).real - k
    v = np.where(gap < _NEAR_BRANCH_POINT, 2 * gap + 4 / 3 * gap**2, closed)
    for _ in range(_POLISH_STEPS):
        # ln((e^v - 1) / v) = -ln k is convex and increasing in v with a slope in [1/2, 1]: Newton cannot fail.
        slope = np.where(v < 1e-5, 0.5, -1 / np.expm1(-v) - 1 / v)
        v = np.maximum(v - (_log_mean_exponential(v) + np.log(k)) / slope, v / 2)
    return np.asarray(v)


def _log_mean_exponential(v: Floats) -> Floats:
    """ln((e^v - 1) / v) without cancellation at either end."""
    small = v < 1e-2
    series = v / 2 + v**2 / 24 - v**4 / 2880 + v**6 / 181440
    large = np.where(small, 1.0, v)
    return np.asarray(np.where(small, series, large + np.log(-np.expm1(-large) / large)))
