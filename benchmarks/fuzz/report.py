"""What a campaign comes to: figures, and the page of the documentation made of them."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from .judging import AGREEMENT, GAP_LIMIT, SOLVED_GAP

# What our own plans miss a limit by at most.
KEPT = 1e-12
TEMPLATE = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))
QUANTILES = {"median": 0.5, "q99": 0.99, "q999": 0.999, "worst": 1.0}
# No gap is known better than this: sums of so many terms.
_NOTHING = 1e-16


def summary(rows: Sequence[dict[str, Any]], peers: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Figures of the campaign, by corner and in all."""
    corners: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        corners[row["corner"] or "no answer"].append(row)
    return {
        "seed": seed,
        "all": _figures(rows),
        "corners": {corner: _figures(found) for corner, found in sorted(corners.items())},
        "failures": dict(Counter(row["failure"] for row in rows if row["failure"]).most_common()),
        "placed": _placed(rows),
        "sizes": {"least": min(row["devices"] for row in rows), "greatest": max(row["devices"] for row in rows)},
        "peers": _peers(peers),
        "peers_asked": len(peers),
    }


def _figures(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    plans = [row for row in rows if row["outcome"] == "plan"]
    refusals = [row for row in rows if row["outcome"] == "infeasible"]
    gaps = np.array([row["gap"] for row in plans if row["gap"] is not None])
    optimal = [row for row in plans if row["gap"] is not None and row["gap"] <= SOLVED_GAP]
    cure_gaps = [row["cure_gap"] for row in refusals if row["cure_gap"] is not None]
    return {
        "count": len(rows),
        "plans": len(plans),
        "refusals": len(refusals),
        # Instances that have a plan, for all we know: those that were planned, and those that ended in nothing.
        "to_solve": len(rows) - len(refusals),
        "solved": len(optimal),
        "confirmed": sum(not row["failure"] for row in optimal),
        "gaps": {name: float(np.quantile(gaps, q)) if gaps.size else None for name, q in QUANTILES.items()},
        "prices_alone": [
            sum(row["gap_by_prices"] is not None and row["gap_by_prices"] <= GAP_LIMIT for row in plans),
            sum(row["gap_by_prices"] is not None for row in plans),
        ],
        "violation": max((row["violation"] for row in plans if row["violation"] is not None), default=None),
        "cures": sum(row["cures"] for row in refusals),
        "cure_gap": max(cure_gaps, default=None),
        "refusals_confirmed": sum(not row["failure"] for row in refusals),
        "seconds": max((row["seconds"] for row in rows), default=0.0),
        "failures": sum(bool(row["failure"]) for row in rows),
    }


def _placed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Plans by the decade of their margin to infeasibility: how many, how many certified, the largest gap."""
    found: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row["margin"] > 0 and row["gap"] is not None:
            found[max(math.floor(math.log10(row["margin"])), -9) if row["margin"] < 0.1 else -1].append(row["gap"])
    return {
        f"{decade}": {"count": len(gaps), "solved": sum(gap <= SOLVED_GAP for gap in gaps), "worst": max(gaps)}
        for decade, gaps in sorted(found.items(), reverse=True)
    }


def _peers(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares over the same instances: those that were planned."""
    found: dict[str, Any] = {}
    compared = [row for row in rows if row.get("peers")]
    if not compared:
        return found
    ours = [row["ours"] for row in compared]
    for name, limit in (("fimi_opt, certified to 1e-9", SOLVED_GAP), ("fimi_opt, certified to 1e-6", AGREEMENT)):
        certified = [row for row in ours if row["gap"] is not None and row["gap"] <= limit]
        right = sum(not row["failure"] for row in certified)
        found[name] = {"count": len(ours), "solved": len(certified), "right": right}
    for name in compared[0]["peers"]:
        answers = [row["peers"][name] for row in compared]
        solved = [answer for answer in answers if answer["solved"]]
        found[name] = {
            "count": len(answers),
            "solved": len(solved),
            "right": sum(map(_peer_is_right, solved)),
            "beats_us": sum(answer["solved"] and _beats_us(answer) for answer in answers),
        }
    return found


def _peer_is_right(answer: dict[str, Any]) -> bool:
    """Whether it keeps the limits and takes our energy, both to AGREEMENT; or beats us."""
    if answer["energy"] is None:
        return False
    return abs(answer["energy"]) <= AGREEMENT >= answer["violation"] or _beats_us(answer)


def _beats_us(answer: dict[str, Any]) -> bool:
    """Whether it takes visibly less energy within the limits: our plan was not the optimum, its gap open."""
    return answer["energy"] is not None and answer["energy"] < -AGREEMENT and answer["violation"] <= KEPT


# --- The page ---------------------------------------------------------------------------------------------------------


def page(figures: dict[str, Any]) -> str:
    """Return the page, every number on it from these figures."""
    total = figures["all"]
    return TEMPLATE.substitute(
        seed=figures["seed"],
        count=f"{total['count']:,}",
        least=figures["sizes"]["least"],
        greatest=f"{figures['sizes']['greatest']:,}",
        plans=f"{total['plans']:,}",
        refusals=f"{total['refusals']:,}",
        cures=f"{total['cures']:,}",
        share_solved=_share(total["solved"], total["to_solve"]),
        share_confirmed=_share(total["confirmed"], total["solved"]),
        share_refusals=_share(total["refusals_confirmed"], total["refusals"]),
        worst_gap=_small(total["gaps"]["worst"]),
        worst_violation=_small(total["violation"]),
        prices_alone=_share(*total["prices_alone"]),
        slowest=f"{total['seconds']:.2g}",
        failures=total["failures"],
        failure_table=_failure_table(figures["failures"]),
        corner_table=_corner_table(figures["corners"], total),
        margin_table=_margin_table(figures["placed"]),
        peer_table=_peer_table(figures["peers"]),
        peers=f"{figures['peers_asked']:,}",
    )


def _corner_table(corners: dict[str, Any], total: dict[str, Any]) -> str:
    lines = [
        "| corner | instances | plans | refusals | critical values confirmed | solved at 1e-9 | gap: median | 99.9 %"
        " | worst | failures |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for corner, found in [*corners.items(), ("all", total)]:
        gaps = found["gaps"]
        cells = (
            corner,
            f"{found['count']:,}",
            f"{found['plans']:,}",
            f"{found['refusals']:,}",
            f"{found['cures']:,}",
            _share(found["solved"], found["to_solve"]),
            *(_small(gaps[name]) for name in ("median", "q999", "worst")),
            str(found["failures"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _margin_table(placed: dict[str, Any]) -> str:
    lines = ["| margin | plans | solved at 1e-9 | worst gap |", "| --- | --- | --- | --- |"]
    for decade, found in placed.items():
        words = "above 0.1" if decade == "-1" else f"1e{decade} to 1e{int(decade) + 1}"
        share = _share(found["solved"], found["count"])
        lines.append(f"| {words} | {found['count']:,} | {share} | {_small(found['worst'])} |")
    return "\n".join(lines)


def _failure_table(failures: dict[str, int]) -> str:
    if not failures:
        return "None."
    return "\n".join(["| what | instances |", "| --- | --- |", *(f"| {kind} | {n} |" for kind, n in failures.items())])


def _peer_table(peers: dict[str, Any]) -> str:
    if not peers:
        return "Not run."
    lines = [
        "| solver | instances | says solved | of these right | beats our plan |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in peers.items():
        solved, right = _share(found["solved"], found["count"]), _share(found["right"], found["solved"])
        lines.append(f"| {name} | {found['count']:,} | {solved} | {right} | {found.get('beats_us', '-')} |")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    """Percent, never rounded up to 100."""
    if whole == 0:
        return "-"
    return "100 %" if part == whole else f"{math.floor(100_000 * part / whole) / 1000:.3f} %"


def _small(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1e}" if value > _NOTHING else "0"
