"""A plan as text: a table of the devices, then the totals, the certificate and the prices in words."""

import math
import textwrap

import numpy as np

from fimi_opt.models import mean_error_limit
from fimi_opt.plan import Plan, Status
from fimi_opt.plan.cells import columns_of, device_columns, numbers, short_name, shown_rows

# More devices than _ALL_ROWS are shown by their first and last ones, unless all are asked for.
_ALL_ROWS, _FIRST_ROWS, _LAST_ROWS = 40, 15, 5
_WIDTH = 120


def table(plan: Plan, *, all_rows: bool = False) -> str:
    """Show a plan as text of at most 120 columns.

    Parameters
    ----------
    plan
        Any plan.
    all_rows
        Whether a fleet of more than 40 devices is shown in full, not by its first 15 and last 5.

    Returns
    -------
    str
        Lines, the last one without a line feed.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> devices = fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2, ids=["phone", "board"])
    >>> print(table(fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, 2000))))  # doctest: +NORMALIZE_WHITESPACE
    device synthetic ...
    """
    return "\n".join([*_device_rows(plan, all_rows), "", *_totals(plan), "", *_prices(plan)])


def _device_rows(plan: Plan, all_rows: bool) -> list[str]:
    count = len(plan.devices)
    shown = shown_rows(count, count if all_rows else _ALL_ROWS, _FIRST_ROWS, _LAST_ROWS)
    names = ["device", "", *(short_name(plan.devices.ids[i]) for i in shown)]
    texts = [names, *([c.title, c.unit, *numbers(c.values[shown] / c.scale)] for c in device_columns(plan))]
    widths = [max(map(columns_of, text)) for text in texts]
    lines = []
    for name, *cells in zip(*texts, strict=True):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name + " " * (widths[0] - columns_of(name)), *padded]))
    if len(shown) < count:
        lines.insert(2 + _FIRST_ROWS, f"... {count - len(shown):,} more devices (--all shows them) ...")
    return lines


def _totals(plan: Plan) -> list[str]:
    limits = plan.constraints
    synthetic = float(np.sum(plan.synthetic_samples))
    computing, uploading = float(np.sum(plan.compute_energy)), float(np.sum(plan.upload_energy))
    band = float(np.sum(plan.bandwidth))
    allowed = mean_error_limit(limits.max_global_error, limits.rounds, plan.task.learning.zeta)
    lines = {
        "energy": f"{plan.energy:.6g} J per round: computing {_joules(computing)}, uploading {_joules(uploading)}",
        "lower bound": f"{plan.lower_bound:.6g} J, no plan takes less: certified gap {max(plan.gap, 0.0):.1e}",
        "status": f"{plan.status}" if plan.status is Status.OPTIMAL else f"{plan.status}; {plan.status.remedy}",
        "latency": f"{plan.latency:.6g} s per round, deadline {limits.max_latency:.6g} s",
        "local error": f"{plan.mean_error:.6g} on average, limit {allowed:.6g}",
        "global error": f"{plan.global_error:.6g} after {limits.rounds:g} rounds, limit {limits.max_global_error:.6g}",
        "synthetic": f"{synthetic:,.1f} samples in total, {synthetic / len(plan.devices):,.1f} per device",
        "band": f"{band / 1e6:.6g} MHz in use of {limits.bandwidth / 1e6:.6g} MHz",
    }
    return [textwrap.fill(f"{title:<14}{text}", _WIDTH, subsequent_indent=" " * 14) for title, text in lines.items()]


def _prices(plan: Plan) -> list[str]:
    """Say what looser limits would save: energy is convex in each, so a price times a step is an upper bound."""
    limits, prices, zeta = plan.constraints, plan.prices, plan.task.learning.zeta

    def most(saved: float) -> str:
        return _joules(min(saved, plan.energy))

    allowed = mean_error_limit(limits.max_global_error, limits.rounds, zeta)
    megahertz, seconds = _step(limits.bandwidth) / 1e6, _step(limits.max_latency)
    error = _step(allowed)
    lines = ["What looser limits would save, per round and at most:"]
    lines.append(f"  {megahertz:g} MHz more band: {most(prices.bandwidth * megahertz * 1e6)}")
    lines.append(f"  {seconds:g} s more time: {most(prices.latency * seconds)}")
    if prices.error == 0:
        lines.append("  more error: nothing, the local data alone is good enough")
    else:
        exponent = limits.rounds * (allowed + error - 1) / zeta
        how = f", as max_global_error = {math.exp(exponent):.4g} allows" if exponent < 0 else ""
        lines.append(f"  {error:g} more local error{how}: {most(prices.error * error)}")
    return lines


def _step(limit: float) -> float:
    """Return the power of ten that is between 1 % and 10 % of a limit."""
    return float(10.0 ** math.floor(math.log10(abs(limit) / 10))) if limit else 0.01


def _joules(energy: float) -> str:
    return f"{energy:,.0f} J" if 1000 <= energy < 1e7 else f"{energy:.4g} J"
