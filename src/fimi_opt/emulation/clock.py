"""One round on the virtual clock: when each device trains, uploads and stops, and what it has spent by then.

A device trains from time 0, then uploads. Its processor gives the training 1 / slowdown of its cycles, the rest goes to
other work: the training takes `slowdown` times as long, and the same energy, spread evenly over that time. The channel
is constant within the round, so that the bits sent grow evenly as well. A device stops

* where its upload is finished,
* or where it leaves (it drops out),
* or, where the server cuts a round at its deadline, there,

whichever comes first; then it spends nothing more. What it had spent counts, whether or not its update arrived.
"""

import enum
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fimi_opt import models
from fimi_opt._checks import RANGES
from fimi_opt.baselines import ServerSidePlan
from fimi_opt.emulation.conditions import Booleans, Draw
from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan
from fimi_opt.types import ArrayEquality

Floats = NDArray[np.float64]
Number = TypeVar("Number", np.float64, np.bool_)

# A plan keeps its deadline to 1e-9 of itself; a device that the plan lets use all of it is not late by a rounding.
_DEADLINE_TOL = 1e-9


class Late(enum.Enum):
    """What the server does at the deadline."""

    CUT = "cut"
    """It closes the round: who has not finished stops there, and its update is lost. The round ends when the last
    update is there, or at the deadline where one is missing: the server cannot tell a slow device from one that is
    gone."""
    WAIT = "wait"
    """It waits for every device that is still there; the round ends when the last one has finished or left, which the
    server notices (its connection closes)."""


class Planned(enum.Enum):
    """By which plan a round went."""

    ONCE = "by the plan that was given"
    AGAIN = "by a plan for the round's own channels"
    KEPT = "no plan for the round's channels: by the last one"
    EXTENDED = "no plan for the round's channels within the limits: by one with the least longer deadline"
    SKIPPED = "no plan for the round's channels: no device worked"


@dataclass(frozen=True, eq=False)
class Round(ArrayEquality):
    """What became of one round; per device (I,), times from the round's beginning.

    Attributes
    ----------
    number
        Counted from 1.
    plan
        The plan that the devices went by.
    planned
        How it came about.
    deadline
        Seconds.
    channel_gain
        The round's own, linear power gain, (I,).
    power
        Transmit power used, W, (I,).
    compute_time, upload_time
        Seconds that training and uploading take from beginning to end, even where they were not finished, (I,).
    stop_time
        Seconds after which the device was at rest, (I,).
    dropped
        Who left before the update was there, (I,).
    met_deadline
        Who finished by the deadline, (I,).
    arrived
        Whose updates the server has, (I,).
    compute_energy, upload_energy
        Joules spent until then, finished or not, (I,).
    bits
        Bits sent until then, (I,).
    aggregation_weights
        FedAvg weights of the updates that arrived, (D_loc + D_gen) over their sum, 0 of the others, (I,); all 0 where
        none did: then the model stays as it was.
    server_weight
        Weight of the server's own update (:class:`fimi_opt.baselines.ServerSidePlan`), 0 where it makes none.
    latency
        Seconds from the round's beginning to its end.
    """

    number: int
    plan: Plan
    planned: Planned
    deadline: float
    channel_gain: Floats
    power: Floats
    compute_time: Floats
    upload_time: Floats
    stop_time: Floats
    dropped: Booleans
    met_deadline: Booleans
    arrived: Booleans
    compute_energy: Floats
    upload_energy: Floats
    bits: Floats
    aggregation_weights: Floats
    server_weight: float
    latency: float

    @property
    def finish_time(self) -> Floats:
        """Seconds after which the update is there, had nothing stopped the device, (I,)."""
        return self.compute_time + self.upload_time

    @property
    def device_energy(self) -> Floats:
        """Joules that each device spent, (I,)."""
        return self.compute_energy + self.upload_energy

    @property
    def energy(self) -> float:
        """Joules that the fleet spent, eq. (10)."""
        return models.round_energy(self.compute_energy, self.upload_energy)

    @property
    def wasted_energy(self) -> float:
        """Joules of devices whose updates did not arrive."""
        return float(np.sum(np.where(self.arrived, 0.0, self.device_energy)))

    @property
    def uplink_bits(self) -> float:
        """Bits that the fleet sent."""
        return float(np.sum(self.bits))


def gains(number: int, base: Floats, factor: Floats) -> Floats:
    """Return the channels' gains in a round, (I,).

    Raises
    ------
    ValueError
        If one leaves the range of :class:`fimi_opt.Devices`: it names the round, the device and the value.
    """
    gain = base * factor
    limits = RANGES["channel_gain"]
    bad = ~((gain >= limits.least) & (gain <= limits.greatest))
    if bad.any():
        i = int(np.argmax(bad))
        raise InvalidInputError(
            f"channel_gain of device {i} in round {number} must be at least {limits.least:g} and below 1,"
            f" got {gain[i]:g}"
        )
    return gain


def play(
    number: int, plan: Plan, planned: Planned, gain: Floats, draw: Draw, deadline: float, late: Late, controlled: bool
) -> Round:
    """One round of a plan in the given circumstances."""
    devices, bits = plan.devices, plan.task.update_bits
    power = plan.power
    if controlled:  # what keeps the received power, and so the rate, as planned
        power = np.minimum(plan.power * (devices.channel_gain / gain), devices.max_power)
    compute_time = plan.compute_time * draw.slowdown
    upload_time = models.upload_time(plan.bandwidth, power, gain, devices.noise_density, bits)
    finish = compute_time + upload_time
    at_hand = deadline * (1 + _DEADLINE_TOL)
    stop = np.where(draw.leaves, draw.leaves_at * finish, finish)
    left = draw.leaves
    if late is Late.CUT:
        left = left & (stop <= at_hand)
        stop = np.where(stop <= at_hand, stop, deadline)
    idle = planned is Planned.SKIPPED
    if idle:
        stop, left = np.zeros_like(stop), np.zeros_like(left)
    met = (finish <= at_hand) & ~draw.leaves & (not idle)
    arrived = met if late is Late.CUT or idle else ~draw.leaves
    trained = np.where(arrived, 1.0, np.minimum(stop / compute_time, 1.0))
    sent = np.where(arrived, 1.0, np.clip((stop - compute_time) / upload_time, 0.0, 1.0))
    weights, server = _weights(plan, arrived)
    whole = idle or (late is Late.CUT and not arrived.all())
    return Round(
        number=number,
        plan=plan,
        planned=planned,
        deadline=deadline,
        channel_gain=_frozen(gain),
        power=_frozen(power),
        compute_time=_frozen(compute_time),
        upload_time=_frozen(upload_time),
        stop_time=_frozen(stop),
        dropped=_frozen(left),
        met_deadline=_frozen(met),
        arrived=_frozen(arrived),
        compute_energy=_frozen(plan.compute_energy * trained),
        upload_energy=_frozen(power * upload_time * sent),
        bits=_frozen(bits * sent),
        aggregation_weights=_frozen(weights),
        server_weight=server,
        latency=deadline if whole else float(np.max(stop)),
    )


def _weights(plan: Plan, arrived: Booleans) -> tuple[Floats, float]:
    server = plan.server_weight if isinstance(plan, ServerSidePlan) else 0.0
    if arrived.all():
        return plan.aggregation_weights, server
    weights = np.where(arrived, plan.aggregation_weights, 0.0)
    whole = float(np.sum(weights)) + server
    return (weights / whole, server / whole) if whole > 0 else (weights, 0.0)


def _frozen(array: NDArray[Number]) -> NDArray[Number]:
    array.flags.writeable = False
    return array
