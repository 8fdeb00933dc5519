"""A plan: the decision for every device, what it answers, and all that follows from these by the model's formulas."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fimi_opt import models
from fimi_opt._checks import to_array
from fimi_opt._lazy import lazy
from fimi_opt.plan.document import synthesis_requests, to_dict, to_json
from fimi_opt.plan.framing import to_frame
from fimi_opt.plan.restoring import confirm, parse, restore
from fimi_opt.plan.showing import as_html, as_text
from fimi_opt.plan.terms import FIMI, ClassTable, Floats, Iteration, Prices, Scheme, Status
from fimi_opt.types import ArrayEquality, Constraints, Devices, Task


@dataclass(frozen=True, eq=False, repr=False)
class Plan(ArrayEquality):
    """A feasible, checked decision for every device, with a bound that proves how good it is.

    What is not among the attributes here follows from them by the model's formulas, and is formed when asked for.

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
    history: tuple[Iteration, ...] = ()

    def __post_init__(self) -> None:
        """Take the decision as read-only float64 arrays, whoever made them."""
        for name in ("synthetic_samples", "frequency", "bandwidth", "power"):
            row = getattr(self, name)
            if not (isinstance(row, np.ndarray) and row.dtype == np.float64 and not row.flags.writeable):
                object.__setattr__(self, name, to_array(name, row, (len(self.devices),)))

    @lazy
    def samples(self) -> Floats:
        """Training samples D = D_loc + D_gen, (I,)."""
        return _frozen(self.devices.local_samples + self.synthetic_samples)

    @lazy
    def compute_time(self) -> Floats:
        """Seconds of local training, (I,), eq. (6)."""
        return _frozen(
            models.compute_time(self.samples, self.frequency, self.task.cycles_per_sample, self.task.local_epochs)
        )

    @lazy
    def upload_time(self) -> Floats:
        """Seconds of uploading, (I,), eq. (8)."""
        return _frozen(models.upload_time(*self._radio))

    @lazy
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

    @lazy
    def upload_energy(self) -> Floats:
        """Joules of uploading, (I,), eq. (9)."""
        return _frozen(self.power * self.upload_time)

    @lazy
    def rate(self) -> Floats:
        """Upload rate, bit/s, (I,), eq. (7)."""
        return _frozen(models.rate(*self._radio[:4]))

    @property
    def uplink_bits(self) -> float:
        """Bits that the fleet uploads in one round: I updates of S bits."""
        return len(self.devices) * self.task.update_bits

    @lazy
    def energy(self) -> float:
        """Joules of the fleet for one round, eq. (10)."""
        return models.round_energy(self.compute_energy, self.upload_energy)

    @lazy
    def latency(self) -> float:
        """Seconds of one round, eq. (11): the slowest device's."""
        return models.round_latency(self.compute_time, self.upload_time)

    @lazy
    def mean_error(self) -> float:
        """Mean local error dbar, eq. (2)."""
        curve = self.task.learning
        return models.mean_error(self.samples, curve.alpha, curve.beta, curve.gamma)

    @lazy
    def global_error(self) -> float:
        """Global error Delta after the constraints' rounds, eq. (4)."""
        return models.global_error(self.constraints.rounds, self.mean_error, self.task.learning.zeta)

    @lazy
    def gap(self) -> float:
        """Certified relative gap, (energy - lower_bound) / energy."""
        return (self.energy - self.lower_bound) / self.energy

    @lazy
    def aggregation_weights(self) -> Floats:
        """FedAvg weights of the server, (D_loc + D_gen) over their sum, (I,)."""
        return _frozen(self.samples / np.sum(self.samples))

    @lazy
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

    def to_dict(self, classes: Sequence[str] | None = None) -> dict[str, Any]:
        """Plan as nested dicts of native Python numbers, strings and flat lists: ``fimi-plan/1``.

        Parameters
        ----------
        classes
            Names of the classes, (C,); by default "0", "1", ...

        Returns
        -------
        dict
            ``schema``, ``units``, ``limits``, ``task``, ``totals``, ``certificate`` and ``devices``, the last one keyed
            by the device's id as text, and what :meth:`from_json` needs beside. Where the devices have class counts,
            ``classes`` names the entries of every device's ``synthetic_per_class``; elsewhere both are missing.

        Raises
        ------
        ValueError
            If an id is neither text nor a whole number, two are the same as text, there are not as many names as
            classes, or a figure is not finite, which no plan of :func:`fimi_opt.solve` has.

        Examples
        --------
        >>> import fimi_opt as fo
        >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
        >>> plan.to_dict()["devices"]["0"]["num_examples"]
        900.0
        """
        return to_dict(self, classes)

    def to_json(self, classes: Sequence[str] | None = None) -> str:
        """Plan as JSON text, one line for each device.

        Parameters
        ----------
        classes
            Names of the classes, (C,); by default "0", "1", ...

        Returns
        -------
        str
            What :meth:`to_dict` gives, in JSON.

        Raises
        ------
        ValueError
            As :meth:`to_dict`.

        Examples
        --------
        >>> import json
        >>> import fimi_opt as fo
        >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
        >>> json.loads(plan.to_json()) == plan.to_dict()
        True
        """
        return to_json(self, classes)

    @staticmethod
    def from_json(text: str, schemes: Iterable[Scheme] = ()) -> "Plan":
        """Plan that :meth:`to_json` wrote, equal to it bit for bit.

        What follows from the decision is recomputed and compared, the limits are checked again, and a fingerprint
        stands for every bit. The lower bound is not proven again: that is ``lower_bound(plan.devices,
        plan.constraints, plan.task, plan.prices)``.

        Parameters
        ----------
        text
            The JSON text. Names of classes in it are not kept: a plan has none.
        schemes
            Schemes by which a plan may have been made beside FIMI's, found by their names.

        Returns
        -------
        Plan
            The plan.

        Raises
        ------
        ValueError
            If the text is not a plan of this version, is cut off, or was changed; if it holds a plan with more to it,
            as a :class:`fimi_opt.baselines.ServerSidePlan`, or one of an unknown scheme. It names the key.

        Warns
        -----
        ImplausibleInputWarning
            As :class:`fimi_opt.Devices` does.

        Examples
        --------
        >>> import fimi_opt as fo
        >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
        >>> fo.Plan.from_json(plan.to_json()) == plan
        True
        """
        document = parse(text)
        plan = Plan(**restore(document, Plan.__name__, schemes))
        confirm(plan, document)
        return plan

    def synthesis_requests(self) -> dict[str, list[int]]:
        """How many samples of each class each device's generator is asked for (FIMI S2), by the device's id as text.

        Returns
        -------
        dict
            C whole numbers per device, in the order of ``class_counts``.

        Raises
        ------
        ValueError
            If the devices have no class counts; if an amount is not whole, it names the device and the class; if ids
            cannot be told apart as text.

        Examples
        --------
        >>> import fimi_opt as fo
        >>> devices = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[500.0, 300.0, 100.0]])
        >>> fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000), integer=True).synthesis_requests()
        {'0': [27, 228, 427]}
        """
        return synthesis_requests(self)

    to_frame = to_frame
    __str__ = as_text
    _repr_html_ = as_html

    def __repr__(self) -> str:
        """Return one line: the fleet's energy, its certified gap and the status."""
        return f"Plan({len(self.devices)} devices, {self.energy:.6g} J, gap {self.gap:.1e}, {self.status.name.lower()})"


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
