"""The schemes that differ from FIMI in their data alone: amounts and resources are those of solve().

"To provide a reasonable comparison, we adopt the identical optimization algorithm as FIMI for SEMI, HDC, and GAN"
(FIMI V-B). So their plans are (P1)'s certified optimum, with its lower bound; energy, latency and uplink are FIMI's.
What differs is which classes a device's added samples are of and who labels them, and with them the accuracy that is
reached in the end, of which this model knows nothing: its learning curve counts samples.
"""

from dataclasses import replace

from fimi_opt._checks import brief
from fimi_opt.baselines.classes import as_found, proportional, scarcest, uniform
from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import FIMI, Plan, Scheme
from fimi_opt.solve import solve
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task

_GAN_SAMPLES = "synthetic, of a conditional GAN that is asked for their classes; less real than a diffusion model's"

HEURISTIC = replace(FIMI, name="HDC", allocate=scarcest)
GAN = replace(FIMI, name="GAN", samples=_GAN_SAMPLES)
SEMI_SUPERVISED = replace(
    FIMI,
    name="SEMI",
    samples="real and unlabelled, of the device's own mix of classes; the global model labels them in every round",
    allocate=as_found,
)
WITHOUT_DIFFUSION = replace(GAN, name="w/o DM")
WITHOUT_OPTIMAL_AUGMENTATION = {
    "uniform": replace(FIMI, name="w/o OA, uniform", allocate=uniform),
    "proportional": replace(FIMI, name="w/o OA, proportional", allocate=proportional),
}


def heuristic(devices: Devices, constraints: Constraints, task: Task = PAPER_TASK) -> Plan:
    """Plan of heuristic data compensation (HDC): FIMI's, with every device's samples in its scarcest class.

    "Generating synthetic data solely for the category with the least available local data" (FIMI V-B). Of equally
    scarce classes it is the first: the paper does not say, and a device that looks at itself alone knows no better.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.

    Returns
    -------
    Plan
        The certified optimum of (P1), with HDC's `synthetic_by_class`.

    Raises
    ------
    InfeasibleError, ValueError, NumericalError
        As :func:`fimi_opt.solve` does.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[500.0, 300.0, 100.0]])
    >>> heuristic(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000)).synthetic_by_class.round()
    array([[  0.,   0., 681.]])
    """
    return _fimi(devices, constraints, task, HEURISTIC)


def gan(devices: Devices, constraints: Constraints, task: Task = PAPER_TASK) -> Plan:
    """Plan of GAN-based data synthesis (GAN): FIMI's, classes included; the samples are a conditional GAN's.

    A conditional GAN is asked for classes as a diffusion model is, so the allocation is FIMI's too. What is worse is
    each sample (FIMI Fig. 5(d)), which no quantity of the plan shows.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.

    Returns
    -------
    Plan
        The certified optimum of (P1), with FIMI's `synthetic_by_class`.

    Raises
    ------
    InfeasibleError, ValueError, NumericalError
        As :func:`fimi_opt.solve` does.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> gan(*paper(seed=0)).scheme.name
    'GAN'
    """
    return _fimi(devices, constraints, task, GAN)


def semi_supervised(devices: Devices, constraints: Constraints, task: Task = PAPER_TASK) -> Plan:
    """Plan of semi-supervised federated learning (SEMI): FIMI's, with unlabelled samples for synthetic ones.

    The paper says only that SEMI "incorporates unlabelled samples to enhance model updates" and that it uses FIMI's
    optimisation. Our reading: as many as FIMI's synthetic samples, found where the device's own data was found, so
    expected in the device's own mix of classes, because nobody chooses the classes of unlabelled data; and labelled by
    the global model of the round, as is usual. `synthetic_by_class` is that expectation of their true classes; labels
    may be wrong. It fits Table I, where SEMI gains little over TFL: such samples leave a device's mix as skewed as it
    was.

    What the paper does not tell: where the unlabelled samples come from, how many a device has, and which of them
    are trained on. Not all, it seems: Table I implies 28.7 J per round for SEMI and 34.8 J for FIMI, though the same
    amounts at the same frequencies take the same energy. This plan trains on all of them, so its energy is FIMI's.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.

    Returns
    -------
    Plan
        The certified optimum of (P1), with SEMI's `synthetic_by_class`.

    Raises
    ------
    InfeasibleError, ValueError, NumericalError
        As :func:`fimi_opt.solve` does.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[600.0, 300.0, 0.0]])
    >>> plan = semi_supervised(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> (plan.synthetic_by_class / plan.synthetic_samples).round(3)
    array([[0.667, 0.333, 0.   ]])
    """
    return _fimi(devices, constraints, task, SEMI_SUPERVISED)


def without_diffusion(devices: Devices, constraints: Constraints, task: Task = PAPER_TASK) -> Plan:
    """Plan of FIMI without the diffusion model ("w/o DM" of Fig. 5(e)): a GAN in its place, the plan is the same.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.

    Returns
    -------
    Plan
        The certified optimum of (P1), with FIMI's `synthetic_by_class`.

    Raises
    ------
    InfeasibleError, ValueError, NumericalError
        As :func:`fimi_opt.solve` does.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> without_diffusion(*paper(seed=0)).scheme.name
    'w/o DM'
    """
    return _fimi(devices, constraints, task, WITHOUT_DIFFUSION)


def without_optimal_augmentation(
    devices: Devices, constraints: Constraints, task: Task = PAPER_TASK, *, kind: str = "uniform"
) -> Plan:
    """Plan of FIMI without optimal augmentation ("w/o OA" of Fig. 5(e)): same amounts, classes not by entropy.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.
    kind
        The paper does not say what takes the place of (P8): "uniform" gives a device as much of each class, and
        "proportional" follows its local samples.

    Returns
    -------
    Plan
        The certified optimum of (P1), with the other `synthetic_by_class`.

    Raises
    ------
    ValueError
        If `kind` is neither.
    InfeasibleError, ValueError, NumericalError
        As :func:`fimi_opt.solve` does.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[600.0, 300.0, 0.0]])
    >>> plan = without_optimal_augmentation(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    >>> (plan.synthetic_by_class / plan.synthetic_samples).round(3)
    array([[0.333, 0.333, 0.333]])
    """
    if kind not in WITHOUT_OPTIMAL_AUGMENTATION:
        raise InvalidInputError(f"kind must be one of {', '.join(WITHOUT_OPTIMAL_AUGMENTATION)}, got {brief(kind)}")
    return _fimi(devices, constraints, task, WITHOUT_OPTIMAL_AUGMENTATION[kind])


def _fimi(devices: Devices, constraints: Constraints, task: Task, scheme: Scheme) -> Plan:
    return replace(solve(devices, constraints, task), scheme=scheme)
