"""A plan on one figure."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan
from fimi_opt.plotting.classes import class_counts
from fimi_opt.plotting.drawing import Picture, check_plan
from fimi_opt.plotting.fleet import bandwidth_shares, energy, samples, time_split
from fimi_opt.plotting.search import convergence

_WIDTH, _ROW_HEIGHT = 10.5, 3.1


def overview(plan: Plan, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw a plan on one figure: data, time, energy and band of the devices, classes and search where there are any.

    Parameters
    ----------
    plan
        Any plan.
    figure
        Figure, or part of one, to draw on; by default a new one. Its title becomes the plan's energy and gap.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, which notebooks show.

    Raises
    ------
    ValueError
        If `plan` is no plan or `figure` is no figure; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> len(overview(plan).axes)
    4
    """
    check_plan(plan)
    draw: list[Callable[[Plan, Axes], Axes]] = [samples, time_split, energy, bandwidth_shares]
    if plan.devices.class_counts is not None:
        draw.append(class_counts)
    if plan.history:
        draw.append(convergence)
    rows = (len(draw) + 1) // 2
    if figure is None:
        figure = Picture(figsize=(_WIDTH, rows * _ROW_HEIGHT), layout="constrained")
    if not isinstance(figure, Figure | SubFigure):
        raise InvalidInputError(f"figure must be a matplotlib.figure.Figure, got {type(figure).__name__}")
    grid = figure.add_gridspec(rows, 2)
    for k, panel in enumerate(draw):
        last_alone = k == len(draw) - 1 and k % 2 == 0
        panel(plan, figure.add_subplot(grid[k // 2, :] if last_alone else grid[k // 2, k % 2]))
    count = len(plan.devices)
    title = (
        f"{count:,} device{'s'[: count != 1]}, {plan.energy:.5g} J per round, certified gap {max(plan.gap, 0.0):.1e}"
    )
    figure.suptitle(title)
    return figure
