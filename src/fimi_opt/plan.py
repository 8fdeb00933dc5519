"""What fimi_opt answers with: a plan, how good it is, and what its limits cost."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fimi_opt import models
from fimi_opt._checks import to_array
from fimi_opt.categories import allocate_categories
from fimi_opt.types import ArrayEquality, Constraints, Devices, Task

Floats = NDArray[np.float64]
ClassTable: TypeAlias = NDArray[np.float64] | NDArray[np.int64]


class Status(enum.Enum):
    """How good a plan is; the member is its message, `remedy` says what to do about it."""

    OPTIMAL = ("optimal: no plan takes less energy, to the certified gap", "nothing to do")
    FEASIBLE = (
        "feasible: every limit is kept, but the lower bound leaves the gap open",
        "use the plan, or move a limit by 1e-6 of itself: barely feasible limits have prices too large to certify",
    )
    FEASIBLE_SEARCH = (
        "feasible: every limit is kept, and the optimum is within the certified gap",
        'use method="exact" for the optimum, or give the search more samples or iterations',
    )
    INTEGER = (
        "integer: whole samples, every limit kept; the gap is against the bound without whole samples",
        "nothing to do: whole samples cost this much at most",
    )

    @property
    def message(self) -> str:
        """What it means."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.value[1]

    def __str__(self) -> str:
        """Return the message."""
        return self.message


class Prices(NamedTuple):
    """What one unit more of each limit would save, all >= 0: the multipliers of the dual problem.

    Attributes
    ----------
    error
        J per unit of the limit on the mean local error; 0 where the local data is enough.
    bandwidth
        J/Hz.
    latency
        J/s: what one second more of the deadline would save.
    """

    error: float
    bandwidth: float
    latency: float


@dataclass(frozen=True)
class Scheme:
    """Which problem a plan answers, and what the samples are that it adds: FIMI's, or a comparison scheme's.

    Attributes
    ----------
    name
        "FIMI", or what :mod:`fimi_opt.baselines` calls it.
    problem
        In words, the problem whose least energy the plan's `lower_bound` and `status` are about.
    samples
        In words, what the added samples are and who labels them.
    meets_error_limit
        Whether its plans keep the limit on the global error; they keep all others.
    allocate
        Splits added samples over classes: local samples of each class (I, C) and amounts (I,) to (I, C).
    """

    name: str
    problem: str
    samples: str
    meets_error_limit: bool
    allocate: Callable[[Floats, Floats], ClassTable]


FIMI = Scheme(
    name="FIMI",
    problem="(P1): least energy of the fleet within every limit",
    samples="synthetic, of a diffusion model that is asked for their classes",
    meets_error_limit=True,
    allocate=allocate_categories,
)


@dataclass(frozen=True, eq=False, repr=False)
class Plan(ArrayEquality):
    """A feasible, checked decision for every device, with a bound that proves how good it is.

    Attributes
    ----------
    synthetic_samples, frequency, bandwidth, power
        The decision, each (I,): samples to add, CPU frequency (Hz), share of the band (Hz), transmit power (W).
    lower_bound
        Energy (J) that no plan for these devices and limits goes below, in the problem that the scheme states.
    prices
        What one unit more of each limit would save.
    status
        How good the plan is, with message and remedy.
    method
        What found it: "exact" or "cross-entropy".
    devices, constraints, task
        What it answers.
    scheme
        How: by default FIMI's.
    history
        Iterations of the cross-entropy search; empty for the exact method.

    Everything else follows from these by the model's formulas and is formed when asked for.
    """

    synthetic_samples: Floats
    frequency: Floats
    bandwidth: Floats
    power: Floats
    lower_bound: float
    prices: Prices
    status: Status
    method: str
    devices: Devices
    constraints: Constraints
    task: Task
    scheme: Scheme = FIMI
    history: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        """Take the decision as read-only float64 arrays, whoever made them."""
        for name in ("synthetic_samples", "frequency", "bandwidth", "power"):
            row = getattr(self, name)
            if not (isinstance(row, np.ndarray) and row.dtype == np.float64 and not row.flags.writeable):
                object.__setattr__(self, name, to_array(name, row, (len(self.devices),)))

    @cached_property
    def samples(self) -> Floats:
        """Training samples D = D_loc + D_gen, (I,)."""
        return _frozen(self.devices.local_samples + self.synthetic_samples)

    @cached_property
    def compute_time(self) -> Floats:
        """Seconds of local training, (I,), eq. (6)."""
        return _frozen(
            models.compute_time(self.samples, self.frequency, self.task.cycles_per_sample, self.task.local_epochs)
        )

    @cached_property
    def upload_time(self) -> Floats:
        """Seconds of uploading, (I,), eq. (8)."""
        return _frozen(models.upload_time(*self._radio))

    @cached_property
    def compute_energy(self) -> Floats:
        """Joules of local training, (I,), eq. (5)."""
        task = self.task
        return _frozen(
            models.compute_energy(
                self.samples,
                self.frequency,
                self.devices.energy_coefficient,
                task.cycles_per_sample,
                task.local_epochs,
            )
        )

    @cached_property
    def upload_energy(self) -> Floats:
        """Joules of uploading, (I,), eq. (9)."""
        return _frozen(self.power * self.upload_time)

    @cached_property
    def rate(self) -> Floats:
        """Upload rate, bit/s, (I,), eq. (7)."""
        return _frozen(models.rate(*self._radio[:4]))

    @property
    def uplink_bits(self) -> float:
        """Bits that the fleet uploads in one round: I updates of S bits."""
        return len(self.devices) * self.task.update_bits

    @cached_property
    def energy(self) -> float:
        """Joules of the fleet for one round, eq. (10)."""
        return models.round_energy(self.compute_energy, self.upload_energy)

    @cached_property
    def latency(self) -> float:
        """Seconds of one round, eq. (11): the slowest device's."""
        return models.round_latency(self.compute_time, self.upload_time)

    @cached_property
    def mean_error(self) -> float:
        """Mean local error dbar, eq. (2)."""
        curve = self.task.learning
        return models.mean_error(self.samples, curve.alpha, curve.beta, curve.gamma)

    @cached_property
    def global_error(self) -> float:
        """Global error Delta after the constraints' rounds, eq. (4)."""
        return models.global_error(self.constraints.rounds, self.mean_error, self.task.learning.zeta)

    @cached_property
    def gap(self) -> float:
        """Certified relative gap, (energy - lower_bound) / energy."""
        return (self.energy - self.lower_bound) / self.energy

    @cached_property
    def aggregation_weights(self) -> Floats:
        """FedAvg weights of the server, (D_loc + D_gen) over their sum, (I,)."""
        return _frozen(self.samples / np.sum(self.samples))

    @cached_property
    def synthetic_by_class(self) -> ClassTable | None:
        """Synthetic samples of each class, (I, C); FIMI's have the highest entropy (P8). None without class_counts."""
        if self.devices.class_counts is None:
            return None
        table = self.scheme.allocate(self.devices.class_counts, self.synthetic_samples)
        table.flags.writeable = False
        return table

    @property
    def _radio(self) -> tuple[Floats, Floats, Floats, Floats, float]:
        devices = self.devices
        return self.bandwidth, self.power, devices.channel_gain, devices.noise_density, self.task.update_bits

    def __repr__(self) -> str:
        """Return one line: the fleet's energy, its certified gap and the status."""
        return f"Plan({len(self.devices)} devices, {self.energy:.6g} J, gap {self.gap:.1e}, {self.status.name.lower()})"


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
