"""SciPy's SLSQP: scaled, in logarithms of the unknowns, with analytic gradients; dense, so for small fleets alone."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

from .interior import Found
from .scaled import Scaled

Floats = NDArray[np.float64]

# With the default of 1e-6 energies are 5e-7 off at 20 devices, with this 6e-9, for a third more iterations.
TOLERANCE = 1e-7
MOST_ITERATIONS = 1000


class Slsqp:
    """The functions of x = ln(D, t, u, b) and their gradients."""

    def __init__(self, problem: Scaled) -> None:
        self._p, self._n = problem, problem.a.size

    def solve(self) -> Found:
        """Solve from the same start as the others.

        Raises
        ------
        RuntimeError
            If SLSQP says that it failed; with its words.
        """
        p = self._p
        limits: Any = {"type": "ineq", "fun": self._room, "jac": self._slope}
        begin = time.perf_counter()
        found = minimize(
            self._energy,
            np.log(np.concatenate(p.start())),
            method="SLSQP",
            jac=True,
            bounds=Bounds(*p.log_bounds()),
            constraints=limits,
            options={"maxiter": MOST_ITERATIONS, "ftol": TOLERANCE},
        )
        seconds = time.perf_counter() - begin
        if not found.success:
            raise RuntimeError(found.message)
        return Found(p.decision(*np.split(np.exp(found.x), 4)), seconds)

    def _energy(self, x: Floats) -> tuple[float, Floats]:
        """Energy of the mean device, and its gradient."""
        D, t, u, b = np.split(x, 4)
        compute = self._p.a * np.exp(3 * D - 2 * t) / self._n
        phi, slope = self._phi(u + b)
        upload, change = self._p.h * phi / self._n, -self._p.h * slope / self._n
        return float(np.sum(compute) + np.sum(upload)), np.concatenate([3 * compute, -2 * compute, change, change])

    def _room(self, x: Floats) -> Floats:
        """What each limit leaves, >= 0 where it is kept."""
        p = self._p
        D, t, u, b = np.split(x, 4)
        phi, _ = self._phi(u + b)
        coupling = [1 - p.error @ np.exp(-p.beta * D), 1 - np.mean(np.exp(b))]
        return np.concatenate(
            [coupling, 1 - np.exp(t) - np.exp(u), np.log(p.F) + t - D, np.log(p.P / p.h) + u - np.log(phi)]
        )

    def _slope(self, x: Floats) -> Floats:
        """Jacobian of the room, (2 + 3 I, 4 I)."""
        p, n = self._p, self._n
        D, t, u, b = np.split(x, 4)
        phi, slope = self._phi(u + b)
        jacobian = np.zeros((2 + 3 * n, 4 * n))
        jacobian[0, :n] = p.beta * p.error * np.exp(-p.beta * D)
        jacobian[1, 3 * n :] = -np.exp(b) / n
        i = np.arange(n)
        jacobian[2 + i, n + i], jacobian[2 + i, 2 * n + i] = -np.exp(t), -np.exp(u)
        jacobian[2 + n + i, i], jacobian[2 + n + i, n + i] = -1, 1
        jacobian[2 + 2 * n + i, 2 * n + i] = 1 + slope / phi
        jacobian[2 + 2 * n + i, 3 * n + i] = slope / phi
        return jacobian

    def _phi(self, log_bu: Floats) -> tuple[Floats, Floats]:
        """Return phi(v) and v phi'(v), the change per ln v; v falls as b u rises."""
        v = self._p.k * np.exp(-log_bu)
        phi = np.expm1(v) / v
        return phi, np.exp(v) - phi
