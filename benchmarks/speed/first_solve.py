"""A fresh process: import, one plan for 20 devices, its gap on standard output. It loads what a user's script would."""

import numpy as np

import fimi_opt as fo

rng = np.random.default_rng(0)
devices = fo.Devices(
    local_samples=1250.0,
    energy_coefficient=rng.uniform(4e-27, 6e-27, 20),
    max_frequency=rng.uniform(1e9, 2e9, 20),
    channel_gain=10 ** rng.uniform(-12, -9, 20),
    max_power=0.15,
)
limits = fo.Constraints(max_global_error=0.2, rounds=200, max_latency=60.0, bandwidth=20e6, max_synthetic=2000.0)
print(fo.solve(devices, limits).gap)
