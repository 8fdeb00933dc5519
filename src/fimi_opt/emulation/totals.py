"""total(): what many rounds took together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimi_opt.emulation.clock import Floats, Planned, Round
from fimi_opt.errors import InvalidInputError
from fimi_opt.types import ArrayEquality

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Totals(ArrayEquality):
    """Sums over rounds; per device (I,).

    Attributes
    ----------
    rounds
        How many.
    time
        Seconds, one round after the other.
    energy
        Joules of the fleet.
    wasted_energy
        Joules of it that devices spent on updates that did not arrive.
    uplink_bits
        Bits that the fleet sent.
    device_energy
        Joules, (I,).
    device_bits
        Bits sent, (I,).
    device_busy
        Seconds at work, (I,).
    arrivals
        Updates that arrived, (I,).
    late
        Rounds in which the device was still at work at the deadline, or would have finished after it, (I,).
    drop_outs
        Rounds that it left, (I,).
    planned
        How many rounds went by which plan.
    """

    rounds: int
    time: float
    energy: float
    wasted_energy: float
    uplink_bits: float
    device_energy: Floats
    device_bits: Floats
    device_busy: Floats
    arrivals: Counts
    late: Counts
    drop_outs: Counts
    planned: dict[Planned, int]


def total(rounds: Iterable[Round]) -> Totals:
    """Sum over rounds, each looked at once and let go.

    Parameters
    ----------
    rounds
        From :func:`fimi_opt.emulation.emulate`; of a longer run the first ones by ``itertools.islice``.

    Returns
    -------
    Totals
        The sums.

    Raises
    ------
    ValueError
        If there is no round, or rounds are of different numbers of devices.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> from fimi_opt.emulation import emulate, total
    >>> plan = fo.solve(fo.Devices([900.0, 800.0], 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> sums = total(emulate(plan))
    >>> sums.rounds, round(sums.energy / plan.energy, 9)
    (200, 200.0)
    """
    count, time, energy, wasted = 0, 0.0, 0.0, 0.0
    planned = dict.fromkeys(Planned, 0)
    sums: list[Floats] = []
    counts: list[Counts] = []
    for each in rounds:
        floats = (each.device_energy, each.bits, each.stop_time)
        late = ~each.met_deadline & ~each.dropped & (each.planned is not Planned.SKIPPED)
        flags = (each.arrived, late, each.dropped)
        if not count:
            sums = [np.zeros(row.size) for row in floats]
            counts = [np.zeros(row.size, np.int64) for row in flags]
        if each.arrived.size != sums[0].size:
            raise InvalidInputError(f"rounds are of {sums[0].size} and of {each.arrived.size} devices")
        for have, row in zip(sums, floats, strict=True):
            have += row
        for number, flag in zip(counts, flags, strict=True):
            number += flag
        count += 1
        time, energy, wasted = time + each.latency, energy + each.energy, wasted + each.wasted_energy
        planned[each.planned] += 1
    if not count:
        raise InvalidInputError("rounds is empty: there must be at least one round")
    for array in (*sums, *counts):
        array.flags.writeable = False
    device_energy, device_bits, device_busy = sums
    arrivals, lates, drop_outs = counts
    return Totals(
        rounds=count,
        time=time,
        energy=energy,
        wasted_energy=wasted,
        uplink_bits=float(np.sum(device_bits)),
        device_energy=device_energy,
        device_bits=device_bits,
        device_busy=device_busy,
        arrivals=arrivals,
        late=lates,
        drop_outs=drop_outs,
        planned=planned,
    )
