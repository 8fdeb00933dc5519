"""What the paper's Table I implies for one round: energy, rounds and the size of one upload.

A round takes the deadline of 60 s, as every device uses all of it at the optimum. So the latency column counts rounds,
and as they are whole, energy and uplink per round follow far more exactly than the latency is printed.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

DEADLINE = 60.0
DEVICES = 20
BITS_PER_GIGABYTE = 8e9
# All three columns have two decimals. A hair more: some uplinks end in a 5 exactly, and were rounded up or down.
_HALF_DIGIT = 0.005 + 1e-9
_SECONDS_PER_HOUR = 3600.0


class Cell(NamedTuple):
    """One method on one data set and class mix: J, h and GB up to the target accuracy, as printed."""

    task: str
    method: str
    energy: float
    latency: float
    uplink: float


# On GTSRB, TFL and SEMI do not reach the target: N/A.
CELLS = (
    Cell("CIFAR10, Dir(0.4)", "TFL", 4858.64, 3.22, 56.45),
    Cell("CIFAR10, Dir(0.4)", "SEMI", 4913.18, 2.85, 50.02),
    Cell("CIFAR10, Dir(0.4)", "HDC", 3507.94, 1.68, 29.54),
    Cell("CIFAR10, Dir(0.4)", "SST", 2844.70, 1.88, 33.05),
    Cell("CIFAR10, Dir(0.4)", "GAN", 3403.74, 1.63, 28.66),
    Cell("CIFAR10, Dir(0.4)", "FIMI", 2361.78, 1.13, 19.89),
    Cell("CIFAR10, Dir(0.6)", "TFL", 4506.20, 2.98, 52.36),
    Cell("CIFAR10, Dir(0.6)", "SEMI", 4625.86, 2.68, 47.09),
    Cell("CIFAR10, Dir(0.6)", "HDC", 4098.38, 1.97, 34.52),
    Cell("CIFAR10, Dir(0.6)", "SST", 3725.80, 2.47, 43.29),
    Cell("CIFAR10, Dir(0.6)", "GAN", 4723.56, 2.27, 39.78),
    Cell("CIFAR10, Dir(0.6)", "FIMI", 3264.81, 1.57, 27.50),
    Cell("GTSRB, Dir(0.4)", "HDC", 6807.48, 3.27, 57.33),
    Cell("GTSRB, Dir(0.4)", "SST", 2467.08, 1.63, 28.66),
    Cell("GTSRB, Dir(0.4)", "GAN", 1806.07, 0.87, 15.21),
    Cell("GTSRB, Dir(0.4)", "FIMI", 1146.16, 0.55, 9.65),
    Cell("GTSRB, Dir(0.6)", "HDC", 6494.89, 3.12, 54.70),
    Cell("GTSRB, Dir(0.6)", "SST", 2819.52, 1.87, 32.76),
    Cell("GTSRB, Dir(0.6)", "GAN", 2049.19, 0.98, 17.26),
    Cell("GTSRB, Dir(0.6)", "FIMI", 1319.82, 0.63, 11.12),
)


class Interval(NamedTuple):
    """All values that the printed digits leave open."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Its middle."""
        return 0.5 * (self.low + self.high)


def cells_of(*methods: str) -> tuple[Cell, ...]:
    """Return the cells of these methods, in the table's order."""
    return tuple(cell for cell in CELLS if cell.method in methods)


def rounds(cell: Cell) -> int:
    """Rounds that the cell's latency stands for: the only whole number that its digits admit.

    Raises
    ------
    ValueError
        If they admit none.
    """
    per_hour = _SECONDS_PER_HOUR / DEADLINE
    low, high = ((cell.latency + sign * _HALF_DIGIT) * per_hour for sign in (-1, 1))
    if math.ceil(low) > math.floor(high):
        raise ValueError(f"{cell.method}: {cell.latency} h are not a whole number of rounds of {DEADLINE} s")
    return math.ceil(low)


def energy_as_printed(cells: Iterable[Cell]) -> float:
    """Mean J per round when the latency's two decimals are taken for exact."""
    values = [cell.energy / (cell.latency * _SECONDS_PER_HOUR / DEADLINE) for cell in cells]
    return math.fsum(values) / len(values)


def energy(cells: Iterable[Cell]) -> Interval:
    """J per round that agree with every one of these cells."""
    return _common((cell.energy, rounds(cell)) for cell in cells)


def uplink(cells: Iterable[Cell]) -> Interval:
    """GB per round, of 1e9 bytes, that agree with every one of these cells."""
    return _common((cell.uplink, rounds(cell)) for cell in cells)


def update_bits() -> Interval:
    """Bits of one upload, by all cells."""
    return Interval(*(end * BITS_PER_GIGABYTE / DEVICES for end in uplink(CELLS)))


def _common(pairs: Iterable[tuple[float, int]]) -> Interval:
    """Values per round that give each printed total.

    Raises
    ------
    ValueError
        If no value does.
    """
    ends = [((total - _HALF_DIGIT) / count, (total + _HALF_DIGIT) / count) for total, count in pairs]
    low, high = max(low for low, _ in ends), min(high for _, high in ends)
    if low > high:
        raise ValueError("these cells of Table I do not agree on one value per round")
    return Interval(low, high)
