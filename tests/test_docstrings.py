"""Every public name has a complete docstring: what it is, its arguments, shapes, units, errors, and an example.

By numpydoc's validation, and by rules of our own for what it does not know: shapes, units, and errors that are raised
further down (docstring_rules.py).
"""

import importlib
import inspect
from collections.abc import Callable, Iterator

import docstring_rules as rules
import pytest
from docstring_rules import Public

import fimi_opt as fo
from fimi_opt.adapters.device_plan import DevicePlan

MODULES = (
    "models",
    "baselines",
    "scenarios",
    "reading",
    "exporting",
    "partitions",
    "emulation",
    "plotting",
    "adapters.flower",
    "adapters.nvflare",
)

# Complaints that stand, each with its reason: the name, what the complaint begins with, and why.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("Plan", "InvalidInputError"): "solve() makes plans; what is refused of a changed one is its arrays' shape",
    ("baselines.ServerSidePlan", "InvalidInputError"): "as Plan",
    ("warm_up", "InvalidInputError"): "it plans fleets of its own, which are valid",
    ("warm_up", "InfeasibleError"): "it plans fleets of its own; that of the one without a plan is caught",
    ("warm_up", "NumericalError"): "it plans fleets of its own, which have room",
}


def names_in(module: str) -> Iterator[Public]:
    loaded = importlib.import_module(f"fimi_opt.{module}")
    own = [name for name in vars(loaded) if not name.startswith("_")]
    for name in getattr(loaded, "__all__", own):
        value = getattr(loaded, name)
        is_own = hasattr(loaded, "__all__") or getattr(value, "__module__", "") == loaded.__name__
        if is_own and (inspect.isfunction(value) or inspect.isclass(value)):
            yield Public(f"{module}.{name}", value)


def every() -> Iterator[Public]:
    top = [Public(name, getattr(fo, name)) for name in fo.__all__]
    top += [public for module in MODULES for public in names_in(module)]
    top.append(Public("adapters.DevicePlan", DevicePlan))
    for public in top:
        if inspect.isfunction(public.value) or inspect.isclass(public.value):
            yield public
            if inspect.isclass(public.value):
                yield from rules.members(public)


EVERY = list(every())
RULES = (rules.codes, rules.unexplained, rules.without_shape_or_unit, rules.unsaid_errors)


def complaints(public: Public) -> Iterator[str]:
    for rule in RULES:
        yield from rule(public)


@pytest.mark.parametrize("public", EVERY, ids=lambda public: public.name)
def test_docstring_is_complete(public: Public) -> None:
    stand = [start for name, start in EXCEPTIONS if name == public.name]
    found = [words for words in complaints(public) if not words.startswith(tuple(stand))]
    assert not found, "\n".join([public.name, *found])


def test_exceptions_are_needed() -> None:
    found = {(public.name, words) for public in EVERY for words in complaints(public)}
    for name, start in EXCEPTIONS:
        assert any(name == other and words.startswith(start) for other, words in found), (name, start)


def test_all_that_is_public_is_looked_at() -> None:
    names = {public.name for public in EVERY}
    assert {"solve", "Devices", "Plan.energy", "Plan.to_dict", "models.rate", "plotting.energy"} <= names
    assert len(EVERY) > 100


# --- The rules themselves ---------------------------------------------------------------------------------------------


def no_docstring(x: int) -> int:
    return x


def no_parameters(x: int) -> int:
    """Return it.

    Returns
    -------
    int
        It.

    Examples
    --------
    >>> no_parameters(1)
    1
    """
    return x


def test_a_missing_docstring_or_parameter_is_found() -> None:
    assert any("GL08" in words for words in rules.codes(Public("x", no_docstring)))
    assert any("PR01" in words for words in rules.codes(Public("x", no_parameters)))


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("g, (I,), linear power gain.", []),
        ("Seconds, (I, C).", []),
        ("As for :func:`rate`.", []),
        ("Seconds.", ["shape"]),
        ("Something, (I,).", ["unit"]),
        ("Something.", ["shape", "unit"]),
    ],
)
def test_a_missing_shape_or_unit_is_found(said: str, missing: list[str]) -> None:
    assert [words.split()[1] for words in rules.lacking("x", said)] == missing


@pytest.mark.parametrize(
    ("function", "errors"),
    [
        (fo.solve, {fo.InvalidInputError, fo.InfeasibleError, fo.NumericalError}),
        (fo.Devices, {fo.InvalidInputError}),
        (fo.verify, set()),
        (fo.models.round_energy, set()),
    ],
)
def test_errors_from_further_down_are_found(function: Callable[..., object], errors: set[type]) -> None:
    assert {error for error in rules.raised_by(function) if issubclass(error, fo.FimiError)} == errors
