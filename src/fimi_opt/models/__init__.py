"""The paper's formulas (1)-(11) as vectorised NumPy functions; the oracle of the jitted kernels."""

from fimi_opt.models.compute import compute_energy, compute_time
from fimi_opt.models.learning import (
    global_error,
    local_error,
    mean_error,
    mean_error_limit,
    required_rounds,
    samples_for_error,
)
from fimi_opt.models.radio import least_bandwidth, rate, transmit_power, upload_energy, upload_time
from fimi_opt.models.rounds import round_energy, round_latency

__all__ = [
    "compute_energy",
    "compute_time",
    "global_error",
    "least_bandwidth",
    "local_error",
    "mean_error",
    "mean_error_limit",
    "rate",
    "required_rounds",
    "round_energy",
    "round_latency",
    "samples_for_error",
    "transmit_power",
    "upload_energy",
    "upload_time",
]
