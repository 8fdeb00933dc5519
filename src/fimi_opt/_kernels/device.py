"""One device's best answer to the prices of error and bandwidth: the inner problem of P1's dual decomposition.

Letters: a = eps (tau omega)^3, F = f_max / (tau omega), h = N0 s / g, s = S ln 2, t and u the
compute and the upload time with t + u = T, D the training samples, b the bandwidth, v = s / (b u), e = alpha D^-beta;
nu and w the prices of error and of bandwidth. For given prices a device minimises over t, D and v

    a D^3 / t^2 + h phi(v) + nu e + w b,    D_lo <= D <= min(D_hi, F t),    h phi(v) <= P u.

Full power needs u > u_lo = h / P; y = u - u_lo is the slack. For given t both D and v are closed form; what is left is
convex in t and is solved in x = ln(t / y), in which the balance of the two marginal values is nearly linear (slope
between 1 and 3 on the smooth branch). So Newton needs few steps, and t and y are both accurate however small they are:
where power is scarce b_min is of the order 1 / y.
"""

import math
from typing import NamedTuple

from fimi_opt._jit import kernel
from fimi_opt._kernels.exponential import exponentials
from fimi_opt._kernels.lambertw import slack_exponent, upload_exponent

# The slack y is never below e^-X_MAX of the compute time: 1e-26, as good as none.
X_MAX = 60.0
# Newton from anywhere in the bracket needs about 6 steps, bisection alone about 55 for the widest bracket.
MAX_STEPS = 100
# A split is at f_max's bound where its compute time is no more than rounding above it.
_AT_BOUND = 1.0 + 4.0 * 2.0**-52
_STEP_TOL = 1e-15
# After one more Newton step from a balance this small the rest is its square.
_LAST_BALANCE = 1e-8


class Device(NamedTuple):
    """What the inner problem needs to know of one device, with the logarithms that it would form again and again."""

    a: float
    F: float
    h: float
    P: float
    D_lo: float
    D_hi: float
    log_a: float
    log_F: float
    log_D_lo: float
    log_D_hi: float


class Shared(NamedTuple):
    """What all devices share: alpha, beta of the learning curve; s = S ln 2 (nats); deadline T (s); ln(alpha beta)."""

    alpha: float
    beta: float
    s: float
    T: float
    log_ab: float


class Response(NamedTuple):
    """A device's answer to prices: x = ln(t/y), t, y, D, b, e and how x, e and b answer to changes of the prices.

    The sensitivities dx/dln nu, dx/dln w, de/dnu, de/dw = db/dnu, db/dw are those of the joint minimum (implicit
    function theorem).
    """

    x: float
    t: float
    y: float
    D: float
    b: float
    e: float
    x_p1: float
    x_p2: float
    e_nu: float
    e_w: float
    b_w: float


class Upload(NamedTuple):
    """The upload side at given u: v, b, the marginal value of time -dC/du, -dln/dln u of it, and db/dt, db/dw."""

    v: float
    b: float
    value: float
    elasticity: float
    b_t: float
    b_w: float


class Compute(NamedTuple):
    """The compute side at given t: which bound holds D, ln D, and both sides of its marginal balance.

    `pull` is the value of more time, `push` what more time costs on the f_max branch; `p` = -dln pull / dln t.
    """

    held: int
    log_D: float
    log_pull: float
    push: float
    p: float


class Data(NamedTuple):
    """What the compute side's D comes to: D, e = alpha D^-beta, and de/dt, de/dnu."""

    D: float
    e: float
    e_t: float
    e_nu: float


# What holds a device's data amount: nothing, D_lo, D_hi, or F t.
FREE, LOCAL, MOST, REACH = 0, 1, 2, 3
_LOG_2, _LOG_3 = math.log(2.0), math.log(3.0)


@kernel
def upload_side(dev: Device, shared: Shared, y: float, w: float) -> Upload:
    """Best efficiency v for the bandwidth price w at upload time u_lo + y, the power limit kept."""
    s = shared.s
    u = dev.h / dev.P + y
    v = upload_exponent(w * s / (dev.h * u))
    growth, marginal = exponentials(v)
    k = dev.h / (dev.P * u)
    if growth * k <= v:
        b = s / (u * v)
        theta = marginal / (v * v * (growth + 1.0))
        value = w * b / u
        return Upload(v, b, value, 2.0 - theta, b * (1.0 - theta) / u, -b * theta / w)
    v = slack_exponent(k, y / u)
    growth, marginal = exponentials(v)
    b = s / (u * v)
    m = v * (growth + 1.0) / marginal
    worth = w * b * m / u
    value = worth - dev.P
    bend = (1.0 + v - m * v) * growth / marginal
    return Upload(v, b, value, worth * (m + 1.0 - bend) / value, b * m / u, 0.0)


@kernel
def compute_side(dev: Device, shared: Shared, t: float, log_t: float, log_nu: float) -> Compute:
    """Best data amount for the price of error e^log_nu at compute time t, the frequency limit kept; in logarithms."""
    beta = shared.beta
    log_D = (log_nu + shared.log_ab - _LOG_3 + 2.0 * log_t - dev.log_a) / (beta + 3.0)
    held, p = FREE, 3.0 * (1.0 + beta) / (beta + 3.0)
    if log_D <= dev.log_D_lo:
        held, log_D, p = LOCAL, dev.log_D_lo, 3.0
    elif dev.D_lo < dev.D_hi and log_D >= dev.log_F + log_t and t < dev.D_hi / dev.F:
        log_D = dev.log_F + log_t
        push = dev.a * dev.F * dev.F * dev.F
        return Compute(REACH, log_D, log_nu + shared.log_ab - beta * log_D - log_t, push, beta + 1.0)
    elif log_D >= dev.log_D_hi:
        held, log_D, p = MOST, dev.log_D_hi, 3.0
    return Compute(held, log_D, _LOG_2 + dev.log_a + 3.0 * (log_D - log_t), 0.0, p)


@kernel
def data_of(dev: Device, shared: Shared, comp: Compute, t: float, log_nu: float) -> Data:
    """Data amount and error of the compute side, and how the error answers to time and to its own price."""
    beta = shared.beta
    e = shared.alpha * math.exp(-beta * comp.log_D)
    if comp.held == LOCAL:
        return Data(dev.D_lo, e, 0.0, 0.0)
    if comp.held == MOST:
        return Data(dev.D_hi, e, 0.0, 0.0)
    if comp.held == REACH:
        return Data(min(max(dev.F * t, dev.D_lo), dev.D_hi), e, -beta * e / t, 0.0)
    each = -beta * e / (beta + 3.0)
    return Data(math.exp(comp.log_D), e, 2.0 * each / t, each * math.exp(-log_nu))


@kernel
def room(dev: Device, T: float) -> float:
    """Time t + y that is left to share once full power has its least upload time; 0 or less where there is none."""
    return T - dev.h / dev.P


@kernel
def least_split(dev: Device, T: float) -> float:
    """Return the least x = ln(t / y) that f_max leaves; inf where it leaves none."""
    t_lo = dev.D_lo / dev.F
    y_hi = room(dev, T) - t_lo
    return math.log(t_lo / y_hi) if y_hi > 0.0 else math.inf


@kernel
def split_times(x: float, room: float) -> tuple[float, float, float]:
    """Return t, y and ln t from x = ln(t / y) and t + y = room, each accurate however small it is."""
    if x < 0.0:
        ratio = math.exp(x)
        y = room / (1.0 + ratio)
        return y * ratio, y, math.log(y) + x
    ratio = math.exp(-x)
    t = room / (1.0 + ratio)
    return t, t * ratio, math.log(t)


@kernel
def kink_balance(dev: Device, shared: Shared, t_cap: float, log_nu: float, value: float) -> tuple[float, float]:
    """Balances just below and above t_cap = D_hi / F, where more time stops to mean more data: the one kink in t.

    Where the price of error would not fill the device up to D_hi there is no kink: NaN.
    """
    rise = dev.a * dev.F**3
    worth = math.exp(log_nu + shared.log_ab - shared.beta * dev.log_D_hi) / t_cap
    if not worth > 3.0 * rise:
        return math.nan, math.nan
    return math.log((value + rise) / worth), math.log(value / (2.0 * rise))


@kernel
def respond(dev: Device, shared: Shared, log_nu: float, w: float, x: float) -> tuple[Response, int]:
    """Minimise one device's Lagrangian from the start x; also return the number of evaluations."""
    u_lo = dev.h / dev.P
    whole = shared.T - u_lo
    t_lo, t_cap = dev.D_lo / dev.F, dev.D_hi / dev.F
    kink_open = dev.D_lo < dev.D_hi and t_cap < whole
    lo, hi, last = -X_MAX, X_MAX, math.inf
    x = min(max(x, lo), hi)
    t, y, log_t = split_times(x, whole)
    steps = 0
    while True:  # bounded: steps
        steps += 1
        at_bound = t <= t_lo * _AT_BOUND
        if at_bound:
            t, y, log_t = t_lo, whole - t_lo, math.log(t_lo)
            x = log_t - math.log(y)
        up = upload_side(dev, shared, y, w)
        comp = compute_side(dev, shared, t, log_t, log_nu)
        balance = math.log(up.value + comp.push) - comp.log_pull
        if at_bound and balance >= 0.0:
            data = data_of(dev, shared, comp, t, log_nu)
            return Response(x, t, y, data.D, up.b, data.e, 0.0, 0.0, data.e_nu, 0.0, up.b_w), steps
        if balance > 0.0:
            hi = x
        else:
            lo = x
        share = up.value / (up.value + comp.push)
        step = -balance * whole / (share * up.elasticity * t * y / (u_lo + y) + comp.p * y)
        if abs(balance) <= _LAST_BALANCE and lo <= x + step <= hi:
            return _last_step(dev, shared, whole, x, step, t, y, log_nu, w, up, comp), steps
        if hi - lo <= _STEP_TOL * max(abs(x), 1.0) or steps >= MAX_STEPS:
            return _last_step(dev, shared, whole, x, 0.0, t, y, log_nu, w, up, comp), steps
        # Newton where it stays inside the bracket and contracts; the kinks of the branches are bisected.
        new = x + step
        if not lo < new < hi or abs(step) > 0.7 * last:
            new = 0.5 * (lo + hi)
        last = abs(new - x)
        x, before = new, t
        t, y, log_t = split_times(x, whole)
        if kink_open and (before < t_cap) != (t < t_cap):
            kink_open = False
            y_cap = whole - t_cap
            x_cap = math.log(t_cap / y_cap)
            up = upload_side(dev, shared, y_cap, w)
            left, right = kink_balance(dev, shared, t_cap, log_nu, up.value)
            if left <= 0.0 <= right:
                e = shared.alpha * math.exp(-shared.beta * dev.log_D_hi)
                return Response(x_cap, t_cap, y_cap, dev.D_hi, up.b, e, 0.0, 0.0, 0.0, 0.0, up.b_w), steps
            if left > 0.0:
                hi = min(hi, x_cap)
            elif right < 0.0:
                lo = max(lo, x_cap)


@kernel
def _last_step(
    dev: Device,
    shared: Shared,
    whole: float,
    x: float,
    step: float,
    t: float,
    y: float,
    log_nu: float,
    w: float,
    up: Upload,
    comp: Compute,
) -> Response:
    """Answer at x + step from what is known at x: the step is so short that the error, its square, is rounding."""
    data = data_of(dev, shared, comp, t, log_nu)
    curvature = math.exp(comp.log_pull) * comp.p / t + up.value * up.elasticity / (dev.h / dev.P + y)
    rise = whole / (t * y * curvature)  # dx/dt over the curvature
    x_p1 = -math.exp(log_nu) * data.e_t * rise
    x_p2 = -w * up.b_t * rise
    e_nu = data.e_nu - data.e_t * data.e_t / curvature
    e_w = -data.e_t * up.b_t / curvature
    b_w = up.b_w - up.b_t * up.b_t / curvature
    # dt and dy from dx, so that y keeps its digits where it is small.
    dt = t * y / whole * step
    e = data.e + data.e_t * dt
    D = data.D * (1.0 - data.e_t * dt / (shared.beta * data.e))
    return Response(x + step, t + dt, y - dt, D, up.b + up.b_t * dt, e, x_p1, x_p2, e_nu, e_w, b_w)
