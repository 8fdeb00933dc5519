"""P6 and P7: the best data amounts and the best bandwidths when every device's time split is given."""

import math

import numpy as np
from numpy.typing import NDArray

from fimi_opt._jit import kernel
from fimi_opt._kernels.device import Shared
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.fleet import Fleet
from fimi_opt._kernels.lambertw import slack_exponent, upload_exponent
from fimi_opt._kernels.search import DONE, ONE, P2, Sums, advance, start

Floats = NDArray[np.float64]

SOLVED, INFEASIBLE, STALLED = 0, 1, 2

# The solvers' limits are drawn in by 4 roundings; where every variable is pinned to its bound, a sum of rounded numbers
# may use that margin, and no more than the same again.
ROUNDING = 2e-15


@kernel
def fill_data(fleet: Fleet, shared: Shared, t: Floats, A: float, D: Floats) -> tuple[float, int]:
    """P6 exactly: fill `D` with the cheapest data amounts whose errors sum to A; return ln nu and a code.

    With z = nu^(-beta/(beta+3)) each error e_i = clip(c_i z, e_min, e_max) is piecewise linear and rising in z, so the
    sorted breakpoints bracket the one segment that holds A.
    """
    n = t.size
    alpha, beta = shared.alpha, shared.beta
    c, e_min, e_max = np.empty(n), np.empty(n), np.empty(n)
    low = high = 0.0
    for i in range(n):
        kappa = (alpha * beta * t[i] * t[i] / (3.0 * fleet.a[i])) ** (1.0 / (beta + 3.0))
        c[i] = alpha * kappa**-beta
        cap = max(min(fleet.D_hi[i], fleet.F[i] * t[i]), fleet.D_lo[i])
        e_min[i] = alpha * cap**-beta
        e_max[i] = alpha * fleet.D_lo[i] ** -beta
        low += e_min[i]
        high += e_max[i]
    if high <= A:
        for i in range(n):
            D[i] = fleet.D_lo[i]
        return -math.inf, SOLVED
    if low > A * (1.0 + ROUNDING):
        return math.inf, INFEASIBLE
    z = _level(c, e_min, e_max, low, A)
    power = -1.0 / beta
    for i in range(n):
        e = c[i] * z
        if e >= e_max[i]:
            D[i] = fleet.D_lo[i]
        elif e <= e_min[i]:
            D[i] = max(min(fleet.D_hi[i], fleet.F[i] * t[i]), fleet.D_lo[i])
        else:
            D[i] = min(max((e / alpha) ** power, fleet.D_lo[i]), fleet.D_hi[i])
    return -(beta + 3.0) / beta * math.log(z), SOLVED


@kernel
def _level(c: Floats, e_min: Floats, e_max: Floats, low: float, A: float) -> float:
    """Root z of sum clip(c z, e_min, e_max) = A, low = sum e_min <= A < sum e_max, by sorted breakpoints."""
    n = c.size
    points = np.empty(2 * n)
    for i in range(n):
        points[i], points[n + i] = e_min[i] / c[i], e_max[i] / c[i]
    order = np.argsort(points)
    fixed, slope = low, 0.0
    z = points[order[0]]
    for j in order:
        i = j if j < n else j - n
        if fixed + slope * points[j] >= A:
            break
        z = points[j]
        if j < n:
            fixed -= e_min[i]
            slope += c[i]
        else:
            fixed += e_max[i]
            slope -= c[i]
    # The running sums have cancelled: the segment's own sums are formed afresh.
    fixed = slope = 0.0
    for i in range(n):
        if points[n + i] <= z:
            fixed += e_max[i]
        elif points[i] > z:
            fixed += e_min[i]
        else:
            slope += c[i]
    return float(max(z, (A - fixed) / slope) if slope > 0.0 else z)


@kernel
def share_band(fleet: Fleet, shared: Shared, y: Floats, B: float, log_w: float, b: Floats) -> tuple[float, int]:
    """P7: fill `b` with the cheapest bandwidths that sum to B, from the start ln w; return ln w and a code.

    y = u - h / P is the upload time beyond the least that full power needs;
    b_i = max(b_min, s / (u v(w))) with v(w) closed form by Lambert W_0 and b_min by W_-1; one search in ln w.
    """
    n = y.size
    u, v_cap = np.empty(n), np.empty(n)
    least = 0.0
    for i in range(n):
        u[i] = fleet.h[i] / fleet.P[i] + y[i]
        if not y[i] > 0.0:
            return math.inf, INFEASIBLE
        v_cap[i] = slack_exponent(fleet.h[i] / (fleet.P[i] * u[i]), y[i] / u[i])
        least += shared.s / (u[i] * v_cap[i])
    if not least <= B * (1.0 + ROUNDING):
        return math.inf, INFEASIBLE
    if least >= B:
        for i in range(n):
            b[i] = shared.s / (u[i] * v_cap[i])
        return math.inf, SOLVED
    state = start(0.0, log_w, ONE)
    mode = ONE
    held = free = 0.0
    while mode == ONE:  # bounded by the search's own count
        w = math.exp(state[P2])
        held = free = fall = 0.0
        for i in range(n):
            v = upload_exponent(w * shared.s / (fleet.h[i] * u[i]))
            if v >= v_cap[i]:
                b[i] = shared.s / (u[i] * v_cap[i])
                held += b[i]
            else:
                growth, marginal = exponentials(v)
                b[i] = shared.s / (u[i] * v)
                free += b[i]
                fall -= b[i] * marginal / (v * v * (growth + 1.0))
        total = held + free
        mode = advance(state, Sums(0.0, math.log(total / B), 0.0, 0.0, 0.0, fall / total))
    if held + free > B * (1.0 + ROUNDING) and mode != DONE:
        return state[P2], STALLED
    if not free > 0.0:  # the powers ask for all but a rounding of the band
        return state[P2], SOLVED
    # Hand out the band to the last hertz: a change of the last digits, in the devices that their power does not hold.
    scale = (B - held) / free
    for i in range(n):
        floor = shared.s / (u[i] * v_cap[i])
        if b[i] > floor:
            b[i] = max(b[i] * scale, floor)
    return state[P2], SOLVED
