"""IPOPT through CasADi: exact derivatives, built once, solved many times in a warm process.

In logarithms of the unknowns, a convex form in which IPOPT takes the fewest steps; matrix expressions (MX), which are
built and evaluated faster here than scalar ones (SX). The linear solver is MUMPS, the one that CasADi's wheel brings.
"""

import time
from typing import Any, NamedTuple

import casadi
import numpy as np

from .judging import Decision
from .scaled import Scaled


class Found(NamedTuple):
    """A peer's decision, and the seconds of its solve alone."""

    decision: Decision
    seconds: float


class Ipopt:
    """The problem built for IPOPT, that gives up after `limit` seconds."""

    def __init__(self, problem: Scaled, limit: float) -> None:
        p, n = problem, problem.a.size
        D, t, u, b = (casadi.MX.sym(name, n) for name in "Dtub")
        v = p.k * casadi.exp(-u - b)
        log_phi = casadi.log((casadi.exp(v) - 1) / v)
        energy = casadi.sum1(p.a * casadi.exp(3 * D - 2 * t)) + casadi.sum1(p.h * casadi.exp(log_phi))
        limits = casadi.vertcat(
            casadi.sum1(p.error * casadi.exp(-p.beta * D)) - 1,
            casadi.exp(t) + casadi.exp(u) - 1,
            casadi.sum1(casadi.exp(b)) / n - 1,
            D - t - np.log(p.F),
            log_phi - u - np.log(p.P / p.h),
        )
        # Without the option IPOPT relaxes bounds by 1e-8, and finds less energy than there is.
        settings = {"print_level": 0, "sb": "yes", "bound_relax_factor": 0.0, "max_wall_time": limit}
        options: dict[str, Any] = {"print_time": False, "ipopt": settings}
        self._solver = casadi.nlpsol(
            "p1", "ipopt", {"x": casadi.vertcat(D, t, u, b), "f": energy, "g": limits}, options
        )
        low, top = p.log_bounds()
        self._arguments = {
            "x0": np.log(np.concatenate(p.start())),
            "lbx": low,
            "ubx": top,
            "ubg": np.zeros(limits.numel()),
        }
        self._problem = problem

    def solve(self) -> Found:
        """Solve from the same start.

        Raises
        ------
        RuntimeError
            If IPOPT says that it failed; with its words.
        """
        begin = time.perf_counter()
        result = self._solver(**self._arguments)
        seconds = time.perf_counter() - begin
        stats = self._solver.stats()
        if not stats["success"]:
            raise RuntimeError(stats["return_status"])
        point = np.exp(np.asarray(result["x"], np.float64).ravel())
        return Found(self._problem.decision(*np.split(point, 4)), seconds)
