"""Energy-optimal plans for federated learning with synthetic data: the certified optimum of the FIMI problem."""

from fimi_opt import models
from fimi_opt.categories import allocate_categories, entropy
from fimi_opt.certificate import Split, Violations, lower_bound, verify
from fimi_opt.errors import (
    DeviceNeed,
    FimiError,
    ImplausibleInputWarning,
    InfeasibleError,
    InvalidInputError,
    NumericalError,
)
from fimi_opt.fitting import FittedCurve, fit_learning_curve, fit_zeta
from fimi_opt.many import solve_many
from fimi_opt.plan import Iteration, Plan, Prices, Status
from fimi_opt.relaxing import Change, Relaxation, suggest_relaxation
from fimi_opt.solve import solve
from fimi_opt.solvers.bandwidth import BandwidthShares, allocate_bandwidth
from fimi_opt.solvers.cross_entropy import CrossEntropy
from fimi_opt.solvers.data_amounts import DataAmounts, allocate_data
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import THERMAL_NOISE_DENSITY, Constraints, Devices, LearningCurve, Task
from fimi_opt.warming import warm_up

__version__ = "0.1.0"

__all__ = [
    "PAPER_TASK",
    "THERMAL_NOISE_DENSITY",
    "BandwidthShares",
    "Change",
    "Constraints",
    "CrossEntropy",
    "DataAmounts",
    "DeviceNeed",
    "Devices",
    "FimiError",
    "FittedCurve",
    "ImplausibleInputWarning",
    "InfeasibleError",
    "InvalidInputError",
    "Iteration",
    "LearningCurve",
    "NumericalError",
    "Plan",
    "Prices",
    "Relaxation",
    "Split",
    "Status",
    "Task",
    "Violations",
    "allocate_bandwidth",
    "allocate_categories",
    "allocate_data",
    "entropy",
    "fit_learning_curve",
    "fit_zeta",
    "lower_bound",
    "models",
    "solve",
    "solve_many",
    "suggest_relaxation",
    "verify",
    "warm_up",
]
