"""Slow, obvious answers to what the library answers fast; nothing here shares code with it.

Letters: a = eps (tau omega)^3, F = f_max / (tau omega), s = S ln 2, h = N0 s / g; per device D samples, t compute time,
u upload time, b bandwidth, v = s / (b u); phi(v) = (e^v - 1) / v: the upload takes h phi(v) joules, at most P u.
"""

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import casadi
import cvxpy
import numpy as np
from numpy.typing import NDArray
from scipy import optimize

import fimi_opt as fo

Floats = NDArray[np.float64]

# ln v of any efficiency worth considering: e^-45 is nothing, and e^v overflows a float at v = 709.
LOG_V_LEAST, V_MOST = -45.0, 600.0
# A bisection of a bracket 1,000 wide down to the last bit.
HALVINGS = 64


class Constants(NamedTuple):
    """One instance in the letters above; per-device arrays first."""

    a: Floats
    F: Floats
    h: Floats
    P: Floats
    D_lo: Floats
    D_hi: Floats
    alpha: float
    beta: float
    A: float
    B: float
    T: float
    s: float


def constants(devices: fo.Devices, limits: fo.Constraints, task: fo.Task) -> Constants:
    curve, cycles = task.learning, task.local_epochs * task.cycles_per_sample
    s = task.update_bits * math.log(2)
    mean_limit = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error) + curve.gamma
    return Constants(
        a=devices.energy_coefficient * cycles**3,
        F=devices.max_frequency / cycles,
        h=devices.noise_density * s / devices.channel_gain,
        P=devices.max_power,
        D_lo=devices.local_samples,
        D_hi=devices.local_samples + limits.max_synthetic,
        alpha=curve.alpha,
        beta=curve.beta,
        A=len(devices) * mean_limit,
        B=limits.bandwidth,
        T=limits.max_latency,
        s=s,
    )


# --- A plan, judged by the paper's formulas -------------------------------------------------------------------------


class Measured(NamedTuple):
    energy: float
    violation: float


def measure(plan: fo.Plan) -> Measured:
    """Energy and the largest relative violation, from the decision alone."""
    d, limits, task = plan.devices, plan.constraints, plan.task
    curve = task.learning
    gen, f, b, P = plan.synthetic_samples, plan.frequency, plan.bandwidth, plan.power
    samples = d.local_samples + gen
    cycles = task.local_epochs * task.cycles_per_sample * samples
    upload = task.update_bits * math.log(2) / (b * np.log1p(d.channel_gain * P / (d.noise_density * b)))
    error = curve.alpha * samples**-curve.beta
    limit = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error) + curve.gamma
    missed = (
        np.max(cycles / f + upload) / limits.max_latency - 1,
        np.max(f / d.max_frequency) - 1,
        np.max(P / d.max_power) - 1,
        np.sum(b) / limits.bandwidth - 1,
        (np.mean(error) - limit) / np.mean(error),
        np.max(-gen / d.local_samples),
        np.max((gen - limits.max_synthetic) / d.local_samples),
    )
    return Measured(float(np.sum(d.energy_coefficient * cycles * f**2 + P * upload)), float(max(missed)))


def relative_prices(plan: fo.Plan) -> float:
    """The largest price, in energies of the plan for a whole limit: so much does rounding of the limits count."""
    c = constants(plan.devices, plan.constraints, plan.task)
    worth = (plan.prices.error * c.A / c.a.size, plan.prices.bandwidth * c.B, plan.prices.latency * c.T)
    return float(max(worth)) / plan.energy


def energy_of(c: Constants, D: Floats, t: Floats, u: Floats, b: Floats) -> float:
    """Joules of the whole fleet for one round."""
    v = c.s / (b * u)
    return float(np.sum(c.a * D**3 / t**2 + c.h * np.expm1(v) / v))


# --- P1 by an interior-point method -----------------------------------------------------------------------------------


class Optimum(NamedTuple):
    """What IPOPT says: its objective, recomputed here, and its point."""

    value: float
    D: Floats
    t: Floats
    u: Floats
    b: Floats


def ipopt_energy(c: Constants) -> Optimum:
    """Least energy of P1."""
    return _ipopt(c, "energy")


def ipopt_least(c: Constants, what: str) -> float:
    """Least "bandwidth" (Hz), "latency" (s) or "error" (sum of alpha D^-beta) that admits a plan, other limits kept."""
    return _ipopt(c, what).value


def _ipopt(c: Constants, what: str) -> Optimum:
    """Minimise over ln(D / D_lo), ln(t / T), ln(u / T), ln(b I / B): all of order one on any fleet, and still convex.

    In logarithms D^3/t^2, D^-beta, t + u and sum b are sums of exponentials of linear forms, and ln phi(e^x) is
    convex, as phi has positive Taylor coefficients only.
    """
    n = c.a.size
    lnD, lnt, lnu, lnb = (casadi.MX.sym(name, n) for name in "Dtub")
    free = casadi.MX.sym("free")  # logarithm of the limit that is sought, in units of the given one
    v = c.s * n / (c.B * c.T) * casadi.exp(-lnu - lnb)
    ln_phi = v + casadi.log(-casadi.expm1(-v)) - casadi.log(v)
    energy = casadi.DM(c.a * c.D_lo**3 / c.T**2) * casadi.exp(3 * lnD - 2 * lnt) + casadi.DM(c.h) * casadi.exp(ln_phi)
    errors = casadi.DM(c.alpha * c.D_lo**-c.beta) * casadi.exp(-c.beta * lnD)
    rows = {
        "error": casadi.log(casadi.sum1(errors) / c.A),
        "bandwidth": casadi.log(casadi.sum1(casadi.exp(lnb)) / n),
        "latency": casadi.log(casadi.exp(lnt) + casadi.exp(lnu)),
        "frequency": lnD - lnt - casadi.DM(np.log(c.F * c.T / c.D_lo)),
        "power": ln_phi - lnu - casadi.DM(np.log(c.P * c.T / c.h)),
    }
    start = _ipopt_start(c)
    goal = casadi.sum1(energy) / energy_of(c, *start) if what == "energy" else free
    if what != "energy":
        rows[what] -= free
    D, t, u, b = start
    seek = 0.0 if what == "energy" else np.inf
    z = _run_ipopt(
        {"x": casadi.vertcat(lnD, lnt, lnu, lnb, free), "f": goal, "g": casadi.vertcat(*rows.values())},
        np.concatenate([np.log(D / c.D_lo), np.log(t / c.T), np.log(u / c.T), np.log(b * n / c.B), [0.0]]),
        np.concatenate([np.zeros(n), np.full(3 * n, -np.inf), [-seek]]),
        np.concatenate([np.log(c.D_hi / c.D_lo), np.full(3 * n, np.inf), [seek]]),
    )
    D, t, u, b = (scale * np.exp(z[k * n : (k + 1) * n]) for k, scale in enumerate((c.D_lo, c.T, c.T, c.B / n)))
    if what == "energy":
        return Optimum(energy_of(c, D, t, u, b), D, t, u, b)
    return Optimum(math.exp(z[-1]) * {"bandwidth": c.B, "latency": c.T, "error": c.A}[what], D, t, u, b)


def _run_ipopt(problem: Any, start: Floats, low: Floats, top: Floats) -> Floats:
    options: Any = {
        "bound_relax_factor": 0.0,  # the default returns an energy 2e-7 too low, by violating bounds
        "tol": 1e-11,
        "constr_viol_tol": 1e-11,
        "acceptable_iter": 0,
        "max_iter": 3000,
        "print_level": 0,
        "sb": "yes",
    }
    settings: Any = {"print_time": False, "ipopt": options}
    solver: Any = casadi.nlpsol("P1", "ipopt", problem, settings)
    found = solver(x0=start, lbx=low, ubx=top, ubg=0.0)
    if not solver.stats()["success"]:
        raise RuntimeError(f"IPOPT: {solver.stats()['return_status']}")
    return np.asarray(found["x"], float).ravel()


def _ipopt_start(c: Constants) -> tuple[Floats, Floats, Floats, Floats]:
    """A start that need not be feasible: what the mean limit asks for, 70 % of the time for computing, equal bands."""
    n = c.a.size
    D = np.clip((max(c.A, 1e-300) / (n * c.alpha)) ** (-1 / c.beta), c.D_lo * 1.01, np.maximum(c.D_hi, c.D_lo * 1.01))
    t = np.full(n, 0.7 * c.T)
    u = np.full(n, 0.3 * c.T)
    b = np.full(n, max(c.B / n, c.s / (3.0 * 0.3 * c.T)))
    return D, t, u, b


# --- P6 and P7 by a conic method --------------------------------------------------------------------------------------


def clarabel_data(c: Constants, t: Floats) -> tuple[Floats, float]:
    """P6: data amounts of least compute energy for given compute times, and that energy."""
    x = cvxpy.Variable(c.a.size)  # D / D_lo
    joules = c.a * c.D_lo**3 / t**2
    error = c.alpha * c.D_lo**-c.beta
    top = np.minimum(c.D_hi, c.F * t) / c.D_lo
    scale = float(np.sum(joules))
    goal = (joules / scale) @ cvxpy.power(x, 3)
    problem = cvxpy.Problem(
        cvxpy.Minimize(goal),
        [(error / c.A) @ cvxpy.power(x, -c.beta) <= 1, x >= 1, x <= np.maximum(top, 1)],
    )
    _clarabel(problem)
    D = c.D_lo * np.asarray(x.value, float)
    return D, float(np.sum(c.a * D**3 / t**2))


def clarabel_bandwidth(c: Constants, u: Floats) -> tuple[Floats, float]:
    """P7: bandwidths of least upload energy for given upload times, and that energy.

    phi(v) is the integral of e^(v y) over y in [0, 1]: by Gauss and Legendre, 8 exponential cones.
    """
    n = c.a.size
    nodes, weights = np.polynomial.legendre.leggauss(8)
    v = cvxpy.Variable(n)
    share = cvxpy.Variable(n)  # b I / B
    phi = sum(0.5 * w * cvxpy.exp(0.5 * (y + 1) * v) for y, w in zip(nodes, weights, strict=True))
    least = c.s * n / (c.B * u)
    problem = cvxpy.Problem(
        cvxpy.Minimize(c.h / float(np.sum(c.h)) @ phi),
        [
            v >= cvxpy.multiply(least, cvxpy.inv_pos(share)),
            cvxpy.sum(share) / n <= 1,
            cvxpy.multiply(c.h / (c.P * u), phi) <= 1,
        ],
    )
    _clarabel(problem)
    b = c.B / n * np.asarray(share.value, float)
    v_own = c.s / (b * u)
    return b, float(np.sum(c.h * np.expm1(v_own) / v_own))


def _clarabel(problem: Any) -> None:
    for tol in (1e-9, 3e-9):  # with less it stalls, in the forms of older CVXPYs with the first too
        tight = {"tol_gap_abs": tol, "tol_gap_rel": tol, "tol_feas": tol, "max_iter": 200}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Solution may be inaccurate")  # the status says so
            problem.solve(solver=cvxpy.CLARABEL, **tight)
        if problem.status == cvxpy.OPTIMAL:
            return
    raise RuntimeError(f"Clarabel: {problem.status}")


# --- P6, P7, b_min and the dual by bisection and by trying ------------------------------------------------------------


def bisect(residual: Callable[[float], float], lo: float, hi: float) -> float:
    """Root of a rising function, where it changes sign between lo and hi."""
    for _ in range(HALVINGS):
        middle = 0.5 * (lo + hi)
        if residual(middle) < 0:
            lo = middle
        else:
            hi = middle
    return 0.5 * (lo + hi)


def naive_data(c: Constants, t: Floats) -> Floats:
    """P6 by bisection for ln nu; the local data where it is enough."""
    top = np.maximum(np.minimum(c.D_hi, c.F * t), c.D_lo)

    def data(log_nu: float) -> Floats:
        log_want = (log_nu + np.log(c.alpha * c.beta * t**2 / (3 * c.a))) / (c.beta + 3)
        return np.clip(np.exp(np.minimum(log_want, 600)), c.D_lo, top)

    if np.sum(c.alpha * c.D_lo**-c.beta) <= c.A:
        return c.D_lo
    return data(bisect(lambda p: c.A - float(np.sum(c.alpha * data(p) ** -c.beta)), -700.0, 700.0))


def naive_bandwidth(c: Constants, u: Floats) -> Floats:
    """P7 by bisection for ln w, in it by bisection for every device's v."""
    floor = np.array([least_bandwidth(c, i, float(u[i])) for i in range(u.size)])

    def shares(log_w: float) -> Floats:
        y = math.exp(log_w) * c.s / (c.h * u)
        v = np.array([bisect(partial(_marginal, less=float(y_i)), 0.0, V_MOST) for y_i in y])
        return np.asarray(np.maximum(c.s / (u * v), floor))

    return shares(bisect(lambda p: c.B - float(np.sum(shares(p))), -200.0, 200.0))


def least_bandwidth(c: Constants, i: int, u: float) -> float:
    """Band (Hz) that full power fills in u seconds: the root of the rate equation; inf where there is none."""
    v = efficiency_at_full_power(c.h[i] / (c.P[i] * u))
    return c.s / (u * v) if v > 0 else math.inf


def efficiency_at_full_power(k: float) -> float:
    """Root v of k phi(v) = 1; 0 where k is 1 or more."""
    if k >= 1:
        return 0.0
    return float(math.exp(optimize.brentq(lambda x: _log_phi(math.exp(x)) + math.log(k), -90.0, math.log(V_MOST))))


class Best(NamedTuple):
    """A device's best answer to prices, and what it is worth."""

    value: float
    t: float
    D: float
    b: float


def device_best(c: Constants, i: int, nu: float, w: float) -> Best:
    """Minimise a D^3/t^2 + h phi(v) + nu alpha D^-beta + w b over one device's limits, by trying."""
    u_lo, t_lo = c.h[i] / c.P[i], c.D_lo[i] / c.F[i]

    def split(x: float) -> tuple[float, float]:
        return c.T / (1 + math.exp(-x)), c.T / (1 + math.exp(x))

    def data(t: float) -> tuple[float, float]:
        top = max(min(c.D_hi[i], c.F[i] * t), c.D_lo[i])
        x, value = _least(
            lambda x: c.a[i] * math.exp(3 * x) / t**2 + nu * c.alpha * math.exp(-c.beta * x),
            math.log(c.D_lo[i]),
            math.log(top),
        )
        return math.exp(x), value

    def radio(u: float) -> tuple[float, float]:
        most = efficiency_at_full_power(c.h[i] / (c.P[i] * u))
        x, value = _least(
            lambda x: c.h[i] * math.exp(_log_phi(math.exp(x))) + w * c.s / u * math.exp(-x), LOG_V_LEAST, math.log(most)
        )
        return c.s / (u * math.exp(x)), value

    def total(x: float) -> float:
        t, u = split(x)
        return data(t)[1] + (radio(u)[1] if u > u_lo else math.inf)

    last = math.log((c.T - u_lo) / u_lo)
    x, value = _refined(total, math.log(t_lo / (c.T - t_lo)), last - 1e-13 * max(abs(last), 1.0))
    t, u = split(x)
    return Best(value, t, data(t)[0], radio(u)[0])


def dual_value(c: Constants, nu: float, w: float) -> float:
    """q(nu, w): no plan takes less. nu is per unit of the *sum* of alpha D^-beta."""
    return sum(device_best(c, i, nu, w).value for i in range(c.a.size)) - nu * c.A - w * c.B


def _least(function: Callable[[float], float], lo: float, hi: float) -> tuple[float, float]:
    """Where a unimodal function is least in [lo, hi], the ends included, and its value there."""
    if not lo < hi:
        return lo, function(lo)
    inner = optimize.minimize_scalar(function, bounds=(lo, hi), method="bounded", options={"xatol": 1e-11})
    return min(((float(inner.x), float(inner.fun)), (lo, function(lo)), (hi, function(hi))), key=lambda pair: pair[1])


def _refined(function: Callable[[float], float], lo: float, hi: float) -> tuple[float, float]:
    """The same for a function with kinks, where 1e-8 of x is worth 1e-8 of the value: once more, around it."""
    x, value = _least(function, lo, hi)
    d, better = _least(lambda d: function(x + d), max(-1e-6, lo - x), min(1e-6, hi - x))
    return min((x, value), (x + d, better), key=lambda pair: pair[1])


def _marginal(v: float, less: float) -> float:
    """G(v) - less, G(v) = e^v (v - 1) + 1, summed where it cancels."""
    if v > 0.5:
        return math.exp(v) * (v - 1) + 1 - less
    return math.fsum(v**n * (n - 1) / math.factorial(n) for n in range(2, 25)) - less


def _log_phi(v: float) -> float:
    """ln phi(v) for v > 0, without overflow."""
    if v < 1e-5:
        return v / 2 + v * v / 24
    return v + math.log(-math.expm1(-v) / v)
