"""The paper's formulas and algorithms as printed, mistakes included, in plain NumPy and SciPy; each names its equation.

Where a mistake is one sign, one term or one line, an argument takes the right one instead, so that a test can mend the
mistakes one by one. Nothing here shares code with the library.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

import fimi_opt as fo

Floats = NDArray[np.float64]
Bracket = tuple[float, float]

# The printed loops end when a bracket is shorter than epsilon. Halving reaches neighbouring floats within 1,100 steps;
# a loop that is still running then never ends.
STEPS = 1200


class NeverEndsError(Exception):
    """A printed `repeat ... until` whose condition can never hold."""


class Letters(NamedTuple):
    """One instance in the paper's letters; (I,) arrays first, c is tau omega."""

    eps: Floats
    f_max: Floats
    g: Floats
    P_max: Floats
    N0: Floats
    D_loc: Floats
    alpha: float
    beta: float
    gamma: float
    zeta: float
    c: float
    S: float
    Delta_max: float
    N: float
    T: float
    B: float
    D_max: float


def letters(devices: fo.Devices, limits: fo.Constraints, task: fo.Task) -> Letters:
    curve = task.learning
    return Letters(
        eps=devices.energy_coefficient,
        f_max=devices.max_frequency,
        g=devices.channel_gain,
        P_max=devices.max_power,
        N0=devices.noise_density,
        D_loc=devices.local_samples,
        alpha=curve.alpha,
        beta=curve.beta,
        gamma=curve.gamma,
        zeta=curve.zeta,
        c=task.local_epochs * task.cycles_per_sample,
        S=task.update_bits,
        Delta_max=limits.max_global_error,
        N=limits.rounds,
        T=limits.max_latency,
        B=limits.bandwidth,
        D_max=float(limits.max_synthetic),
    )


# --- The time split ---------------------------------------------------------------------------------------------------


def eq17(p: Letters) -> Floats:
    """Lower end of the time split, the part of the deadline that computes."""
    return np.asarray(p.c * p.D_loc / (p.T * p.f_max))


def eq18(p: Letters) -> Floats:
    """Upper end of the time split."""
    return np.asarray(1 - p.S / (p.T * p.B * np.log2(1 + p.g * p.P_max / (p.N0 * p.B))))


# --- The lemmas -------------------------------------------------------------------------------------------------------


def is_refused(p: Letters, t: Floats) -> bool:
    """Whether section IV-A calls (P6) infeasible, in the sentence after (24)."""
    return bool(np.sum(eq23(p, t)) > eq21a(p) or np.sum(eq24(p)) < eq21a(p))


# --- P6 and Algorithm 1 -----------------------------------------------------------------------------------------------


def eq21a(p: Letters) -> float:
    """What the local errors must sum to."""
    return p.D_loc.size * (1 + p.zeta / p.N * math.log(p.Delta_max))


def eq19(p: Letters, delta: Floats) -> Floats:
    """Synthetic samples that leave these local errors."""
    return np.asarray(((p.gamma + delta) / p.alpha) ** (-1 / p.beta) - p.D_loc)


def eq22(p: Letters, t: Floats) -> Floats:
    """rho."""
    return np.asarray(p.eps * p.c**3 / (t**2 * p.alpha ** (-3 / p.beta)))


def eq21(p: Letters, t: Floats, delta: Floats) -> float:
    """Compute energy of the fleet, J."""
    return float(np.sum(eq22(p, t) * (p.gamma + delta) ** (-3 / p.beta)))


def eq23(p: Letters, t: Floats) -> Floats:
    """Least local errors that the times and D_max leave."""
    return np.asarray(p.alpha * np.minimum(p.f_max * t / p.c, p.D_loc + p.D_max) ** -p.beta - p.gamma)


def eq24(p: Letters) -> Floats:
    """Local errors without synthetic data."""
    return np.asarray(p.alpha * p.D_loc**-p.beta - p.gamma)


def eq25(p: Letters, t: Floats, nu: float, gamma: float = 0.0) -> Floats:
    """Local errors at the multiplier nu; right with gamma."""
    free = (3 * eq22(p, t) / (p.beta * nu)) ** (p.beta / (p.beta + 3)) - gamma
    return np.minimum(eq24(p), np.maximum(free, eq23(p, t)))


def eq28(p: Letters, t: Floats, delta: Floats, gamma: float = 0.0) -> Floats:
    """Multiplier at which a device's local error is delta; right with gamma."""
    return np.asarray(3 * eq22(p, t) / p.beta * (delta + gamma) ** (-(p.beta + 3) / p.beta))


def eq29(p: Letters, t: Floats, gamma: float = 0.0) -> Bracket:
    """Bracket of nu; right with gamma."""
    return float(np.min(eq28(p, t, eq24(p), gamma))), float(np.max(eq28(p, t, eq23(p, t), gamma)))


def eq27c(p: Letters, t: Floats, delta: Floats, nu: float, lam: float = 0.0, sign: float = -1.0) -> Floats:
    """A_2; right with sign = +1."""
    slope = 3 * eq22(p, t) / (p.beta * (delta + p.gamma) ** ((p.beta + 3) / p.beta))
    return np.asarray(sign * slope + lam - nu)


def algorithm1(errors: Callable[[float], Floats], target: float, bracket: Bracket, epsilon: float) -> Floats:
    """Bisection for nu, lines 1 to 6: the local errors."""
    low, high = bracket
    for _ in range(STEPS):
        nu = (high + low) / 2
        delta = errors(nu)
        if np.sum(delta) > target:
            low = nu
        else:
            high = nu
        if abs(high - low) <= epsilon:
            return delta
    raise NeverEndsError


# --- P7 and Algorithm 2 -----------------------------------------------------------------------------------------------


def eq30(p: Letters, u: Floats, b: Floats) -> Floats:
    """Transmit power that uploads in u seconds over b hertz."""
    return np.asarray(p.N0 * b / p.g * (2 ** (p.S / (b * u)) - 1))


def eq31(p: Letters, u: Floats, sign: float = 1.0, branch: int = 0) -> Floats:
    """Least bandwidths; right with sign = -1 and branch = -1. "W" alone is the principal branch."""
    kappa = p.N0 * p.S * math.log(2) / (p.g * p.P_max)
    w = special.lambertw(-kappa / u * np.exp(-kappa / u), branch).real
    with np.errstate(divide="ignore"):
        return np.asarray(sign * p.S * math.log(2) / (u * w + kappa))


def eq32(p: Letters, u: Floats, b: Floats) -> float:
    """Upload energy of the fleet, J."""
    return float(np.sum(eq30(p, u, b) * u))


def eq34(p: Letters, u: Floats, b: Floats | float) -> Floats:
    """Q, the derivative of a device's upload energy by its bandwidth, J/Hz."""
    growth = 2 ** (p.S / (u * b))
    return np.asarray(p.N0 * u * (growth - 1) / p.g - math.log(2) * p.N0 * p.S * growth / (p.g * b))


def eq39(p: Letters, u: Floats, b: Floats) -> Floats:
    """Derivative of Q, printed as that of H."""
    growth = 2 ** (p.S / (u * b))
    return np.asarray(math.log(2) ** 2 * p.S**2 * p.N0 * growth / (u * p.g * b**3))


def eq40(p: Letters, u: Floats, b_min: Floats, sign: float = 1.0) -> Bracket:
    """Bracket of the multiplier; right with sign = -1. The printed Q(B) has no device: the least is taken."""
    return float(np.min(sign * eq34(p, u, p.B))), float(np.max(sign * eq34(p, u, b_min)))


def algorithm2(
    q: Callable[[Floats], Floats],
    B: float,
    b_min: Floats,
    bracket: Bracket,
    epsilon: float,
    epsilon_b: float | None = None,
    keep_floor: bool = False,
) -> Floats:
    """Bisection for the multiplier, lines 1 to 6: the bandwidths.

    Right with keep_floor, and with an epsilon_b of its own for the inner bracket, which is in hertz.
    """
    low, high = bracket
    floor = b_min.copy()
    for _ in range(STEPS):
        price = (high + low) / 2
        b, ended = _band_wid_search(q, price, B, floor, epsilon if epsilon_b is None else epsilon_b)
        floor = b_min.copy() if keep_floor else ended
        if np.sum(b) > B:
            low = price
        else:
            high = price
        if abs(high - low) <= epsilon:
            return b
    raise NeverEndsError


def _band_wid_search(
    q: Callable[[Floats], Floats], price: float, B: float, b_min: Floats, epsilon: float
) -> tuple[Floats, Floats]:
    """Lines 9 to 19, every device at once: the bandwidths, and what line 15 has made of b_min."""
    low, high, b = b_min.copy(), np.full(b_min.size, B), b_min.copy()
    running = np.full(b_min.size, True)
    for _ in range(STEPS):
        b = np.where(running, (high + low) / 2, b)
        above = q(b) + price > 0
        high = np.where(running & above, b, high)
        low = np.where(running & ~above, b, low)
        running &= np.abs(high - low) > epsilon
        if not running.any():
            return b, low
    raise NeverEndsError


# --- P5 and Algorithm 3 -----------------------------------------------------------------------------------------------

Moments = tuple[Floats, Floats]


class Settings(NamedTuple):
    """M, K, J and the smoothing factor of Algorithm 3, none of which the paper gives."""

    M: int
    K: int
    J: int
    smoothing: float


def eq41(mean: Floats, deviation: Floats, elite: Floats) -> Moments:
    """Means of mu_jm and sigma_jm over the elite: every sample m of iteration j is drawn from mu_j and sigma_j."""
    K = elite.shape[0]
    return np.sum([mean / K for _ in elite], axis=0), np.sum([deviation / K for _ in elite], axis=0)


def eq41_right(mean: Floats, deviation: Floats, elite: Floats) -> Moments:
    """Mean and standard deviation of the elite samples themselves."""
    return np.asarray(elite.mean(axis=0)), np.asarray(elite.std(axis=0))


def eq42(present: Floats, fitted: Floats, smoothing: float) -> Floats:
    """Solution x of x = smoothing * x + (1 - smoothing) * fitted, for the new value stands on both sides."""
    return (1 - smoothing) * fitted / (1 - smoothing)


def eq42_right(present: Floats, fitted: Floats, smoothing: float) -> Floats:
    """Smoothing with the present value."""
    return smoothing * present + (1 - smoothing) * fitted


class Search(NamedTuple):
    """Distributions of Algorithm 3, the first included, and the least energy that a sample had."""

    means: list[Floats]
    deviations: list[Floats]
    best: float


def algorithm3(
    energy: Callable[[Floats], float],
    start: Moments,
    settings: Settings,
    rng: np.random.Generator,
    refit: Callable[[Floats, Floats, Floats], Moments] = eq41,
    smooth: Callable[[Floats, Floats, float], Floats] = eq42,
) -> Search:
    """Lines 1 to 9, without the early end of line 2; right with a start inside the box, eq41_right and eq42_right."""
    mean, deviation = start
    found = Search([mean], [deviation], math.inf)
    for _ in range(settings.J):
        samples = rng.normal(mean, deviation, (settings.M, mean.size))
        energies = np.array([energy(eta) for eta in samples])
        best = np.argsort(energies)[: settings.K]
        fitted = refit(mean, deviation, samples[best])
        mean = smooth(mean, fitted[0], settings.smoothing)
        deviation = smooth(deviation, fitted[1], settings.smoothing)
        found = Search([*found.means, mean], [*found.deviations, deviation], min(found.best, float(energies[best[0]])))
    return found


# --- P8 ---------------------------------------------------------------------------------------------------------------


def eq47(local: Floats, level: float, synthetic: float) -> Floats:
    """Synthetic samples of each class, with the cap."""
    return np.asarray(np.clip(level - local, 0, synthetic))


# --- Table I ----------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One scheme on one task: energy in J, latency in h and uplink in GB until the target accuracy."""

    scheme: str
    energy: float
    latency: float
    uplink: float


CIFAR_04 = (
    Row("TFL", 4858.64, 3.22, 56.45),
    Row("SEMI", 4913.18, 2.85, 50.02),
    Row("HDC", 3507.94, 1.68, 29.54),
    Row("SST", 2844.70, 1.88, 33.05),
    Row("GAN", 3403.74, 1.63, 28.66),
    Row("FIMI", 2361.78, 1.13, 19.89),
)
CIFAR_06 = (
    Row("TFL", 4506.20, 2.98, 52.36),
    Row("SEMI", 4625.86, 2.68, 47.09),
    Row("HDC", 4098.38, 1.97, 34.52),
    Row("SST", 3725.80, 2.47, 43.29),
    Row("GAN", 4723.56, 2.27, 39.78),
    Row("FIMI", 3264.81, 1.57, 27.50),
)
GTSRB_04 = (
    Row("HDC", 6807.48, 3.27, 57.33),
    Row("SST", 2467.08, 1.63, 28.66),
    Row("GAN", 1806.07, 0.87, 15.21),
    Row("FIMI", 1146.16, 0.55, 9.65),
)
GTSRB_06 = (
    Row("HDC", 6494.89, 3.12, 54.70),
    Row("SST", 2819.52, 1.87, 32.76),
    Row("GAN", 2049.19, 0.98, 17.26),
    Row("FIMI", 1319.82, 0.63, 11.12),
)
TABLE_I = CIFAR_04 + CIFAR_06 + GTSRB_04 + GTSRB_06
