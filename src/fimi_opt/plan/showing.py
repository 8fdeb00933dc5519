"""A plan at a glance, as text and for notebooks: how good it is, its limits and their prices, the first devices."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from fimi_opt.models import mean_error_limit
from fimi_opt.plan.cells import columns_of, device_columns, numbers, short_name, shown_rows
from fimi_opt.plan.terms import FIMI, Status

if TYPE_CHECKING:
    from fimi_opt.plan.answer import Plan

# More devices than _ALL_ROWS are shown by their first and last ones: a glance, not the table of `python -m fimi_opt`.
_ALL_ROWS, _FIRST_ROWS, _LAST_ROWS = 12, 6, 3
_WIDTH = 100

# No colours and no style sheet: a notebook's own, light or dark, stay in force, in tables too.
_CELL = ' style="text-align: right; padding: 0.1em 0.6em"'
_FIRST_CELL = ' style="text-align: left; padding: 0.1em 0.6em"'
_TABLE = (
    '<table style="border-collapse: collapse; margin: 0 0 1em 0; color: inherit; font-size: inherit; '
    'font-variant-numeric: tabular-nums">'
)


def as_text(plan: Plan) -> str:
    """Show a plan as text of at most 100 columns, long words and wide names aside; what ``print(plan)`` prints."""
    head = [textwrap.fill(line, _WIDTH) for line in _head(plan)]
    devices = _aligned(_devices(plan))
    if (left_out := _left_out(plan)) > 0:
        devices.insert(2 + _FIRST_ROWS, f"... {left_out:,} more devices ...")
    return "\n".join([*head, "", *_aligned(_limits(plan)), "", *devices])


def as_html(plan: Plan) -> str:
    """Show a plan as HTML without scripts, colours or anything from elsewhere; what notebooks show."""
    title, *others = (escape(line) for line in _head(plan))
    titles, units, *devices = _devices(plan)
    rows = [_html_row(row) for row in devices]
    if (left_out := _left_out(plan)) > 0:
        rows.insert(
            _FIRST_ROWS, f'<tr><td colspan="{len(titles)}"{_FIRST_CELL}>… {left_out:,} more devices …</td></tr>'
        )
    limit_titles, *limits = _limits(plan)
    return "\n".join(
        [
            "<div>",
            f"<p><b>{title}</b><br>{'<br>'.join(others)}</p>",
            _TABLE,
            f"<thead>{_html_row(limit_titles, 'th')}</thead>",
            f"<tbody>{''.join(_html_row(row) for row in limits)}</tbody>",
            "</table>",
            _TABLE,
            f"<thead>{_html_row(titles, 'th')}{_html_row(units)}</thead>",
            f"<tbody>{''.join(rows)}</tbody>",
            "</table>",
            "</div>",
        ]
    )


def _head(plan: Plan) -> list[str]:
    """Return a title, the status in words, the energy with its bound, and the problem where it is not FIMI's."""
    count = len(plan.devices)
    status = f"{plan.status}" if plan.status is Status.OPTIMAL else f"{plan.status}; {plan.status.remedy}"
    lines = [
        f"{plan.scheme.name} plan of {count:,} device{'s'[: count != 1]}, method {plan.method}",
        status,
        f"energy {plan.energy:.6g} J per round, lower bound {plan.lower_bound:.6g} J, "
        f"certified gap {max(plan.gap, 0.0):.1e}",
    ]
    if plan.scheme != FIMI:
        lines.append(f"the bound is that of its own problem: {plan.scheme.problem}")
    return lines


def _limits(plan: Plan) -> list[list[str]]:
    """Return titles, then for each limit what the plan reaches, the limit, and its price."""
    limits, prices, zeta = plan.constraints, plan.prices, plan.task.learning.zeta
    allowed = mean_error_limit(limits.max_global_error, limits.rounds, zeta)
    kept = "" if plan.scheme.meets_error_limit else ", not kept"
    band = float(plan.bandwidth.sum())
    return [
        ["limit", "reached", "allowed", "price"],
        ["time of a round", f"{plan.latency:.6g} s", f"{limits.max_latency:.6g} s", f"{prices.latency:.4g} J/s"],
        ["band", f"{band / 1e6:.6g} MHz", f"{limits.bandwidth / 1e6:.6g} MHz", f"{prices.bandwidth * 1e6:.4g} J/MHz"],
        ["mean local error", f"{plan.mean_error:.6g}", f"{allowed:.6g}{kept}", f"{prices.error / 100:.4g} J per 0.01"],
        [
            f"error after {limits.rounds:g} rounds",
            f"{plan.global_error:.6g}",
            f"{limits.max_global_error:.6g}{kept}",
            "",
        ],
    ]


def _devices(plan: Plan) -> list[list[str]]:
    """Return titles, units, then the rows that are shown."""
    rows = shown_rows(len(plan.devices), _ALL_ROWS, _FIRST_ROWS, _LAST_ROWS)
    texts = [["device", "", *(short_name(plan.devices.ids[i]) for i in rows)]]
    texts += [[c.title, c.unit, *numbers(c.values[rows] / c.scale)] for c in device_columns(plan)]
    return [list(row) for row in zip(*texts, strict=True)]


def _left_out(plan: Plan) -> int:
    count = len(plan.devices)
    return count - len(shown_rows(count, _ALL_ROWS, _FIRST_ROWS, _LAST_ROWS))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: the first cell to the left, the others to the right."""
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *cells in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([first + " " * (widths[0] - columns_of(first)), *padded]).rstrip())
    return lines


def _html_row(cells: Sequence[str], tag: str = "td") -> str:
    styles = [_FIRST_CELL, *[_CELL] * (len(cells) - 1)]
    inner = "".join(f"<{tag}{style}>{escape(cell)}</{tag}>" for cell, style in zip(cells, styles, strict=True))
    return f"<tr>{inner}</tr>"
