"""A small class-conditional diffusion model with classifier-free guidance (Ho et al. 2020; Ho and Salimans 2021).

It learns the noise of noisy images, with the class left out of one in ten, so that it can be asked with and without;
images are made by 300 steps from pure noise, each pushed from "any digit" towards the class. Needs the extra `torch`.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .digits import CLASSES, PIXELS, Floats, Integers, Samples

# The paper's 300 denoising steps; variances as in Ho et al., for fewer steps larger.
STEPS = 300
_FIRST, _LAST = 1e-4 * 1000 / STEPS, 0.02 * 1000 / STEPS
# How far beyond the class's own direction images are pushed: 0 is none.
GUIDANCE = 0.5
_WITHOUT_CLASS = 0.1
_HIDDEN, _EMBEDDING = 256, 32
_TRAINING_STEPS, _BATCH, _RATE = 3000, 128, 1e-3


class Denoiser(NamedTuple):
    """Predicts the noise in an image, given the step and the class; class 10 stands for "any"."""

    classes: nn.Embedding
    layers: nn.Sequential

    def __call__(self, images: Tensor, steps: Tensor, labels: Tensor) -> Tensor:
        """Predict the noise, (n, 64)."""
        found: Tensor = self.layers(torch.cat([images, _waves(steps), self.classes(labels)], dim=1))
        return found


class DiffusionGenerator:
    """A trained denoiser."""

    def __init__(self, network: Denoiser) -> None:
        self._network = network

    def make(self, labels: Integers, rng: np.random.Generator) -> Floats:
        """Denoise pure noise, step by step; brightness is cut to [0, 1]."""
        source = torch.Generator().manual_seed(int(rng.integers(2**31)))
        wanted, any_ = torch.from_numpy(labels), torch.full((labels.size,), CLASSES)
        variances, kept = _schedule()
        images = torch.randn(labels.size, PIXELS, generator=source)
        with torch.no_grad():
            for step in reversed(range(STEPS)):
                now = torch.full((labels.size,), step)
                with_class, without = self._network(images, now, wanted), self._network(images, now, any_)
                noise = (1 + GUIDANCE) * with_class - GUIDANCE * without
                images = (images - variances[step] / (1 - kept[step]).sqrt() * noise) / (1 - variances[step]).sqrt()
                if step:
                    images = images + variances[step].sqrt() * torch.randn(images.shape, generator=source)
        return np.asarray(images.clamp(-1, 1).add(1).div(2).numpy(), np.float64)


def train(public: Samples, seed: int) -> DiffusionGenerator:
    """Train on the public part."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = Denoiser(
        nn.Embedding(CLASSES + 1, _EMBEDDING),
        nn.Sequential(
            *(nn.Linear(PIXELS + 2 * _EMBEDDING, _HIDDEN), nn.SiLU()),
            *(nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, PIXELS)),
        ),
    )
    optimiser = torch.optim.Adam([*network.classes.parameters(), *network.layers.parameters()], _RATE)
    clean = torch.from_numpy(public.images).float() * 2 - 1
    labels = torch.from_numpy(public.labels)
    kept = _schedule()[1]
    for _ in range(_TRAINING_STEPS):
        chosen = torch.randint(len(clean), (_BATCH,))
        steps, noise = torch.randint(STEPS, (_BATCH,)), torch.randn(_BATCH, PIXELS)
        part = kept[steps, None]
        hidden = torch.where(torch.rand(_BATCH) < _WITHOUT_CLASS, CLASSES, labels[chosen])
        found = network(part.sqrt() * clean[chosen] + (1 - part).sqrt() * noise, steps, hidden)
        loss = nn.functional.mse_loss(found, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return DiffusionGenerator(network)


def _schedule() -> tuple[Tensor, Tensor]:
    """Variance that each step adds, and the part of the signal that is left after it."""
    variances = torch.linspace(_FIRST, _LAST, STEPS)
    return variances, torch.cumprod(1 - variances, 0)


def _waves(steps: Tensor) -> Tensor:
    """Steps as sines and cosines of several wavelengths, (n, 32)."""
    rates = torch.exp(torch.linspace(0, -np.log(1e4), _EMBEDDING // 2))
    angles = steps[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
