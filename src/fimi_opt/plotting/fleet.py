"""The fleet: what each device is given, how long it takes, and what that costs."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from fimi_opt.plan import Floats, Plan
from fimi_opt.plotting.drawing import (
    BLUE,
    GREEN,
    HATCH,
    ORANGE,
    PURPLE,
    axes_for,
    from_zero,
    legend_above,
    limit_line,
    scale_for,
)
from fimi_opt.plotting.stacks import Part, draw_stack


def energy(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw the energy of each device in one round: computing, and uploading on top of it, eqs. (5) and (9).

    Up to 40 devices are bars in the fleet's order, with their ids. More are sorted from the least to the most energy,
    in at most 200 steps that show the means of neighbours: the area is the fleet's energy in both.

    Parameters
    ----------
    plan
        Any plan.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: joules, with a prefix where they are few or many.

    Raises
    ------
    ValueError
        If `plan` is no plan or `ax` are no axes; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> energy(plan).get_ylabel()
    'energy per round (mJ)'
    """
    ax = axes_for(plan, ax)
    total = plan.compute_energy + plan.upload_energy
    scale = scale_for("J", float(total.max()))
    parts = [
        Part("computing", plan.compute_energy / scale.one, BLUE),
        Part("uploading", plan.upload_energy / scale.one, ORANGE, HATCH),
    ]
    draw_stack(ax, plan, parts, total, "energy")
    ax.set_ylabel(f"energy per round ({scale.unit})")
    from_zero(ax, float(total.max()) / scale.one)
    legend_above(ax)
    return ax


def time_split(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw how each device splits a round into computing and uploading, eqs. (6) and (8), below the deadline.

    Up to 40 devices are bars in the fleet's order, with their ids. More are sorted by their computing time, in at most
    200 steps that show the means of neighbours.

    Parameters
    ----------
    plan
        Any plan.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: seconds, with a prefix where they are few or many.

    Raises
    ------
    ValueError
        If `plan` is no plan or `ax` are no axes; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> time_split(plan).get_ylabel()
    'time of a round (s)'
    """
    ax = axes_for(plan, ax)
    deadline = plan.constraints.max_latency
    scale = scale_for("s", max(plan.latency, deadline))
    parts = [
        Part("computing", plan.compute_time / scale.one, BLUE),
        Part("uploading", plan.upload_time / scale.one, ORANGE, HATCH),
    ]
    draw_stack(ax, plan, parts, plan.compute_time, "computing time")
    limit_line(ax, deadline / scale.one, f"deadline {deadline / scale.one:.4g} {scale.unit}")
    ax.set_ylabel(f"time of a round ({scale.unit})")
    from_zero(ax, max(plan.latency, deadline) / scale.one)
    legend_above(ax)
    return ax


def bandwidth_shares(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw each device's share of the band, in hertz on the left and in percent on the right.

    A line shows the share that all would have if they had the same. Up to 40 devices are bars in the fleet's order,
    with their ids. More are sorted by their share, in at most 200 steps that show the means of neighbours.

    Parameters
    ----------
    plan
        Any plan.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: hertz, with a prefix.

    Raises
    ------
    ValueError
        If `plan` is no plan or `ax` are no axes; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> bandwidth_shares(plan).get_ylabel()
    'bandwidth (MHz)'
    """
    ax = axes_for(plan, ax)
    most = float(plan.bandwidth.max())
    scale = scale_for("Hz", most)
    band = plan.constraints.bandwidth / scale.one
    draw_stack(ax, plan, [Part("bandwidth", plan.bandwidth / scale.one, GREEN)], plan.bandwidth, "share")
    equal = band / len(plan.devices)
    limit_line(ax, equal, f"equal shares, {equal:.4g} {scale.unit}")
    ax.set_ylabel(f"bandwidth ({scale.unit})")
    from_zero(ax, max(most / scale.one, equal))

    def percent(shares: ArrayLike) -> Floats:
        return np.asarray(shares, np.float64) * (100 / band)

    def share(percents: ArrayLike) -> Floats:
        return np.asarray(percents, np.float64) * (band / 100)

    right = ax.secondary_yaxis("right", functions=(percent, share))
    right.set_ylabel("% of the band")
    legend_above(ax)
    return ax


def samples(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw the data that each device trains on: what it has, and the synthetic samples on top of it.

    Up to 40 devices are bars in the fleet's order, with their ids. More are sorted by the sum, in at most 200 steps
    that show the means of neighbours.

    Parameters
    ----------
    plan
        Any plan.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: samples.

    Raises
    ------
    ValueError
        If `plan` is no plan or `ax` are no axes; it names the argument.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> samples(plan).get_ylabel()
    'training samples'
    """
    ax = axes_for(plan, ax)
    parts = [
        Part("local", plan.devices.local_samples, GREEN),
        Part("synthetic", plan.synthetic_samples, PURPLE, HATCH),
    ]
    draw_stack(ax, plan, parts, plan.samples, "samples")
    ax.set_ylabel("training samples")
    from_zero(ax, float(np.max(plan.samples)))
    legend_above(ax)
    return ax
