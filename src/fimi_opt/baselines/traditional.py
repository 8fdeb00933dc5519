"""Federated learning as usual: every device trains on what it has, as cheaply as the round's limits let it."""

from dataclasses import replace

from fimi_opt.baselines.classes import uniform
from fimi_opt.plan import Plan, Scheme
from fimi_opt.solve import solve
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, LearningCurve, Task, check_instance

_PROBLEM = "(P1) without the limit on the global error: then no device adds any sample"

# An error of 1/2 whatever the data, and a limit of 1 whatever Delta_max and N: always met, so its price is 0, and
# neither the energy nor the certificate knows of the curve.
_NOTHING_ASKED = LearningCurve(alpha=0.5, beta=1e-6, gamma=0.0, zeta=1e-60)

TRADITIONAL = Scheme("TFL", _PROBLEM, "none", meets_error_limit=False, allocate=uniform)
WITHOUT_AUGMENTATION = replace(TRADITIONAL, name="w/o DA")


def traditional(devices: Devices, constraints: Constraints, task: Task = PAPER_TASK) -> Plan:
    """Plan of traditional federated learning (TFL): local data only, the resources at their certified optimum.

    "In the cases of TFL and SST, the synthetic data of each device is set to zero, and the resource utilization policy
    is optimized" (FIMI V-B). The limit on the global error is dropped, as the local data need not meet it:
    ``verify(plan).learning`` says by how much it is missed. All other limits are kept. The plan's `lower_bound` is that
    of the problem without the limit, and so one of (P1) as well.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`; `max_global_error` and `max_synthetic` play no part.

    Returns
    -------
    Plan
        With no synthetic samples; the price of error is 0.

    Raises
    ------
    InfeasibleError
        If the devices can't train their local data and upload within deadline and band; it says what would let them.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If the limits leave so little room that rounding closes it.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> plan = traditional(*paper(seed=0))
    >>> round(plan.energy, 2), float(plan.synthetic_samples.sum())
    (19.45, 0.0)
    """
    check_instance(devices, constraints, task)
    plan = solve(devices, constraints, replace(task, learning=_NOTHING_ASKED))
    return replace(plan, task=task, scheme=TRADITIONAL)


def without_augmentation(devices: Devices, constraints: Constraints, task: Task = PAPER_TASK) -> Plan:
    """Plan of FIMI without data augmentation ("w/o DA" of Fig. 5(e)): that of :func:`traditional`.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`traditional`.

    Returns
    -------
    Plan
        With no synthetic samples; the price of error is 0.

    Raises
    ------
    InfeasibleError, ValueError, NumericalError
        As :func:`traditional` does.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> without_augmentation(*paper(seed=0)).scheme.name
    'w/o DA'
    """
    return replace(traditional(devices, constraints, task), scheme=WITHOUT_AUGMENTATION)
