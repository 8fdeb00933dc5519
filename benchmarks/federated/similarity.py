"""How alike devices' gradients are to that of a device whose data is uniform: FIMI eq. (52), Fig. 5(h)."""

import numpy as np

from .digits import CLASSES, Digits, Floats, Samples
from .network import Network, gradient, start
from .training import Group, Team

# The virtual device's samples of each class, and the rounds that it has trained when gradients are compared. The paper
# gives neither. At a finished network its own gradient is nearly none, at the first one all gradients are alike.
VIRTUAL_PER_CLASS = 40
VIRTUAL_ROUNDS = 1


def similarities(first: Network, others: Network) -> Floats:
    """Similarity of one gradient to each of several, (I,), in [0, 1]: FIMI eq. (52).

    ``Sim = 1 / (2 L) sum_l (<g0_l, gi_l> / (|g0_l| |gi_l|) + 1)``; a layer is its weights and biases as one vector.
    A layer whose gradient vanishes points nowhere, and counts as at a right angle.

    Parameters
    ----------
    first
        g_0, without a leading axis.
    others
        g_i, stacked.
    """
    cosines = []
    for one, many in zip(_layers(Network(*(part[None] for part in first))), _layers(others), strict=True):
        lengths = np.linalg.norm(one) * np.linalg.norm(many, axis=1)
        cosines.append(np.where(lengths > 0, many @ one[0] / np.where(lengths > 0, lengths, 1.0), 0.0))
    return np.asarray((np.mean(cosines, axis=0) + 1.0) / 2.0)


def uniform_device(digits: Digits, seed: int) -> Samples:
    """As many private samples of each class, drawn from all that there are: what no device has."""
    rng = np.random.default_rng([seed, 3])
    labels = digits.private.labels
    chosen = [rng.choice(np.flatnonzero(labels == k), VIRTUAL_PER_CLASS, replace=False) for k in range(CLASSES)]
    return digits.private.take(np.concatenate(chosen))


def measured(devices: Group, virtual: Samples, seed: int) -> Floats:
    """Similarity of each device's gradient to the virtual one's, (I,), at one network for all schemes."""
    alone = Team(Group([virtual], np.array([VIRTUAL_PER_CLASS]), np.ones(1)), np.random.default_rng([seed, 4]))
    network = start(np.random.default_rng([seed, 3]))
    for _ in range(VIRTUAL_ROUNDS):
        network = alone.work(network)
    first = gradient(*alone.whole(network))
    others = gradient(*Team(devices, np.random.default_rng(0)).whole(network))
    return similarities(Network(*(part[0] for part in first)), others)


def _layers(stack: Network) -> tuple[Floats, Floats]:
    copies = stack.weights_in.shape[0]
    return (
        np.concatenate([stack.weights_in.reshape(copies, -1), stack.biases_in.reshape(copies, -1)], axis=1),
        np.concatenate([stack.weights_out.reshape(copies, -1), stack.biases_out.reshape(copies, -1)], axis=1),
    )
