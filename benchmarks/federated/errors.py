"""Errors of networks trained apart on so many real and synthetic samples: what learning laws are fitted to."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .digits import CLASSES, Floats, Samples, join, split
from .kinds import generator
from .network import predict, stacked, start
from .training import Group, Team

# Real samples alone, for the learning curve; and both kinds, for what a synthetic sample counts.
REAL = (10, 20, 40, 80, 160, 320)
MIXED_REAL = (20, 40, 80)
SYNTHETIC = (5, 10, 20, 40, 80, 160, 320)
# Draws of each amount within one seed.
REPEATS = 4
# So many steps leave nothing to learn from any of these amounts.
STEPS = 1500


class Amount(NamedTuple):
    """Samples that one network learns from."""

    real: int
    synthetic: int


def amounts(kind: str) -> list[Amount]:
    """Return all amounts that are measured with a generator of this kind; "none" for real samples alone."""
    if kind == "none":
        return [Amount(real, 0) for real in REAL]
    return [Amount(real, synthetic) for real in MIXED_REAL for synthetic in SYNTHETIC]


def measure(kind: str, seed: int) -> dict[str, Any]:
    """Mean error on the test part over draws, of each of `amounts(kind)`; samples are uniform over the classes."""
    digits = split(seed)
    maker = None if kind == "none" else generator(kind, digits.public, seed)
    rng = np.random.default_rng([seed, 6])
    wanted = amounts(kind) * REPEATS
    data = []
    for real, synthetic in wanted:
        own = digits.private.take(rng.choice(digits.private.labels.size, real, replace=False))
        if maker is not None:
            labels = rng.permutation(np.arange(synthetic) % CLASSES)
            own = join(own, Samples(maker.make(labels, rng), labels))
        data.append(own)
    found = errors_of(data, digits.test, STEPS, rng)
    return {"errors": found.reshape(REPEATS, -1).mean(axis=0).tolist()}


def errors_of(data: Sequence[Samples], test: Samples, steps: int, rng: np.random.Generator) -> Floats:
    """Error on the test part of a network for each of these, all trained from one start for so many steps."""
    group = Group(data, np.full(len(data), steps), np.ones(len(data)))
    stack = Team(group, rng).apart(stacked(start(rng), len(data)))
    return np.asarray(np.mean(predict(stack, test.images) != test.labels, axis=1))
