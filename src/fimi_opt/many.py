"""solve_many(): a batch of fleets, one answer each."""

from collections.abc import Iterable, Sequence

from fimi_opt._checks import brief
from fimi_opt._threads import check_workers, run_blocks
from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.exact import solve_exact
from fimi_opt.plan import Plan
from fimi_opt.solve import check_tolerance
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import Constraints, Devices, Task, check_instance

Fleet = tuple[Devices, Constraints] | tuple[Devices, Constraints, Task]

# Below this many devices a solve holds the interpreter for as long as it computes, and threads only hand it to and fro:
# 20 devices take 30 us on one thread and more on two.
_WORTH_A_THREAD = 2000


def solve_many(
    fleets: Iterable[Fleet], task: Task = PAPER_TASK, *, tol: float = 1e-9, workers: int | None = None
) -> list[Plan | InfeasibleError | NumericalError]:
    """Solve many fleets, of any sizes; an infeasible one does not stop the others.

    Parameters
    ----------
    fleets
        Pairs (devices, constraints), or triples with a task of their own, such as scenarios.
    task
        The task of pairs.
    tol
        As for :func:`fimi_opt.solve`.
    workers
        Threads for fleets of thousands of devices; by default the usable cores. Small fleets are solved on the calling
        thread. The answers do not depend on it.

    Returns
    -------
    list
        For each fleet, in order, its plan, or the error that :func:`fimi_opt.solve` would have raised for it.

    Raises
    ------
    ValueError
        If `fleets` is not iterable, a fleet is not a pair or a triple, or an argument is not what it must be; it names
        the fleet by its index.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> from fimi_opt.scenarios import paper
    >>> [round(plan.energy, 1) for plan in fo.solve_many(paper(seed) for seed in range(3))]
    [33.6, 32.8, 34.3]
    """
    if not isinstance(fleets, Iterable):
        raise InvalidInputError(f"fleets must be an iterable of fleets, got {brief(fleets)}")
    problems = [_problem(index, fleet, task) for index, fleet in enumerate(fleets)]
    threads = check_workers(workers)
    check_tolerance(tol)
    answers: list[Plan | InfeasibleError | NumericalError | None] = [None] * len(problems)

    def answer(index: int) -> None:
        devices, constraints, own = problems[index]
        try:
            check_instance(devices, constraints, own)
            answers[index] = solve_exact(devices, constraints, own, tol, 1, None)
        except (InfeasibleError, NumericalError) as error:
            answers[index] = error
        except InvalidInputError as error:
            raise InvalidInputError(f"fleet {index}: {error}") from None

    large = [i for i, (devices, *_) in enumerate(problems) if _is_large(devices)]
    run_blocks(lambda first, _: answer(large[first]), len(large), 1, threads)
    for index in range(len(problems)):
        if answers[index] is None:
            answer(index)
    return [given for given in answers if given is not None]


def _is_large(devices: object) -> bool:
    return isinstance(devices, Devices) and len(devices) >= _WORTH_A_THREAD


def _problem(index: int, fleet: object, task: Task) -> tuple[Devices, Constraints, Task]:
    if isinstance(fleet, Sequence) and len(fleet) in (2, 3):
        return (fleet[0], fleet[1], fleet[2] if len(fleet) == 3 else task)
    raise InvalidInputError(f"fleet {index} must be (devices, constraints) or (devices, constraints, task)")
