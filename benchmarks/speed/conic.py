"""Clarabel through CVXPY: P1 as one conic problem; the seconds are the solver's own, without CVXPY's compilation.

Per device a power cone each for D^3 / t^2 and for D^-beta, two for v >= k / (b u), and NODES exponential cones for
phi(v), which is the integral of e^(v y) over y in [0, 1], by Gauss and Legendre. Each e^(v y) is scaled by the device's
h: a phi of 10^5 beside numbers of order one would cost Clarabel five digits.
"""

from typing import Any

import cvxpy
import numpy as np

from .interior import Found
from .scaled import Scaled

# phi(14) to 1e-5, phi(5) to 2e-9; energies of fleets like the paper's to better than 1e-9.
NODES = 6


class Clarabel:
    """The problem stated for CVXPY, and compiled."""

    def __init__(self, problem: Scaled) -> None:
        p, n = problem, problem.a.size
        D, t, u, b, v, bu, joules, error = (cvxpy.Variable(n) for _ in range(8))
        terms = cvxpy.Variable((NODES, n))
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        upload, one = (0.5 * weights) @ terms, np.ones(n)
        limits: list[Any] = [
            cvxpy.PowCone3D(joules, t, D, 1 / 3),
            cvxpy.PowCone3D(D, error, one, p.beta / (1 + p.beta)),
            cvxpy.PowCone3D(b, u, bu, 1 / 2),
            cvxpy.PowCone3D(v, bu, np.full(n, p.k ** (1 / 3)), 1 / 3),
            *(cvxpy.ExpCone(0.5 * (y + 1) * v + np.log(p.h), one, terms[k]) for k, y in enumerate(nodes)),
            p.error @ error <= 1,
            t + u <= 1,
            cvxpy.sum(b) / n <= 1,
            D >= 1,
            p.most >= D,
            cvxpy.multiply(p.F, t) >= D,
            cvxpy.multiply(1 / p.P, upload) <= u,
        ]
        self._task = cvxpy.Problem(cvxpy.Minimize((p.a @ joules + cvxpy.sum(upload)) / n), limits)
        self._task.get_problem_data(cvxpy.CLARABEL)  # CVXPY keeps what it compiled
        self._unknowns, self._problem = (D, t, u, b), problem

    def solve(self) -> Found:
        """Solve anew; Clarabel keeps nothing from the last time.

        Raises
        ------
        RuntimeError
            If Clarabel does not say that its answer is optimal; with its words.
        """
        try:
            self._task.solve(solver=cvxpy.CLARABEL)
        except cvxpy.SolverError as error:
            raise RuntimeError(str(error)) from error
        if self._task.status != cvxpy.OPTIMAL:
            raise RuntimeError(self._task.status)
        point = (np.asarray(unknown.value, np.float64) for unknown in self._unknowns)
        return Found(self._problem.decision(*point), float(self._task.solver_stats.solve_time))
