"""Tables and figures that the pages quote, with 95 % confidence intervals over seeds (Student's t)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from paper.means import Mean, gap_text, mean_of
from paper.table_one import BITS_PER_GIGABYTE

from . import errors
from .campaign import Found
from .digits import Floats
from .laws import UNTOLD, Law, optimism
from .network import PARAMETERS
from .runs import Run
from .schemes import ABLATIONS, CONTROLS, PAPERS, RECIPES
from .settings import NETWORK_BITS, SETTINGS

# FIMI is ahead where the interval of the paired difference of accuracies is above this on the whole.
MARGIN = 0.02
# In this setting, of these: the one claim that the run checks. The others are reported, whatever they are.
CLAIMED_IN = "scarce"
CLAIMED = ("TFL", "TFL, equal steps", "HDC")
_SECONDS_PER_HOUR = 3600.0


class Lead(NamedTuple):
    """FIMI's accuracy less another's, paired by seeds."""

    setting: str
    scheme: str
    difference: Mean

    @property
    def holds(self) -> bool:
        """Whether the whole interval is above the margin."""
        return self.difference.value - self.difference.half > MARGIN

    @property
    def text(self) -> str:
        """One line."""
        word = "ahead" if self.holds else "NOT ahead by the margin"
        return f"{self.setting}: FIMI less {self.scheme}: {points(self.difference)} points of accuracy, {word}"


def leads(runs: Sequence[Run]) -> list[Lead]:
    """Return the claimed leads, of the schemes that were run."""
    present = {run.scheme for run in runs}
    return [Lead(CLAIMED_IN, name, paired(runs, CLAIMED_IN, name)) for name in CLAIMED if name in present]


def paired(runs: Sequence[Run], setting: str, scheme: str, other: str = "FIMI") -> Mean:
    """Accuracy after the last round of `other` less that of `scheme`, seed by seed."""
    first, second = (accuracies(runs, setting, name)[:, -1] for name in (other, scheme))
    return mean_of((first - second).tolist())


def accuracies(runs: Sequence[Run], setting: str, scheme: str) -> Floats:
    """Of every seed after each round, (seeds, rounds)."""
    return np.array([run.accuracies for run in chosen(runs, setting, scheme)])


def chosen(runs: Sequence[Run], setting: str, scheme: str) -> list[Run]:
    """Runs of one scheme in one setting, by seeds."""
    return sorted((run for run in runs if (run.setting, run.scheme) == (setting, scheme)), key=lambda run: run.seed)


def rounds_to(target: float, accuracy: Sequence[float]) -> int | None:
    """First round after which the accuracy is this or more, counted from 1; None if there is none.

    Examples
    --------
    >>> rounds_to(0.5, [0.3, 0.5, 0.4]), rounds_to(0.9, [0.3])
    (2, None)
    """
    return next((k for k, value in enumerate(accuracy, start=1) if value >= target), None)


def points(mean: Mean) -> str:
    """Percentage points, with the sign and the interval."""
    return f"{100 * mean.value:+.1f} ± {100 * mean.half:.1f}"


def percent(mean: Mean) -> str:
    """Per cent with the interval."""
    return Mean(100 * mean.value, 100 * mean.half).text(1)


def line(runs: Sequence[Run], setting: str, scheme: str) -> str:
    """One scheme's line of the table: rounds, energy, time and uplink to the target, and accuracies."""
    own, target = chosen(runs, setting, scheme), SETTINGS[setting].target
    reached = [rounds_to(target, run.accuracies) for run in own]
    counts = [math.inf if count is None else count for count in reached]
    quarters = np.quantile(counts, (0.25, 0.5, 0.75), method="nearest")
    energy = [times(count, run.energy) for count, run in zip(counts, own, strict=True)]
    hours = own[0].latency / _SECONDS_PER_HOUR
    gigabytes = own[0].uplink_bits / BITS_PER_GIGABYTE
    cells = [
        scheme,
        mean_of([run.energy for run in own]).text(1),
        f"{counted(quarters[1])} ({counted(quarters[0])} to {counted(quarters[2])})",
        counted(float(np.quantile(energy, 0.5, method="nearest"))),
        *(counted(times(quarters[1], each), 2 if each else 0) for each in (hours, gigabytes)),
        percent(mean_of([run.accuracies[-1] for run in own])),
        percent(mean_of([max(run.accuracies) for run in own])),
        "-" if scheme == "FIMI" else points(paired(runs, setting, scheme)),
    ]
    return f"| {' | '.join(cells)} |"


def times(count: float, each: float) -> float:
    """So many times this, of which there is no end where the target was not reached.

    Examples
    --------
    >>> times(3, 2.0), times(float("inf"), 0.0)
    (6.0, inf)
    """
    return count * each if math.isfinite(count) else math.inf


def counted(value: float, digits: int = 0) -> str:
    """Write a number; N/A where the target was not reached.

    Examples
    --------
    >>> counted(1234.5), counted(float("inf"))
    ('1,234', 'N/A')
    """
    return f"{value:,.{digits}f}" if math.isfinite(value) else "N/A"


def texts(found: Found) -> dict[str, str]:
    """Return all that the pages quote."""
    out: dict[str, str] = {}
    for setting in SETTINGS:
        present = [name for name in RECIPES if chosen(found.runs, setting, name)]
        for part, names in (("papers", PAPERS), ("ablations", ABLATIONS), ("controls", CONTROLS)):
            lines = [line(found.runs, setting, name) for name in names if name in present]
            out[f"{setting}_{part}"] = "\n".join(lines)
        out[f"{setting}_target"] = f"{100 * SETTINGS[setting].target:.0f} %"
        out[f"{setting}_alike"] = "\n".join(_alike_line(found.runs, setting, name) for name in present)
        out |= _loop(found, setting)
        for name in present:
            key = f"{setting}_{name.lower().replace(',', '').replace(' ', '_').replace('/', '')}"
            out[f"{key}_last"] = percent(mean_of(accuracies(found.runs, setting, name)[:, -1].tolist()))
            out[f"{key}_behind"] = "-" if name == "FIMI" else points(paired(found.runs, setting, name))
            out[f"{key}_joules"] = line(found.runs, setting, name).split(" | ")[3]
    out["words"] = "\n".join(f"| {name} | {recipe.words} |" for name, recipe in RECIPES.items())
    out["seeds"] = str(len(found.real))
    out["rounds"] = str(len(found.runs[0].accuracies))
    out["margin"] = f"{100 * MARGIN:.0f}"
    out["leads"] = "\n".join(f"  * {lead.text}" for lead in leads(found.runs))
    out["parameters"] = f"{PARAMETERS:,}"
    out["kilobits"] = f"{NETWORK_BITS / 1e3:.0f}"
    return out | _curve(found) | _laws(found)


def _alike_line(runs: Sequence[Run], setting: str, scheme: str) -> str:
    own = chosen(runs, setting, scheme)
    if not own[0].similarity:
        return f"| {scheme} | - | - |"
    alike = mean_of([float(np.mean(run.similarity)) for run in own]).text(3)
    entropy = mean_of([run.entropy for run in own if run.entropy is not None]).text(2)
    return f"| {scheme} | {alike} | {entropy} |"


def _loop(found: Found, setting: str) -> dict[str, str]:
    """What the curve predicted and what came of it."""
    shape, zeta = SETTINGS[setting], found.zetas[setting]
    own = chosen(found.runs, setting, "FIMI")
    predicted = [run.predicted for run in own if run.predicted is not None]
    added = np.array([run.added for run in own])
    last = accuracies(found.runs, setting, "FIMI")[:, -1]
    uniform = found.uniform[setting][:, -1]
    return {
        f"{setting}_zeta": f"{zeta:.1f}",
        f"{setting}_devices": str(shape.devices),
        f"{setting}_local": str(shape.local),
        f"{setting}_asked": str(shape.added),
        f"{setting}_optimism": points(mean_of((np.array(predicted) - last).tolist())),
        f"{setting}_predicted": f"{100 * float(np.mean(predicted)):.1f} %",
        f"{setting}_limit": f"{1 - float(np.mean(predicted)):.4f}",
        f"{setting}_uniform": percent(mean_of((1 - uniform).tolist())) + " %",
        f"{setting}_added": f"{added.min():.0f} to {added.max():.0f}",
        f"{setting}_total": f"{added.sum(axis=1).mean():.0f}",
        f"{setting}_gap": f"{100 * max(run.gap for run in own):.2f} %",
    }


def _curve(found: Found) -> dict[str, str]:
    curve, unit = found.curve, found.curve.standard_errors
    return {
        "alpha": f"{curve.alpha:.2f} ± {unit.alpha:.2f}",
        "beta": f"{curve.beta:.3f} ± {unit.beta:.3f}",
        "gamma": f"{curve.gamma:.3f} ± {unit.gamma:.3f}",
        "amounts": ", ".join(map(str, errors.REAL)),
    }


def _laws(found: Found) -> dict[str, str]:
    lines: list[str] = []
    out: dict[str, str] = {}
    for kind, laws in found.laws.items():
        data = found.mixed[kind]
        free = optimism(data, laws["constant"].curve)
        for name, law in laws.items():
            cells = [kind, name, _interval(law, "q"), _interval(law, "ceiling"), f"{100 * law.misfit:.1f}"]
            lines.append(f"| {' | '.join([*cells, f'{100 * free:.1f}', f'{100 * law.noise:.1f}'])} |")
            key = f"{kind.lower().replace(' ', '_')}_{name}"
            out |= {f"{key}_q": _interval(law, "q"), f"{key}_ceiling": _interval(law, "ceiling")}
    out["law_table"] = "\n".join(lines)
    out["plan_table"] = "\n".join(
        (
            f"| {plan.label} | {plan.energy:.1f} | {plan.synthetic:.0f} | {gap_text(plan.gap)} |"
            if math.isfinite(plan.energy)
            else f"| {plan.label} | no plan | - | - |"
        )
        for plan in found.plans
        if plan.listed
    )
    return out


def _interval(law: Law, name: str) -> str:
    value, low, high = (getattr(worth, name) for worth in (law.worth, law.low, law.high))
    if np.isinf(value):
        return "-"
    if high > UNTOLD:
        return f"above {low:.1f}"
    digits = 0 if name == "ceiling" else 2
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
