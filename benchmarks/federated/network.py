"""A network of one hidden layer, many copies of it trained side by side in stacked arrays.

The first axis of every array counts the copies, one for each device: a step of twenty devices is four products of
stacked matrices. Copies that have done all their steps stand still while the others go on.
"""

from typing import NamedTuple

import numpy as np

from .digits import CLASSES, PIXELS, Floats, Integers

HIDDEN = 32
# Layers as (52) counts them: weights and biases of one layer are one vector.
LAYERS = 2


class Network(NamedTuple):
    """Weights and biases of both layers; stacked ones have a leading axis (I,).

    Attributes
    ----------
    weights_in, biases_in
        (64, 32) and (1, 32).
    weights_out, biases_out
        (32, 10) and (1, 10).
    """

    weights_in: Floats
    biases_in: Floats
    weights_out: Floats
    biases_out: Floats


class Batch(NamedTuple):
    """Images (I, n, 64), labels (I, n), and each sample's weight (I, n) in the mean, 0 for padding."""

    images: Floats
    labels: Integers
    weights: Floats


PARAMETERS = PIXELS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES


def start(rng: np.random.Generator) -> Network:
    """Draw a network to begin with, as He et al. (2015) do for rectifiers."""
    return Network(
        rng.normal(0.0, np.sqrt(2.0 / PIXELS), (PIXELS, HIDDEN)),
        np.zeros((1, HIDDEN)),
        rng.normal(0.0, np.sqrt(2.0 / HIDDEN), (HIDDEN, CLASSES)),
        np.zeros((1, CLASSES)),
    )


def stacked(network: Network, copies: int) -> Network:
    """Return as many copies of a network."""
    return Network(*(np.repeat(part[None], copies, axis=0) for part in network))


def averaged(stack: Network, weights: Floats) -> Network:
    """Weighted sum of stacked networks, FedAvg's step (S4); `weights` (I,) sum to what the stack's share is."""
    return Network(*(np.tensordot(weights, part, axes=1) for part in stack))


def added(first: Network, second: Network) -> Network:
    """Sum of two networks' parameters."""
    return Network(*(a + b for a, b in zip(first, second, strict=True)))


def gradient(stack: Network, batch: Batch) -> Network:
    """Gradient of each copy's weighted mean cross-entropy on its own batch."""
    hidden = np.maximum(batch.images @ stack.weights_in + stack.biases_in, 0.0)
    error = _softmax(hidden @ stack.weights_out + stack.biases_out)
    copies, samples = batch.labels.shape
    error[np.arange(copies)[:, None], np.arange(samples), batch.labels] -= 1.0
    error *= batch.weights[:, :, None]
    back = (error @ stack.weights_out.swapaxes(1, 2)) * (hidden > 0)
    return Network(
        batch.images.swapaxes(1, 2) @ back,
        back.sum(axis=1, keepdims=True),
        hidden.swapaxes(1, 2) @ error,
        error.sum(axis=1, keepdims=True),
    )


def moved(stack: Network, slope: Network, rates: Floats) -> None:
    """Move every copy down its gradient, in place; `rates` (I,) are 0 for copies that stand still."""
    for part, change in zip(stack, slope, strict=True):
        part -= rates[:, None, None] * change


def predict(network: Network, images: Floats) -> Integers:
    """Class that the network finds most likely, (n,)."""
    found: Integers = np.argmax(probabilities(network, images), axis=-1)
    return found


def probabilities(network: Network, images: Floats) -> Floats:
    """Probability of each class, (..., n, 10)."""
    hidden = np.maximum(images @ network.weights_in + network.biases_in, 0.0)
    return _softmax(hidden @ network.weights_out + network.biases_out)


def _softmax(scores: Floats) -> Floats:
    powers: Floats = np.exp(scores - scores.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers
