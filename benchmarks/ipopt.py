"""IPOPT on P1 as its users would set it up: scaled to order one, exact derivatives, built once, solved many times."""

import math
import time
from typing import Any, NamedTuple

import casadi
import numpy as np

import fimi_opt as fo


class Answer(NamedTuple):
    """Joules, and the seconds of IPOPT's solve alone."""

    energy: float
    seconds: float


class Ipopt:
    """P1 on (D, t, u, b) for one fleet; building is not part of a solve's time."""

    def __init__(self, devices: fo.Devices, constraints: fo.Constraints, task: fo.Task) -> None:
        n, curve = len(devices), task.learning
        cycles, s = task.local_epochs * task.cycles_per_sample, task.update_bits * math.log(2)
        limit = 1 + curve.zeta / constraints.rounds * math.log(constraints.max_global_error) + curve.gamma
        local, T, share = devices.local_samples, constraints.max_latency, constraints.bandwidth / n
        D, t, u, b = (casadi.MX.sym(name, n) for name in "Dtub")
        a = devices.energy_coefficient * (cycles * local) ** 3 / T**2
        h = devices.noise_density * s / devices.channel_gain
        v = s / (share * T) / (b * u)
        upload = h * (casadi.exp(v) - 1) / v
        guess = float(np.sum(a / 0.7**2) + np.sum(h))
        errors = curve.alpha * local**-curve.beta * D**-curve.beta
        limits = casadi.vertcat(
            casadi.sum1(errors) / (n * limit),
            t + u,
            casadi.sum1(b) / n,
            cycles * local / (devices.max_frequency * T) * D / t,
            upload / (devices.max_power * T) / u,
        )
        energy = casadi.sum1(a * D**3 / t**2) + casadi.sum1(upload)
        problem: dict[str, Any] = {"x": casadi.vertcat(D, t, u, b), "f": energy / guess, "g": limits}
        options: dict[str, Any] = {
            "print_time": False,
            "ipopt": {"print_level": 0, "sb": "yes", "bound_relax_factor": 0.0},
        }
        self._solver = casadi.nlpsol("p1", "ipopt", problem, options)
        most = 1 + np.broadcast_to(constraints.max_synthetic, n) / local
        self._bounds = {
            "x0": np.concatenate(
                [0.5 * (1 + np.minimum(most, 2)), np.full(n, 0.7), np.full(n, 0.29), np.full(n, 0.99)]
            ),
            "lbx": np.concatenate([np.ones(n), np.full(3 * n, 1e-9)]),
            "ubx": np.concatenate([most, np.ones(2 * n), np.full(n, n)]),
            "ubg": np.ones(limits.numel()),
        }
        self._guess = guess

    def solve(self) -> Answer:
        """Solve from the same start."""
        begin = time.perf_counter()
        result = self._solver(**self._bounds)
        seconds = time.perf_counter() - begin
        if not self._solver.stats()["success"]:
            raise RuntimeError(f"IPOPT: {self._solver.stats()['return_status']}")
        return Answer(float(result["f"]) * self._guess, seconds)
