"""What is trained: a perceptron with one hidden layer in NumPy, on points around one centre per class; FedAvg."""

import math
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEATURES, CLASSES = 256, 10
BATCH = 8
RATE = 0.05
# Distance of the centres from 0, in standard deviations of the points of one class along one axis: some overlap.
_DISTANCE = 3.0
# Streams of the seed.
_CENTRES, _POINTS, _START, _ORDER = range(4)


class Data(NamedTuple):
    """Points (D, FEATURES) and their classes (D,)."""

    points: Floats
    labels: NDArray[np.intp]


def hidden_for(bits: float) -> int:
    """Units of the hidden layer with which the parameters take so many bits, or the next fewer; at least one."""
    return max(1, int((bits / 32 - CLASSES) / (FEATURES + 1 + CLASSES)))


def size(hidden: int) -> int:
    """Number of parameters."""
    return hidden * (FEATURES + 1 + CLASSES) + CLASSES


def start(hidden: int, seed: int) -> Floats:
    """First parameters, flat."""
    rng = np.random.default_rng([seed, _START])
    parameters = np.zeros(size(hidden), np.float32)
    first, _, second, _ = parts(parameters)
    first[:] = rng.standard_normal(first.shape) / np.sqrt(FEATURES)
    second[:] = rng.standard_normal(second.shape) / np.sqrt(hidden)
    return parameters


def parts(parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Views of the flat parameters: weights and offsets of the hidden layer, then of the classes."""
    hidden = (parameters.size - CLASSES) // (FEATURES + 1 + CLASSES)
    a, b, c = FEATURES * hidden, (FEATURES + 1) * hidden, (FEATURES + 1 + CLASSES) * hidden
    return (
        parameters[:a].reshape(FEATURES, hidden),
        parameters[a:b],
        parameters[b:c].reshape(hidden, CLASSES),
        parameters[c:],
    )


def draw(counts: list[int], seed: int, device: int) -> Data:
    """So many points of each class; the centres are the seed's, the points also the device's."""
    rng = np.random.default_rng([seed, _CENTRES])
    centres = rng.standard_normal((CLASSES, FEATURES))
    centres *= _DISTANCE / np.linalg.norm(centres, axis=1, keepdims=True)
    labels = np.repeat(np.arange(CLASSES), counts)
    points = np.random.default_rng([seed, _POINTS, device]).standard_normal((labels.size, FEATURES))
    return Data(np.asarray(points + centres[labels], np.float32), labels)


def loss_and_gradient(parameters: Floats, data: Data) -> tuple[float, Floats]:
    """Mean cross-entropy over the data, and its gradient, flat."""
    first, offset, second, last = parts(parameters)
    units = np.maximum(data.points @ first + offset, 0)
    scores = units @ second + last
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    count = data.labels.size
    rows = np.arange(count)
    loss = -float(np.mean(np.log(chances[rows, data.labels])))
    chances[rows, data.labels] -= 1
    chances /= count
    gradient = np.empty_like(parameters)
    to_first, to_offset, to_second, to_last = parts(gradient)
    to_second[:], to_last[:] = units.T @ chances, chances.sum(axis=0)
    back = (chances @ second.T) * (units > 0)
    to_first[:], to_offset[:] = data.points.T @ back, back.sum(axis=0)
    return loss, gradient


def train(parameters: Floats, data: Data, steps: int, seed: int, seconds: float = math.inf) -> tuple[Floats, int]:
    """Gradient descent over the data in random order, again and again: parameters, and the steps that were made.

    As many steps as asked for, or fewer where the process has by then had so many seconds of processor for them.
    """
    until = time.process_time() + seconds
    rng = np.random.default_rng([seed, _ORDER])
    parameters = parameters.copy()
    order = np.empty(0, np.intp)
    for done in range(steps):
        if time.process_time() >= until:
            return parameters, done
        if order.size == 0:
            order = rng.permutation(data.labels.size)
        batch, order = order[:BATCH], order[BATCH:]
        _, gradient = loss_and_gradient(parameters, Data(data.points[batch], data.labels[batch]))
        parameters -= np.float32(RATE) * gradient
    return parameters, steps


def average(updates: list[Floats], weights: NDArray[np.float64]) -> Floats:
    """FedAvg: the weighted mean."""
    total = np.zeros(updates[0].size)
    for update, weight in zip(updates, weights, strict=True):
        total += weight * update
    return total.astype(np.float32)


def accuracy(parameters: Floats, data: Data) -> float:
    """Part of the points whose class the model gets right."""
    first, offset, second, last = parts(parameters)
    scores = np.maximum(data.points @ first + offset, 0) @ second + last
    return float(np.mean(scores.argmax(axis=1) == data.labels))
