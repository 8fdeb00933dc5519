"""How the cross-entropy search converged, and to what."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan
from fimi_opt.plotting.drawing import BLUE, ORANGE, axes_for, legend_above, limit_line, scale_for


def convergence(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw the search's best energy and the mean of its elite after each iteration, above the certified bound.

    Iterations that found nothing feasible are left out.

    Parameters
    ----------
    plan
        A plan of ``solve(..., method="cross-entropy")``.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: joules, with a prefix where they are few or many.

    Raises
    ------
    ValueError
        If the plan has no history, `plan` is no plan or `ax` are no axes; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([900.0, 1200.0], 5e-27, 1.5e9, 1e-10, 0.2)
    >>> search = fo.CrossEntropy(samples=50, elite=5, iterations=5)
    >>> limits = fo.Constraints(0.3, 200, 60.0, 3e6, 2000)
    >>> plan = fo.solve(devices, limits, method="cross-entropy", search=search, rng=0)
    >>> convergence(plan).get_xlabel()
    'iteration'
    """
    ax = axes_for(plan, ax)
    if not plan.history:
        raise InvalidInputError(f'plan has no history to draw: method {plan.method!r} is no search, "cross-entropy" is')
    numbers = np.array([step.number for step in plan.history])
    best = _finite([step.best for step in plan.history])
    elite = _finite([step.elite_mean for step in plan.history])
    scale = scale_for("J", float(np.nanmax([best, elite])))
    ax.plot(
        numbers, elite / scale.one, color=ORANGE, linewidth=1.4, linestyle=(0, (1, 1)), marker=".", label="elite's mean"
    )
    ax.plot(numbers, best / scale.one, color=BLUE, linewidth=2.0, label=f"best, final gap {max(plan.gap, 0.0):.1e}")
    bound = plan.lower_bound / scale.one
    limit_line(ax, bound, f"certified bound {bound:.5g} {scale.unit}")
    ax.set(xlabel="iteration", ylabel=f"energy per round ({scale.unit})")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(ax)
    return ax


def _finite(energies: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Energies, and nothing to draw where none was found."""
    values = np.array(energies)
    return np.where(np.isfinite(values), values, np.nan)
