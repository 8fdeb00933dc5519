"""The paper's comparison schemes (V-B) and ablations (Fig. 5(e)) as planners: ``scheme(devices, constraints, task)``.

Each returns a :class:`fimi_opt.Plan` whose `scheme` says which problem its energy, lower bound and status are about,
whether it keeps the error limit, and what its added samples are; `synthetic_by_class` follows the scheme. Only CLSD, in
which no device takes part, has a type of its own.

====================================  =============  ==================  =====================================
planner                               paper's name   resources, amounts  classes of the added samples
====================================  =============  ==================  =====================================
:func:`fimi_opt.solve`                FIMI           optimum of (P1)     most entropy (P8)
:func:`traditional`                   TFL            no added samples    -
:func:`semi_supervised`               SEMI           FIMI's              the device's own mix, pseudo-labels
:func:`heuristic`                     HDC            FIMI's              all in the device's scarcest class
:func:`server_side`                   SST            TFL's               FIMI's, kept at the server
:func:`gan`                           GAN            FIMI's              FIMI's, less real samples
:func:`centralized`                   CLSD           none                FIMI's, kept at the server
:func:`without_bandwidth_allocation`  w/o BA         optimum for B / I   FIMI's
:func:`without_augmentation`          w/o DA         TFL's               -
:func:`without_diffusion`             w/o DM         FIMI's              FIMI's, less real samples
:func:`without_optimal_augmentation`  w/o OA         FIMI's              uniform or proportional
====================================  =============  ==================  =====================================

A scheme with FIMI's amounts can be had of any plan: ``dataclasses.replace(plan, scheme=HEURISTIC)``.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from fimi_opt.baselines.equal_shares import WITHOUT_BANDWIDTH_ALLOCATION, without_bandwidth_allocation
from fimi_opt.baselines.same_amounts import (
    GAN,
    HEURISTIC,
    SEMI_SUPERVISED,
    WITHOUT_DIFFUSION,
    WITHOUT_OPTIMAL_AUGMENTATION,
    gan,
    heuristic,
    semi_supervised,
    without_diffusion,
    without_optimal_augmentation,
)
from fimi_opt.baselines.server import (
    CENTRALIZED,
    SERVER_SIDE,
    CentralizedPlan,
    ServerData,
    ServerSidePlan,
    centralized,
    server_side,
)
from fimi_opt.baselines.shares_bound import shares_bound
from fimi_opt.baselines.traditional import TRADITIONAL, WITHOUT_AUGMENTATION, traditional, without_augmentation
from fimi_opt.plan import Plan
from fimi_opt.solve import solve
from fimi_opt.types import Constraints, Devices, Task

Planner: TypeAlias = Callable[[Devices, Constraints, Task], Plan | CentralizedPlan]

SCHEMES: Mapping[str, Planner] = MappingProxyType(
    {
        "TFL": traditional,
        "SEMI": semi_supervised,
        "HDC": heuristic,
        "SST": server_side,
        "GAN": gan,
        "CLSD": centralized,
        "FIMI": solve,
    }
)
"""Planners of Table I and Fig. 4, by the paper's names and in its order."""

ABLATIONS: Mapping[str, Planner] = MappingProxyType(
    {
        "w/o BA": without_bandwidth_allocation,
        "w/o DA": without_augmentation,
        "w/o DM": without_diffusion,
        "w/o OA": without_optimal_augmentation,
    }
)
"""Planners of Fig. 5(e), by the paper's names and in its order; "w/o OA" with uniform classes."""

__all__ = [
    "ABLATIONS",
    "CENTRALIZED",
    "GAN",
    "HEURISTIC",
    "SCHEMES",
    "SEMI_SUPERVISED",
    "SERVER_SIDE",
    "TRADITIONAL",
    "WITHOUT_AUGMENTATION",
    "WITHOUT_BANDWIDTH_ALLOCATION",
    "WITHOUT_DIFFUSION",
    "WITHOUT_OPTIMAL_AUGMENTATION",
    "CentralizedPlan",
    "Planner",
    "ServerData",
    "ServerSidePlan",
    "centralized",
    "gan",
    "heuristic",
    "semi_supervised",
    "server_side",
    "shares_bound",
    "traditional",
    "without_augmentation",
    "without_bandwidth_allocation",
    "without_diffusion",
    "without_optimal_augmentation",
]
