"""What a user may state: every refusal names the culprit, and odd values warn at the caller's own line."""

import datetime
import decimal
import fractions
import re
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fimi_opt as fo
from fimi_opt._checks import RANGES

FLEET: dict[str, Any] = {
    "local_samples": [1250.0, 900.0],
    "energy_coefficient": 5e-27,
    "max_frequency": 1.5e9,
    "channel_gain": [3e-11, 1e-10],
    "max_power": 0.2,
    "noise_density": 4e-21,
}
LIMITS: dict[str, Any] = {
    "max_global_error": 0.2,
    "rounds": 200,
    "max_latency": 60.0,
    "bandwidth": 3e6,
    "max_synthetic": 2000,
}
CURVE = {"alpha": 3.0, "beta": 0.25, "gamma": 0.1, "zeta": 77.6}
TASK: dict[str, Any] = {
    "learning": fo.PAPER_TASK.learning,
    "cycles_per_sample": 5e6,
    "local_epochs": 1,
    "update_bits": 1e8,
}
SPAN = np.timedelta64(2, "s")  # NumPy's spans of time call themselves integers
SCALARS = [
    *((fo.Constraints, LIMITS, name) for name in LIMITS if name != "max_synthetic"),
    *((fo.LearningCurve, CURVE, name) for name in CURVE),
    *((fo.Task, TASK, name) for name in TASK if name != "learning"),
]


def refused(make: Any, given: dict[str, Any], message: str, **changes: Any) -> None:
    """The message is the whole message."""
    with pytest.raises(fo.InvalidInputError, match=rf"\A{re.escape(message)}\Z"):
        make(**{**given, **changes})


# --- The fleet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLEET)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1e-9, -1.0], "{} of device 1 must be positive, got -1{}"),
        ([0.0, 1e-9], "{} of device 0 must be positive, got 0{}"),
        ([1e-9, np.nan], "{} of device 1 must be finite, got nan"),
        ([np.inf, np.nan], "{} of device 0 must be finite, got inf"),
        ([1e-300, 1e-300], "{} of device 0 must be at least {least:g}, got 1e-300{}"),
        ([1e300, 1.0], "{} of device 0 must be at most {greatest:.17g}, got 1e+300{}"),
        (["1", "2"], "{} must be real numbers, got <U1"),
        ([1.0, None], "{} must be real numbers, got None"),
        ([1.0, 2j], "{} must be real numbers, got complex128"),
        ([True, False], "{} must be real numbers, got bool"),
        ([[1.0], [1.0, 2.0]], "{} must be a regular array: its rows differ in length"),
        ([10**400, 1], "{} must be real numbers: int too large to convert to float"),
        ([fractions.Fraction(1, 2), "x" * 9000], "{} must be real numbers, got 'xxxx"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "{} has masked values: fill them, or leave these devices out"),
    ],
)
def test_a_device_that_cannot_be(name: str, values: Any, message: str) -> None:
    limits = RANGES[name]
    hint = f" ({limits.hint})" if limits.hint else ""
    wanted = message.format(name, hint, least=limits.least, greatest=limits.greatest)
    with pytest.raises(fo.InvalidInputError) as caught:
        fo.Devices(**{**FLEET, name: values})
    said = str(caught.value)
    assert said.startswith(wanted) if wanted.endswith("xxxx") else said == wanted
    assert len(said) < 300


def test_how_many_devices_there_are() -> None:
    refused(fo.Devices, FLEET, "channel_gain has shape (2,), but the devices need (3,)", local_samples=[1e3] * 3)
    refused(fo.Devices, FLEET, "max_power has shape (3,), but the devices need (2,)", max_power=[0.1] * 3)
    refused(fo.Devices, FLEET, "local_samples is empty: there must be at least one device", local_samples=[])
    refused(
        fo.Devices,
        FLEET,
        "local_samples must have one value per device, shape (I,), got shape (1, 2)",
        local_samples=[[1.0, 2.0]],
    )
    assert len(fo.Devices(1e3, 5e-27, 1.5e9, 1e-10, 0.2)) == 1
    assert len(fo.Devices(1e3, 5e-27, [1.5e9] * 4, 1e-10, 0.2)) == 4
    assert len(fo.Devices(6.0, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=[[2, 4], [3, 3]])) == 2


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([[1250.0], [900.0], [1.0]], "class_counts must have shape (I, C) with I = 2 devices, got shape (3, 1)"),
        ([1250.0, 900.0], "class_counts must have shape (I, C) with I = 2 devices, got shape (2,)"),
        (np.zeros((2, 0)), "class_counts must have shape (I, C) with I = 2 devices, got shape (2, 0)"),
        ([[1250.0, 0.0], [901.0, -1.0]], "class_counts of device 1, class 1 must be finite and not negative, got -1"),
        ([[1250.0, np.nan], [1.0, 1.0]], "class_counts of device 0, class 1 must be finite and not negative, got nan"),
        ([[1250.0, 0.0], [899.0, 0.0]], "class_counts of device 1 sum to 899, but its local_samples is 900"),
        ([[1250.0, 0.0], [900.0]], "class_counts must be a regular array: its rows differ in length"),
    ],
)
def test_class_counts_that_do_not_fit(counts: Any, message: str) -> None:
    refused(fo.Devices, FLEET, message, class_counts=counts)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a"], "ids has 1 names, but there are 2 devices"),
        (["a", "a"], "ids must be unique, but 'a' stands more than once"),
        (3, "ids must be a sequence of names, one per device, got 3"),
        ([["a"], ["b"]], "ids must be hashable, such as strings or integers: unhashable type: 'list'"),
        (range(3), "ids has 3 names, but there are 2 devices"),
    ],
)
def test_ids_that_do_not_fit(ids: Any, message: str) -> None:
    refused(fo.Devices, FLEET, message, ids=ids)


@pytest.mark.parametrize(
    ("ids", "kept"),
    [(["a", 7], ("a", 7)), (np.array(["a", "b"]), ("a", "b")), (np.array([3, 4]), (3, 4)), (range(2), range(2))],
)
def test_ids_are_plain(ids: Any, kept: Any) -> None:
    found = fo.Devices(**FLEET, ids=ids).ids
    assert found == kept
    assert {type(one) for one in found} <= {str, int}


@pytest.mark.parametrize(
    "values",
    [
        np.array([1250, 900], np.int16),
        np.array([1250, 900], ">f8"),
        np.array([1250, 0, 900, 0], np.float32)[::2],
        [decimal.Decimal(1250), fractions.Fraction(900)],
        deque([1250, 900]),
        (1250, np.float16(900)),
    ],
)
def test_numbers_of_every_kind_are_taken_as_floats_of_their_own(values: Any) -> None:
    samples = fo.Devices(**{**FLEET, "local_samples": values}).local_samples
    assert samples.dtype == np.float64
    assert samples.tolist() == [1250.0, 900.0]
    assert samples.flags.c_contiguous
    assert not samples.flags.writeable
    assert not np.shares_memory(samples, np.asarray(values))


# --- Limits, the curve, the task --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "given", "name"), SCALARS)
def test_a_scalar_that_cannot_be(make: Any, given: dict[str, Any], name: str) -> None:
    for value in (None, "5", b"5", [1.0], True, 1j, np.array([1.0]), np.timedelta64(1, "s"), datetime.timedelta(1)):
        refused(make, given, f"{name} must be a real number, got {value!r}", **{name: value})
    refused(make, given, f"{name} must be a real number, got '{'x' * 47}...{'x' * 48}'", **{name: "x" * 9000})
    for value in (np.nan, np.inf, -np.inf):
        refused(make, given, f"{name} must be finite, got {value}", **{name: value})
    refused(make, given, f"{name} is too large for a float", **{name: 10**400})
    if name == "gamma":
        refused(make, given, "gamma must be at most 1e+06 either way, got -2e+06", gamma=-2e6)
    elif name == "max_global_error":
        for value in (0, 1, -0.1, 1.5):
            refused(make, given, f"max_global_error must be in (0, 1), got {value:g}", max_global_error=value)
    else:
        limits = RANGES[name]
        hint = f" ({limits.hint})" if limits.hint else ""
        refused(make, given, f"{name} must be positive, got 0{hint}", **{name: 0})
        refused(make, given, f"{name} must be positive, got -3{hint}", **{name: -3})
        refused(make, given, f"{name} must be at most {limits.greatest:.17g}, got 1e+300{hint}", **{name: 1e300})
        refused(make, given, f"{name} must be at least {limits.least:g}, got 1e-300{hint}", **{name: 1e-300})


@pytest.mark.parametrize(("make", "given", "name"), SCALARS)
def test_a_scalar_is_a_plain_float(make: Any, given: dict[str, Any], name: str) -> None:
    for kind in (np.float32, np.float64, np.array, fractions.Fraction):
        found = getattr(make(**{**given, name: kind(0.5)}), name)
        assert type(found) is float
        assert found == 0.5


@pytest.mark.parametrize(
    ("most", "message"),
    [
        (-1, "max_synthetic must be finite and not negative, got -1"),
        (np.nan, "max_synthetic must be finite and not negative, got nan"),
        ([5.0, np.inf], "max_synthetic of device 1 must be finite and not negative, got inf"),
        ([[1.0]], "max_synthetic must be one number or (I,), got shape (1, 1)"),
        ([], "max_synthetic must be one number or (I,), got shape (0,)"),
        ("2000", "max_synthetic must be real numbers, got <U4"),
    ],
)
def test_amounts_that_cannot_be(most: Any, message: str) -> None:
    refused(fo.Constraints, LIMITS, message, max_synthetic=most)


def test_amounts_for_other_devices() -> None:
    devices, limits = fo.Devices(**FLEET), fo.Constraints(**{**LIMITS, "max_synthetic": [1.0, 2.0, 3.0]})
    with pytest.raises(fo.InvalidInputError, match=r"max_synthetic has shape \(3,\), but the devices need \(2,\)"):
        fo.solve(devices, limits)


def test_a_task_without_a_curve() -> None:
    refused(fo.Task, TASK, "learning must be a LearningCurve, got float", learning=0.5)


# --- The calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 3}, "devices must be a fimi_opt.Devices, got int"),
        ({"constraints": None}, "constraints must be a fimi_opt.Constraints, got NoneType"),
        ({"task": "paper"}, "task must be a fimi_opt.Task, got str"),
        ({"method": "newton"}, "method must be one of exact, cross-entropy, got 'newton'"),
        ({"method": np.zeros(2)}, "method must be one of exact, cross-entropy, got array([0., 0.])"),
        ({"integer": 1}, "integer must be True or False, got 1"),
        ({"integer": True, "method": "cross-entropy"}, "integer plans need method=\"exact\", got 'cross-entropy'"),
        ({"tol": 0.0}, "tol must be positive, got 0.0"),
        ({"tol": "1e-9"}, "tol must be a real number, got '1e-9'"),
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"workers": 2.0}, "workers must be a whole number of at least 1, got 2.0"),
        (
            {"workers": SPAN},
            f"workers must be a whole number of at least 1, got {SPAN!r}",
        ),
        ({"workers": True}, "workers must be a whole number of at least 1, got True"),
    ],
)
def test_a_call_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    call = {"devices": fo.Devices(**FLEET), "constraints": fo.Constraints(**LIMITS), **changes}
    refused(fo.solve, call, message)


@pytest.mark.parametrize("seed", [-1, True, 1.0, "1", np.timedelta64(1, "s")])
def test_a_seed_that_cannot_be(seed: Any) -> None:
    message = f"rng must be a numpy.random.Generator or a seed, a whole number >= 0, got {seed!r}"
    call = {"devices": fo.Devices(**FLEET), "constraints": fo.Constraints(**LIMITS), "method": "cross-entropy"}
    refused(fo.solve, call, message, rng=seed)


@pytest.mark.parametrize("fleets", [None, 3])
def test_no_fleets_at_all(fleets: Any) -> None:
    refused(fo.solve_many, {}, f"fleets must be an iterable of fleets, got {fleets!r}", fleets=fleets)


# --- Odd, but possible ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "given", "changes", "message"),
    [
        (fo.Devices, FLEET, {"max_power": [0.2, 23.0]}, "max_power of device 1 is 23: is it in dBm? It must be in W"),
        (
            fo.Devices,
            FLEET,
            {"max_frequency": 1.5},
            "max_frequency of device 0 is 1.5: is it in MHz or GHz? It must be",
        ),
        (fo.Devices, FLEET, {"channel_gain": 0.5}, "channel_gain of device 0 is 0.5: is it in dB? It must be a linear"),
        (fo.Constraints, LIMITS, {"max_latency": 1e10}, "max_latency is 1e+10: it must be in seconds"),
        (fo.Constraints, LIMITS, {"bandwidth": 1e16}, "bandwidth is 1e+16: it must be in Hz"),
    ],
)
def test_odd_values_warn_at_the_callers_line(make: Any, given: Any, changes: Any, message: str) -> None:
    with pytest.warns(fo.ImplausibleInputWarning, match=re.escape(message)) as caught:
        make(**{**given, **changes})
    assert [Path(one.filename).name for one in caught] == [Path(__file__).name]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.fractions(),
    st.datetimes(),
    st.just(object()),
    st.sampled_from([np.datetime64("2026-11-21"), np.timedelta64(3, "s"), np.float32("nan"), np.int8(-1), np.bool_(1)]),
)
VALUES = st.one_of(
    JUNK, st.lists(JUNK, max_size=4), st.lists(st.lists(JUNK, max_size=3), max_size=3), st.sets(st.text())
)


@given(values=VALUES, of=st.sampled_from([*FLEET, "class_counts", "ids", *LIMITS, *CURVE, *TASK]))
def test_whatever_is_handed_in_is_taken_or_refused_by_name(values: Any, of: str) -> None:
    fleet = {**FLEET, "class_counts": None, "ids": None}
    makers: list[tuple[Any, dict[str, Any]]] = [(fo.Devices, fleet), (fo.Constraints, LIMITS)]
    makers += [(fo.LearningCurve, CURVE), (fo.Task, TASK)]
    make, arguments = next((make, arguments) for make, arguments in makers if of in arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        said = None
        try:
            make(**{**arguments, of: values})
        except fo.InvalidInputError as error:
            said = str(error)
    if said is not None:
        # A wrong number of devices is a misfit of the argument that comes next.
        assert any(said.startswith(name) for name in arguments)
        assert of in said or "the devices need" in said
        assert len(said) < 400
