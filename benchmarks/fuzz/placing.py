"""Limits placed beside the values at which plans cease to exist, on either side.

The critical values are the library's own, from its InfeasibleError; that they are critical is for the judge to confirm.
"""

from typing import NamedTuple

from fleets import Problem

import fimi_opt as fo

# Each limit, and what the error calls the least value of it that admits a plan.
CURES = {
    "bandwidth": "min_bandwidth",
    "max_latency": "min_latency",
    "max_global_error": "min_global_error",
    "rounds": "min_rounds",
}
# So little that no plan exists, whatever the rest: the error then says how much it takes.
HOPELESS = {"bandwidth": 1e-12, "max_latency": 1e-12, "max_global_error": 1e-300}
# The most that the library takes.
MOST = {"bandwidth": 1e24, "max_latency": 1e15, "max_global_error": 1.0}
# What the library adds to a critical value so that solving with it has a plan to find.
ADMITTED = 1e-9


class Placement(NamedTuple):
    """Where the limits stand.

    Attributes
    ----------
    limit
        The limit that is moved to its critical value; "" where all stay as they were drawn.
    margin
        Relative distance from that value; below 0: no plan exists.
    band
        Where another limit is moved: the band, relative to the least one, is first set this much wider.
    """

    limit: str
    margin: float = 0.0
    band: float = 0.0


def place(loose: Problem, placement: Placement) -> Problem | None:
    """Return the problem with its limits placed; None where there is no such critical value."""
    limit, margin, band = placement
    if not limit:
        return loose
    given = loose
    if limit != "bandwidth":
        least = critical(loose, "bandwidth")
        if least is None or not least * (1 + band) < MOST["bandwidth"]:
            return None
        given = loose.limited(bandwidth=least * (1 + band))
    value = critical(given, limit)
    if value is None:
        return None
    moved = value / (1 + ADMITTED) * (1 + margin)
    return given.limited(**{limit: moved}) if moved < MOST[limit] else None


def critical(given: Problem, limit: str) -> float | None:
    """Return the least value of this limit that admits a plan, as the library's error tells it."""
    try:
        given.limited(**{limit: HOPELESS[limit]}).solve()
    except fo.InfeasibleError as error:
        value: float | None = getattr(error, CURES[limit])
        return value
    return None
