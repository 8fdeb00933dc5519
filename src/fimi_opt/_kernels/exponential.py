"""The two functions of the spectral efficiency v (nats per second and Hz) that every upload formula is made of.

With s = S ln 2, u the upload time, b the bandwidth, v = s / (b u) and h = N0 s / g:

* upload energy = h phi(v), phi(v) = (e^v - 1) / v: FIMI eqs. (9), (30);
* a price w on bandwidth is met where G(v) = w s / (h u), G(v) = e^v (v - 1) + 1: FIMI eqs. (34), (37).
"""

import math

from fimi_opt._jit import kernel

# Below this v the closed forms cancel more digits than the series loses.
_SERIES_BELOW = 0.5


@kernel
def exponentials(v: float) -> tuple[float, float]:
    """Return e^v - 1 and G(v) = e^v (v - 1) + 1 without cancellation, for v >= 0."""
    if v >= _SERIES_BELOW:
        growth = math.exp(v)
        return growth - 1.0, growth * (v - 1.0) + 1.0
    # G(v) / v^2 = sum over n of v^n / (n! (n + 2)), to v^14 (next term < 1e-18 at v = 1/2).
    q = 1.0 / 1394852659200.0  # 14! * 16
    q = q * v + 1.0 / 93405312000.0  # 13! * 15
    q = q * v + 1.0 / 6706022400.0  # 12! * 14
    q = q * v + 1.0 / 518918400.0  # 11! * 13
    q = q * v + 1.0 / 43545600.0  # 10! * 12
    q = q * v + 1.0 / 3991680.0  # 9! * 11
    q = q * v + 1.0 / 403200.0  # 8! * 10
    q = q * v + 1.0 / 45360.0  # 7! * 9
    q = q * v + 1.0 / 5760.0  # 6! * 8
    q = q * v + 1.0 / 840.0  # 5! * 7
    q = q * v + 1.0 / 144.0  # 4! * 6
    q = q * v + 1.0 / 30.0  # 3! * 5
    q = q * v + 1.0 / 8.0  # 2! * 4
    q = q * v + 1.0 / 3.0
    q = q * v + 0.5
    marginal = q * v * v
    # (e^v - 1) follows from G = v + (e^v - 1)(v - 1), in which nothing cancels below 1/2.
    return (v - marginal) / (1.0 - v), marginal
