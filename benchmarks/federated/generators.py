"""Generators that need NumPy alone: one Gaussian per class, in the space of the leading principal components."""

from typing import NamedTuple, Protocol

import numpy as np

from .digits import CLASSES, Floats, Integers, Samples

# Components and spread of the good generator; its spread is what it was fitted to.
COMPONENTS = 20
# The stand-in for a GAN, of whose samples the paper says that they are poorer: fewer details, and all alike (a GAN's
# mode collapse), as the paper's Fig. 5(d) shows them. The real one is an extra.
POOR_COMPONENTS, POOR_SPREAD = 6, 0.3
# Of a class of 20 images a full covariance of 20 components cannot be had: so much of it is that of all classes.
_POOLED = 0.3


class Generator(Protocol):
    """Makes images of the classes that it is asked for (S2)."""

    def make(self, labels: Integers, rng: np.random.Generator) -> Floats:
        """Return images, (n, 64), one for each label."""
        ...


class GaussianGenerator(NamedTuple):
    """Mean and covariance of every class, in components of the pixels' covariance.

    Attributes
    ----------
    centre, axes
        Mean image (64,), and components (k, 64).
    means, roots
        Per class, (10, k), and a square root of the covariance, (10, k, k).
    """

    centre: Floats
    axes: Floats
    means: Floats
    roots: Floats

    def make(self, labels: Integers, rng: np.random.Generator) -> Floats:
        """Draw each image from its class's Gaussian; brightness is cut to [0, 1]."""
        noise = rng.standard_normal((labels.size, self.axes.shape[0]))
        inner = self.means[labels] + np.einsum("nkl,nl->nk", self.roots[labels], noise)
        return np.asarray(np.clip(self.centre + inner @ self.axes, 0.0, 1.0))


def fit_gaussian(public: Samples, components: int = COMPONENTS, spread: float = 1.0) -> GaussianGenerator:
    """Fit to the public part.

    Parameters
    ----------
    public
        What to learn from; two of each class at least.
    components
        Of the pixels' covariance, the leading ones; what is in the others is lost.
    spread
        By what the deviations are multiplied.
    """
    centre = public.images.mean(axis=0)
    axes = np.linalg.svd(public.images - centre, full_matrices=False)[2][:components]
    inner = (public.images - centre) @ axes.T
    means = np.array([inner[public.labels == label].mean(axis=0) for label in range(CLASSES)])
    apart = inner - means[public.labels]
    pooled = apart.T @ apart / (len(apart) - CLASSES)
    roots = np.empty((CLASSES, components, components))
    for label in range(CLASSES):
        own = apart[public.labels == label]
        covariance = (1 - _POOLED) * own.T @ own / (len(own) - 1) + _POOLED * pooled
        roots[label] = spread * np.linalg.cholesky(covariance)
    return GaussianGenerator(centre, axes, means, roots)
