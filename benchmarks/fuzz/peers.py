"""IPOPT and Clarabel on the same instances, well scaled: what their status says, and whether it is so."""

import math
import time
import warnings
from typing import Any, NamedTuple

import cvxpy
import numpy as np
from fleets import Floats, Problem
from oracles import Constants, constants, ipopt_energy

from .drawing import draw
from .judging import Verdict, judge, strict
from .placing import place
from .proofs import measured

NODES = 8  # of Gauss and Legendre's rule for phi
# Peers take minutes beyond this; none of them would fare better there.
LARGEST = 200


class PeerAnswer(NamedTuple):
    """What a peer says and what it is worth.

    Attributes
    ----------
    solved
        Whether its status says so.
    energy
        Relative difference from ours; None without a point.
    violation
        Of its point.
    status
        In its own words.
    seconds
        Of building and solving.
    """

    solved: bool
    energy: float | None
    violation: float | None
    status: str
    seconds: float


def compare(seed: int, index: int) -> dict[str, Any]:
    """Our verdict and the peers' answers on one instance; no answers where there is no plan."""
    drawn = draw(seed, index, LARGEST)
    placed = place(drawn.loose, drawn.placement)
    problem = drawn.loose if placed is None else placed
    with strict():
        ours = judge(problem, Verdict(drawn.corner, drawn.placement.limit, 0.0, len(problem.devices)))
        if ours.outcome != "plan":
            return {"ours": ours._asdict(), "peers": {}}
        energy = problem.solve().energy
    answers = {name: _asked(solve, problem, energy)._asdict() for name, solve in PEERS.items()}
    return {"ours": ours._asdict(), "peers": answers}


def _asked(solve: Any, problem: Problem, ours: float) -> PeerAnswer:
    begin = time.perf_counter()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of inaccurate answers: they are judged
        try:
            status, decision = "solved", solve(constants(*problem))
        except Exception as error:  # whatever a solver or its modelling layer raises is its answer
            return PeerAnswer(False, None, None, f"{type(error).__name__}: {error}"[:120], time.perf_counter() - begin)
        seconds = time.perf_counter() - begin
        found = measured(problem, *_decision(problem, *decision))
    off = found.energy / ours - 1
    if math.isnan(off):
        return PeerAnswer(True, None, None, "solved, with no plan", seconds)
    return PeerAnswer(True, off, min(found.violation, 1e300), status, seconds)


def _decision(problem: Problem, D: Floats, t: Floats, u: Floats, b: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(D_gen, f, b, P) of data amounts, times and bands."""
    d, _, task = problem
    f = task.local_epochs * task.cycles_per_sample * D / t
    power = d.noise_density * b / d.channel_gain * np.expm1(task.update_bits * math.log(2) / (b * u))
    return D - d.local_samples, f, b, power


def ipopt(c: Constants) -> tuple[Floats, Floats, Floats, Floats]:
    """P1 in logarithms of its variables: the tests' oracle."""
    found = ipopt_energy(c)
    return found.D, found.t, found.u, found.b


def clarabel(c: Constants) -> tuple[Floats, Floats, Floats, Floats]:
    """P1 on the power and exponential cones; every variable and every row of order one.

    D^3/t^2 is a power cone; v >= s/(b u) two; phi(v), the integral of e^(v y) over y in [0, 1], is 8 exponential ones.
    """
    n = c.a.size
    x, t, u, b, v = (cvxpy.Variable(n) for _ in range(5))  # D / D_lo, t / T, u / T, b I / B, s / (b u)
    joules, root, error = (cvxpy.Variable(n) for _ in range(3))
    compute = c.a * c.D_lo**3 / c.T**2
    least = c.s * n / (c.B * c.T)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    phi = sum(0.5 * w * cvxpy.exp(0.5 * (y + 1) * v) for y, w in zip(nodes, weights, strict=True))
    scale = float(np.sum(compute) + np.sum(c.h))
    rows = [
        cvxpy.PowCone3D(joules, t, x, np.full(n, 1 / 3)),  # joules^(1/3) t^(2/3) >= x
        cvxpy.PowCone3D(b, u, root, np.full(n, 0.5)),
        cvxpy.PowCone3D(v, root, cvxpy.Constant(np.full(n, least ** (1 / 3))), np.full(n, 1 / 3)),
        cvxpy.PowCone3D(error, x, cvxpy.Constant(np.ones(n)), np.full(n, 1 / (1 + c.beta))),  # error >= x^-beta
        (c.alpha * c.D_lo**-c.beta / c.A) @ error <= 1,
        t + u <= 1,
        cvxpy.sum(b) / n <= 1,
        cvxpy.multiply(c.D_lo / (c.F * c.T), x) <= t,
        cvxpy.multiply(c.h / (c.P * c.T), phi) <= u,
        x >= 1,
        x <= c.D_hi / c.D_lo,
    ]
    problem = cvxpy.Problem(cvxpy.Minimize((compute / scale) @ joules + (c.h / scale) @ phi), rows)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9, max_iter=200)
    if problem.status != cvxpy.OPTIMAL:
        raise RuntimeError(str(problem.status))
    x, t, u, b = (np.asarray(variable.value, float) for variable in (x, t, u, b))
    return c.D_lo * x, c.T * t, c.T * u, c.B / n * b


PEERS = {"IPOPT": ipopt, "Clarabel": clarabel}
