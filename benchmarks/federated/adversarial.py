"""A small conditional GAN (Mirza and Osindero 2014), the paper's GAN scheme. Needs the extra `torch`."""

import numpy as np
import torch
from torch import Tensor, nn

from .digits import CLASSES, PIXELS, Floats, Integers, Samples

_NOISE, _HIDDEN = 32, 128
_TRAINING_STEPS, _BATCH, _RATE = 3000, 64, 5e-4
# Of the judge's images, so that it cannot learn 200 of them by heart.
_BLUR = 0.1


class GanGenerator:
    """A trained generator: noise and a class in, an image out."""

    def __init__(self, network: nn.Sequential) -> None:
        self._network = network

    def make(self, labels: Integers, rng: np.random.Generator) -> Floats:
        """Draw noise and make images; brightness is in [0, 1] by the last layer."""
        source = torch.Generator().manual_seed(int(rng.integers(2**31)))
        noise = torch.randn(labels.size, _NOISE, generator=source)
        with torch.no_grad():
            images = self._network(torch.cat([noise, _named(torch.from_numpy(labels))], dim=1))
        return np.asarray(images.numpy(), np.float64)


def train(public: Samples, seed: int) -> GanGenerator:
    """Train both networks on the public part, in turns."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    maker = nn.Sequential(
        *(nn.Linear(_NOISE + CLASSES, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU()),
        *(nn.Linear(_HIDDEN, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU()),
        *(nn.Linear(_HIDDEN, PIXELS), nn.Sigmoid()),
    )
    judge = nn.Sequential(
        *(nn.Linear(PIXELS + CLASSES, _HIDDEN), nn.LeakyReLU(0.2), nn.Dropout(0.3)),
        *(nn.Linear(_HIDDEN, _HIDDEN), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(_HIDDEN, 1)),
    )
    steps = [torch.optim.Adam(network.parameters(), _RATE, betas=(0.5, 0.999)) for network in (maker, judge)]
    images, labels = torch.from_numpy(public.images).float(), torch.from_numpy(public.labels)
    cost = nn.BCEWithLogitsLoss()
    real, false = torch.ones(_BATCH, 1), torch.zeros(_BATCH, 1)
    for _ in range(_TRAINING_STEPS):
        chosen = torch.randint(len(images), (_BATCH,))
        name = _named(labels[chosen])
        made = maker(torch.cat([torch.randn(_BATCH, _NOISE), name], dim=1))
        seen = judge(torch.cat([_noisy(images[chosen]), name], dim=1))
        _move(steps[1], cost(seen, real) + cost(judge(torch.cat([_noisy(made.detach()), name], dim=1)), false))
        _move(steps[0], cost(judge(torch.cat([_noisy(made), name], dim=1)), real))
    return GanGenerator(maker.eval())


def _move(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _noisy(images: Tensor) -> Tensor:
    return images + _BLUR * torch.randn(images.shape)


def _named(labels: Tensor) -> Tensor:
    return nn.functional.one_hot(labels, CLASSES).float()
