"""Generators by name; those that need torch are imported when they are asked for."""

from .digits import Samples
from .generators import POOR_COMPONENTS, POOR_SPREAD, Generator, fit_gaussian

# What FIMI's plan is filled with, and what GAN's is: without torch, and with it.
PLAIN = ("Gaussian", "poor Gaussian")
TORCH = ("diffusion", "GAN")


def generator(kind: str, public: Samples, seed: int) -> Generator:
    """Return a generator of this kind, fitted to the public part.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind == "Gaussian":
        return fit_gaussian(public)
    if kind == "poor Gaussian":
        return fit_gaussian(public, POOR_COMPONENTS, POOR_SPREAD)
    if kind in TORCH:
        return _learnt(kind, public, seed)
    raise ValueError(f"kind must be one of {', '.join(PLAIN + TORCH)}, got {kind!r}")


def _learnt(kind: str, public: Samples, seed: int) -> Generator:
    """Train the generator, once for each process and seed."""
    if (kind, seed) not in _LEARNT:
        from . import adversarial, diffusion  # need an extra

        learnt = diffusion.train(public, seed) if kind == "diffusion" else adversarial.train(public, seed)
        _LEARNT[kind, seed] = learnt
    return _LEARNT[kind, seed]


_LEARNT: dict[tuple[str, int], Generator] = {}
