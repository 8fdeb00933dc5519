"""scikit-learn's handwritten digits, split into what the devices own, what is public and what tests them."""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLASSES = 10
PIXELS = 64
# The generator sees these and nothing else: few, so that what it makes is not as good as real data.
PUBLIC_PER_CLASS = 20
TEST = 397
# Of 1,797 images 1,200 are left for the devices.
_BRIGHTEST = 16.0


class Samples(NamedTuple):
    """Images and their labels.

    Attributes
    ----------
    images
        Brightness of each pixel in [0, 1] (of synthetic images: about so), (n, 64).
    labels
        Digit, (n,).
    """

    images: Floats
    labels: Integers

    def take(self, index: Integers) -> "Samples":
        """Return the samples of these numbers."""
        return Samples(self.images[index], self.labels[index])


class Digits(NamedTuple):
    """One seed's split of the data.

    Attributes
    ----------
    private
        What the devices are dealt from, 1,200 images.
    public
        What the generator learns from: as many of each class.
    test
        What no one trains on.
    """

    private: Samples
    public: Samples
    test: Samples


def split(seed: int) -> Digits:
    """Split the data anew for each seed, so that intervals over seeds cover the split as well."""
    every = _load()
    order = np.random.default_rng([seed, 0]).permutation(every.labels.size)
    by_class = [order[every.labels[order] == label] for label in range(CLASSES)]
    public = np.concatenate([numbers[:PUBLIC_PER_CLASS] for numbers in by_class])
    rest = order[~np.isin(order, public)]
    return Digits(every.take(rest[TEST:]), every.take(public), every.take(rest[:TEST]))


def join(*parts: Samples) -> Samples:
    """Put samples of several sources together."""
    return Samples(np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts]))


@functools.cache
def _load() -> Samples:
    from sklearn.datasets import load_digits  # needs an extra, and takes a second

    images, labels = load_digits(return_X_y=True)
    samples = Samples(np.asarray(images, np.float64) / _BRIGHTEST, np.asarray(labels, np.int64))
    for array in samples:
        array.flags.writeable = False
    return samples
