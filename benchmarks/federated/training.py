"""Federated averaging in rounds (S3, S4): every trainer starts from the common network and does its own steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .digits import Floats, Integers, Samples
from .network import Batch, Network, added, averaged, gradient, moved, predict, probabilities, stacked, start

BATCH = 10
RATE = 0.1
# tau: passes over its data that a device makes in one round.
EPOCHS = 5
# A guessed label counts if the network is as sure as this: FixMatch's threshold (Sohn et al. 2020), of whom we take no
# more than that.
CONFIDENCE = 0.95


class Named(NamedTuple):
    """Labels of each trainer's samples, (I, n), and how much each counts: 1, or 0 for padding and unsure guesses."""

    labels: Integers
    trust: Floats


class Group(NamedTuple):
    """Trainers that are stacked together: all devices, or the server.

    Attributes
    ----------
    data
        What each trains on.
    steps
        Steps of each in one round, (I,).
    weights
        Of each in the average, (I,); of all groups together they sum to 1.
    labelled
        How many of each one's samples, the first of them, have labels of their own, (I,); the common network of the
        round labels the others. None where all have.
    """

    data: Sequence[Samples]
    steps: Integers
    weights: Floats
    labelled: Integers | None = None


def steps_for(samples: Floats | Integers) -> Integers:
    """Steps that make tau passes over so many samples, (I,)."""
    return np.asarray(np.ceil(EPOCHS * np.asarray(samples) / BATCH), np.int64)


def train(groups: Sequence[Group], test: Samples, rounds: int, seed: Sequence[int]) -> list[float]:
    """Accuracy on the test part after each round.

    The network at the start and the order of the batches are those of `seed`: schemes of one seed differ by their
    data and steps alone.
    """
    network = start(np.random.default_rng([*seed, 0]))
    teams = [Team(group, np.random.default_rng([*seed, 1, k])) for k, group in enumerate(groups)]
    accuracies = []
    for _ in range(rounds):
        parts = [team.work(network) for team in teams]
        network = parts[0]
        for part in parts[1:]:
            network = added(network, part)
        accuracies.append(accuracy(network, test))
    return accuracies


def accuracy(network: Network, test: Samples) -> float:
    """Part of the samples that the network classifies correctly."""
    return float(np.mean(predict(network, test.images) == test.labels))


class Team:
    """One group at work: its data in padded arrays, and the batches that are left of each one's current pass."""

    def __init__(self, group: Group, rng: np.random.Generator) -> None:
        self.group, self._rng = group, rng
        self._sizes = np.array([samples.labels.size for samples in group.data])
        most = int(self._sizes.max())
        self._images = np.zeros((len(group.data), most, group.data[0].images.shape[1]))
        labels = np.zeros((len(group.data), most), np.int64)
        for i, samples in enumerate(group.data):
            self._images[i, : self._sizes[i]] = samples.images
            labels[i, : self._sizes[i]] = samples.labels
        self._own = Named(labels, (np.arange(most) < self._sizes[:, None]).astype(np.float64))

    def work(self, network: Network) -> Network:
        """Do one round from a common network; return the group's part of the average."""
        return averaged(self.apart(stacked(network, len(self.group.data)), self._named(network)), self.group.weights)

    def apart(self, stack: Network, named: Named | None = None) -> Network:
        """Do each trainer's steps on its own network, in place, and return them."""
        labels, trust = self._own if named is None else named
        order = self._order()
        rows = np.arange(len(order))[:, None]
        for step in range(int(self.group.steps.max())):
            chosen = order[:, step * BATCH : (step + 1) * BATCH]
            batch = Batch(self._images[rows, chosen], labels[rows, chosen], trust[rows, chosen] / BATCH)
            moved(stack, gradient(stack, batch), np.where(step < self.group.steps, RATE, 0.0))
        return stack

    def whole(self, network: Network) -> tuple[Network, Batch]:
        """Return copies of the network and, for each, all its trainer's data as one batch."""
        labels, trust = self._named(network)
        return stacked(network, len(labels)), Batch(self._images, labels, trust / self._sizes[:, None])

    def _order(self) -> Integers:
        """Samples in the order of training, (I, steps * BATCH): passes over the data, each shuffled anew."""
        length = int(self.group.steps.max()) * BATCH
        order = np.empty((self._sizes.size, length), np.int64)
        for i, size in enumerate(self._sizes):
            passes = -(-length // size)
            shuffled = self._rng.permuted(np.tile(np.arange(size), (passes, 1)), axis=1)
            order[i] = shuffled.ravel()[:length]
        return order

    def _named(self, network: Network) -> Named:
        """Labels, with the common network's guess where a sample has none of its own; unsure guesses count nothing."""
        if self.group.labelled is None:
            return self._own
        chances = probabilities(network, self._images)
        known = np.arange(chances.shape[1]) < self.group.labelled[:, None]
        labels = np.where(known, self._own.labels, chances.argmax(axis=-1))
        return Named(labels, self._own.trust * (known | (chances.max(axis=-1) >= CONFIDENCE)))
