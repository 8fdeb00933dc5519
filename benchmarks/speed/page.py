"""The page of the documentation: a template, filled with what the results say."""

from pathlib import Path
from string import Template
from typing import Any

from .aims import MILLION, aims
from .children import EMPTY
from .conic import NODES
from .contenders import CLARABEL, EVALUATION, IPOPT, IPOPT_SECONDS, LOOP, MANY, PYCMA, SEARCHED, SLSQP, WARM
from .fleets import FADING_DB
from .rows import BASE, Results, Start, over
from .searches import PRINTED_SAMPLES, SETTINGS
from .table import HEADER, cells, digits, markdown, seconds, spread

TEMPLATE = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))


def fill(results: Results) -> str:
    """Return the page."""
    batch = next((row for row in results.rows if row.method == MANY), None)
    return TEMPLATE.substitute(
        machine=_machine(results.machine),
        failures=_failures(results),
        table=markdown(HEADER, [cells(results, row) for row in results.rows]),
        aims=markdown(("what", "aim", "measured", "met"), [aim.cells() for aim in aims(results)]),
        starts=_starts(results.starts),
        cores=f"{results.machine['cores']} cores here",
        fading=digits(FADING_DB),
        batch=batch.note if batch else "not measured",
        ipopt_limit=f"{IPOPT_SECONDS:.0f}",
        nodes=NODES,
        samples=SETTINGS.samples,
        elite=SETTINGS.elite,
        iterations=SETTINGS.iterations,
        printed_samples=PRINTED_SAMPLES,
        losses="\n".join(f"* {text}" for text in _losses(results)),
    )


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    memory = f", {machine['memory_gib']} GiB" if machine["memory_gib"] else ""
    load = machine["load_before"]
    busy = "" if load is None else f"; load average before the run {load}"
    return (
        f"{machine['processor']}, {machine['cores']} cores{memory}, {machine['system']}, Python {machine['python']},"
        f" {packages}{busy}"
    )


def _failures(results: Results) -> str:
    failures = results.failures()
    if not failures:
        return "In this run every row passed."
    return "In this run these did not:\n\n" + "\n".join(f"* {text}" for text in failures)


def _starts(starts: list[Start]) -> str:
    rows = [(start.what, seconds(start.median), spread(start.low, start.high), str(start.runs)) for start in starts]
    return markdown(("whole process, from its start to its end", "median", "10-90 %", "runs"), rows)


def _losses(results: Results) -> list[str]:
    """Say where another way is better, or we are far from what there is; from what was measured alone."""
    held = [aim.met for aim in aims(results) if aim.met is not None]
    said = [
        f"{held.count(False)} of {len(held)} aims that were measured are not met: the table above says which.",
        _limit(results),
        _warm(results),
        _searches(results),
        _small(results),
        _batch(results),
        _first(results),
        "The general solvers are told nothing about the problem but its formulas: another term in the energy or another"
        " limit is a line for them, and a derivation for us. For a model that is not this one, use them.",
    ]
    return [text for text in said if text]


def _limit(results: Results) -> str:
    ours, limit = results.find(BASE, MILLION), results.find(EVALUATION, MILLION)
    ratio = over(ours, limit)
    if ratio is None:
        return ""
    return (
        f"{MILLION:,} devices take {digits(ratio)} times one evaluation of their model. Finding the prices takes"
        " several looks at every device, the certificate one more with functions of its own, and checks and results"
        " touch memory."
    )


def _warm(results: Results) -> str:
    sizes = sorted({row.devices for row in results.rows if row.method == WARM})
    ratios = [(size, over(results.find(WARM, size), results.find(BASE, size))) for size in sizes]
    known = [f"{digits(ratio)} at {size:,}" for size, ratio in ratios if ratio is not None]
    if not known:
        return ""
    return (
        f"A warm start takes, as a part of a cold solve: {', '.join(known)} devices. It saves steps of the search"
        " alone; validation, scaling, the certificate and the plan cost what they cost, and the cold search is short."
    )


def _searches(results: Results) -> str:
    theirs, ours = results.find(PYCMA, 20), results.find(SEARCHED, 20)
    if not (theirs and ours and theirs.evaluations and ours.evaluations):
        return ""
    return (
        f"As searches go, pycma ends after {theirs.evaluations:,} evaluations, the paper's cross-entropy, ours, after"
        f" {ours.evaluations:,}. pycma asks for one at a time in Python, ours for a thousand in jitted code:"
        f" {seconds(theirs.median)} against {seconds(ours.median)}. Neither proves how good it is."
    )


def _small(results: Results) -> str:
    ratios = {name: results.find(name, 20) for name in (IPOPT, CLARABEL, SLSQP)}
    base = results.find(BASE, 20)
    known = [f"{name} {digits(ratio)}" for name, row in ratios.items() if (ratio := over(row, base)) is not None]
    if not known:
        return ""
    return (
        f"At 20 devices, in times of ours: {', '.join(known)}. There Python's share counts, in ours as in theirs, and"
        " general solvers have little to factorise."
    )


def _batch(results: Results) -> str:
    loop = next((row for row in results.rows if row.method == LOOP), None)
    many = next((row for row in results.rows if row.method == MANY), None)
    ratio = over(many, loop)
    if ratio is None or many is None:
        return ""
    return f"`solve_many` takes {digits(ratio)} of a loop over `solve`, {seconds(many.median)} per small fleet."


def _first(results: Results) -> str:
    cold = next((start for start in results.starts if start.what == EMPTY), None)
    if cold is None:
        return ""
    return f"The first solve ever compiles: {seconds(cold.median)} until its process ends. The others come compiled."
