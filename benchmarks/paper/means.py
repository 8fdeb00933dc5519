"""Means over drops, with confidence intervals, and how the page writes gaps."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

CONFIDENCE = 0.95
# Smaller certified gaps are rounding, and differ from machine to machine.
ROUNDING = 1e-12


class Mean(NamedTuple):
    """Mean of a sample and half the width of its 95 % confidence interval (Student's t)."""

    value: float
    half: float

    def text(self, digits: int) -> str:
        """Return it as "value ± half", without the half where all members are equal."""
        if self.half == 0:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} ± {self.half:.{digits}f}"


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of a sample, whose members are independent.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    if len(values) < 2:
        raise ValueError(f"values must be two or more, got {len(values)}")
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Mean(float(np.mean(values)), float(student.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * error)


def gap_text(gap: float) -> str:
    """Return a relative gap with one digit, if it is more than rounding."""
    return power_text(gap) if gap >= ROUNDING else f"below {power_text(ROUNDING)}"


def power_text(number: float) -> str:
    """Return a small number with one digit, as "1e-5"."""
    digit, power = f"{number:.0e}".split("e")
    return f"{digit}e{int(power)}"
