"""A plan's file: native numbers under documented names, equal when read back, refused when anything in it is not."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fleets import problems
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.exporting import write_plan
from fimi_opt.plan import FIMI, Iteration, Scheme
from fimi_opt.plan.document import HISTORY, UNITS, fingerprint
from fimi_opt.plan.schema import refuse_others, schema
from fimi_opt.reading import read_plan
from fimi_opt.scenarios import mixed, paper

# Changed values may look like a wrong unit before they are refused.
pytestmark = pytest.mark.filterwarnings("ignore::fimi_opt.ImplausibleInputWarning")

# Sums of a fleet in another order.
ROUNDING = 1e-12
PER_DEVICE = [
    "index",
    "id",
    "synthetic_samples",
    "cpu_hz",
    "bandwidth_hz",
    "tx_power_w",
    "rate_bps",
    "compute_s",
    "upload_s",
    "aggregation_weight",
    "num_examples",
    "energy_j",
    "local_samples",
    "energy_coefficient",
    "max_frequency",
    "channel_gain",
    "max_power",
    "noise_density",
    "class_counts",
    "synthetic_per_class",
]
EVERY_SCHEME = [
    *(value for value in vars(baselines).values() if isinstance(value, Scheme)),
    *baselines.WITHOUT_OPTIMAL_AUGMENTATION.values(),
]
VALIDATOR = Draft202012Validator(schema())


@pytest.fixture(scope="module")
def plan() -> fo.Plan:
    return fo.solve(*mixed(1))


@pytest.fixture(scope="module")
def small() -> fo.Plan:
    """Two devices, two classes, ids of two types, one limit each."""
    devices = fo.Devices(
        [1250.0, 900.0], 5e-27, 1.5e9, [3e-11, 1e-10], 0.2, class_counts=[[1000, 250], [450, 450]], ids=["a.b", 7]
    )
    return fo.solve(devices, fo.Constraints(0.2, 200, 60.0, 3e6, [2000.0, 1500.0]))


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in [key, *leaves(item)]]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def refusal(text: str, schemes: Any = ()) -> str:
    with pytest.raises(fo.InvalidInputError) as caught:
        fo.Plan.from_json(text, schemes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is written.


def test_every_value_is_a_native_one_in_flat_lists(plan: fo.Plan) -> None:
    out = plan.to_dict()
    assert {type(leaf) for leaf in leaves(out)} <= {str, float, int, bool}
    records = [out["limits"], out["totals"], out["certificate"], *out["devices"].values()]
    values = [value for record in records for value in record.values()]
    assert not any(isinstance(item, list) for value in values if isinstance(value, list) for item in value)


def test_devices_are_keyed_by_id_and_say_what_the_plan_says(plan: fo.Plan) -> None:
    devices = plan.to_dict()["devices"]
    assert list(devices) == list(plan.devices.ids)
    assert all(list(device) == PER_DEVICE for device in devices.values())
    columns = {name: np.array([device[name] for device in devices.values()]) for name in PER_DEVICE}
    assert (columns["index"] == np.arange(len(devices))).all()
    assert (columns["synthetic_samples"] == plan.synthetic_samples).all()
    assert (columns["cpu_hz"] == plan.frequency).all()
    assert (columns["bandwidth_hz"] == plan.bandwidth).all()
    assert (columns["tx_power_w"] == plan.power).all()
    assert columns["rate_bps"] * columns["upload_s"] == pytest.approx(plan.task.update_bits, rel=ROUNDING)
    assert (columns["compute_s"] == plan.compute_time).all()
    assert (columns["upload_s"] == plan.upload_time).all()
    assert columns["energy_j"].sum() == pytest.approx(plan.energy, rel=ROUNDING)
    assert columns["aggregation_weight"].sum() == pytest.approx(1.0, rel=ROUNDING)
    assert (columns["num_examples"] == plan.devices.local_samples + plan.synthetic_samples).all()
    assert (columns["synthetic_per_class"] == plan.synthetic_by_class).all()
    assert columns["synthetic_per_class"].sum(axis=1) == pytest.approx(plan.synthetic_samples, rel=ROUNDING)
    assert (columns["class_counts"] == plan.devices.class_counts).all()
    for name in ("local_samples", "energy_coefficient", "max_frequency", "channel_gain", "max_power", "noise_density"):
        assert (columns[name] == getattr(plan.devices, name)).all()


def test_head_says_limits_task_totals_and_certificate(plan: fo.Plan) -> None:
    out = plan.to_dict()
    assert out["schema"] == "fimi-plan/1"
    assert out["method"] == "exact"
    assert out["scheme"]["name"] == "FIMI"
    assert fo.Constraints(**out["limits"]) == plan.constraints
    assert fo.Task(**(out["task"] | {"learning": fo.LearningCurve(**out["task"]["learning"])})) == plan.task
    assert out["totals"]["energy_j"] == plan.energy
    assert out["totals"]["latency_s"] == plan.latency
    assert out["certificate"]["status"] == "optimal"
    assert out["certificate"]["lower_bound_j"] == plan.lower_bound
    assert out["certificate"]["gap"] == plan.gap
    assert out["certificate"]["worst_violation"] == max(fo.verify(plan)) <= 1e-9
    assert out["certificate"]["price_error"] == plan.prices.error
    assert out["classes"] == [str(k) for k in range(10)]


def test_units_are_said_of_every_name_with_one(plan: fo.Plan) -> None:
    names = {leaf for leaf in leaves(plan.to_dict()) if isinstance(leaf, str)}
    assert set(UNITS) <= names
    assert {name for name in names if name.endswith(("_hz", "_s", "_j", "_w", "_bps"))} <= set(UNITS)
    assert {key: rule["const"] for key, rule in schema()["properties"]["units"]["properties"].items()} == UNITS


def test_without_classes_there_are_none() -> None:
    out = fo.solve(*paper(devices=2, bandwidth=3e6, classes=0)).to_dict()
    assert "classes" not in out
    assert not {"synthetic_per_class", "class_counts"} & set(out["devices"]["0"])


def test_class_names_are_kept_and_counted(plan: fo.Plan) -> None:
    names = list("abcdefghij")
    assert plan.to_dict(names)["classes"] == names
    assert fo.Plan.from_json(plan.to_json(names)) == plan
    with pytest.raises(fo.InvalidInputError, match="classes has 2 names, but the devices count 10 classes"):
        plan.to_dict(["a", "b"])
    with pytest.raises(fo.InvalidInputError, match="classes must be text that UTF-8 can hold"):
        plan.to_dict([*names[:9], "\ud800"])


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, "1"], "ids must differ as text, but '1' stands twice"),
        ([1.5, 2.5], "ids must be text or whole numbers to be written, got 1.5"),
        ([True, False], "ids must be text or whole numbers to be written, got True"),
        ([None, "a"], "ids must be text or whole numbers to be written, got None"),
        (["a", "\ud800"], r"ids must be text that UTF-8 can hold, got '\\ud800'"),
        ([1, 2**64], "ids must be text or whole numbers of at most 64 bits"),
    ],
)
def test_ids_that_no_file_can_tell_are_refused(small: fo.Plan, ids: list[Any], words: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=words):
        replace(small, devices=replace(small.devices, ids=ids)).to_json()


def test_what_json_has_no_number_for_is_refused(small: fo.Plan) -> None:
    with pytest.raises(fo.InvalidInputError, match=r"certificate\.price_latency is inf"):
        replace(small, prices=small.prices._replace(latency=math.inf)).to_json()


def test_json_is_the_dict_one_device_a_line(plan: fo.Plan) -> None:
    text = plan.to_json()
    assert json.loads(text) == plan.to_dict()
    assert sum(line.startswith("    ") for line in text.split("\n")) == len(plan.devices)
    assert text.endswith("}\n")


def test_requests_are_the_whole_samples_of_each_class() -> None:
    plan = fo.solve(*mixed(1), integer=True)
    requests = plan.synthesis_requests()
    assert list(requests) == list(plan.devices.ids)
    assert {type(count) for counts in requests.values() for count in counts} == {int}
    assert [sum(counts) for counts in requests.values()] == plan.synthetic_samples.tolist()


def test_requests_of_parts_of_samples_or_without_classes_are_refused(plan: fo.Plan) -> None:
    with pytest.raises(fo.InvalidInputError, match=r"synthetic_by_class of device 0, class 0 is 173\.\d+, but only wh"):
        plan.synthesis_requests()
    with pytest.raises(fo.InvalidInputError, match="devices have no class_counts"):
        fo.solve(*paper(devices=2, bandwidth=3e6, classes=0), integer=True).synthesis_requests()


# What is read back.


def same_bits(a: fo.Plan, b: fo.Plan) -> bool:
    """Whether two plans agree in the last bit: `==` would call 0.0 and -0.0 equal, and know nothing of types."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("synthetic_samples", "frequency", "bandwidth", "power")]
    pairs += [(getattr(a.devices, name), getattr(b.devices, name)) for name in ("local_samples", "channel_gain")]
    return a == b and all(x.tobytes() == y.tobytes() and x.dtype == y.dtype for x, y in pairs)


@given(given=problems())
def test_every_plan_is_read_back_bit_for_bit(given: Any) -> None:
    plan = given.solve()
    again = fo.Plan.from_json(plan.to_json())
    assert same_bits(again, plan)
    assert again.energy == plan.energy
    assert again.gap == plan.gap
    assert VALIDATOR.is_valid(plan.to_dict())


def test_ids_limits_and_classes_come_back(small: fo.Plan, plan: fo.Plan) -> None:
    for given_plan in (small, plan, fo.solve(*paper(devices=2, bandwidth=3e6, classes=0))):
        again = fo.Plan.from_json(given_plan.to_json())
        assert same_bits(again, given_plan)
        assert type(again.devices.ids) is type(given_plan.devices.ids)
    assert fo.Plan.from_json(small.to_json()).devices.ids == ("a.b", 7)


def test_ids_that_are_places_are_not_taken_for_none_given(small: fo.Plan) -> None:
    plan = replace(small, devices=replace(small.devices, ids=[0, 1]))
    assert fo.Plan.from_json(plan.to_json()) == plan
    assert fo.Plan.from_json(plan.to_json()).devices.ids == (0, 1)


def test_whole_plans_come_back() -> None:
    plan = fo.solve(*mixed(1), integer=True)
    again = fo.Plan.from_json(plan.to_json())
    assert again == plan
    assert again.status is fo.Status.INTEGER
    assert again.synthesis_requests() == plan.synthesis_requests()


def test_a_searchs_history_comes_back_infinities_too() -> None:
    plan = fo.solve(*paper(0), method="cross-entropy", search=fo.CrossEntropy(samples=50, elite=5, iterations=4))
    start = Iteration(1, math.inf, math.inf, 0.5, 0.0)
    plan = replace(plan, history=(start, *plan.history))
    again = fo.Plan.from_json(plan.to_json())
    assert again == plan
    assert again.history[0] == start
    assert again.history[1].best == plan.history[1].best
    VALIDATOR.validate(plan.to_dict())


@pytest.mark.parametrize("name", [name for name in {**baselines.SCHEMES, **baselines.ABLATIONS} if name != "CLSD"])
def test_schemes_are_found_by_name(name: str) -> None:
    planner = {**baselines.SCHEMES, **baselines.ABLATIONS}[name]
    plan = planner(*paper(1))
    assert isinstance(plan, fo.Plan)
    VALIDATOR.validate(plan.to_dict())
    if name == "SST":
        words = "kind must be 'Plan' to be read back, but the file holds a 'ServerSidePlan', with more to it"
        assert words in refusal(plan.to_json(), EVERY_SCHEME)
        return
    assert fo.Plan.from_json(plan.to_json(), EVERY_SCHEME) == plan
    if name != "FIMI":
        assert f"scheme.name is {plan.scheme.name!r}, but known are FIMI: give" in refusal(plan.to_json())


def test_a_scheme_that_is_another_under_the_same_name_is_refused(plan: fo.Plan) -> None:
    text = replace(plan, scheme=baselines.HEURISTIC).to_json()
    assert "synthetic_per_class" in refusal(text, [replace(FIMI, name="HDC")])
    lax = replace(baselines.HEURISTIC, meets_error_limit=False)
    assert "scheme.meets_error_limit is not that of HDC" in refusal(text, [lax])
    assert "schemes must be of type Scheme, got str" in refusal(text, ["HDC"])


def test_order_and_layout_do_not_matter(plan: fo.Plan) -> None:
    document = json.loads(plan.to_json())
    assert fo.Plan.from_json(json.dumps(document, sort_keys=True, indent=1)) == plan
    document["devices"] = dict(reversed(document["devices"].items()))
    assert fo.Plan.from_json(json.dumps(document)) == plan


def test_whole_floats_may_lose_their_point(plan: fo.Plan) -> None:
    """As JavaScript writes them."""
    text = re.sub(r"(\d)\.0(?=[,}\]])", r"\1", plan.to_json())
    assert text != plan.to_json()
    assert fo.Plan.from_json(text) == plan


def test_unknown_keys_are_ignored_as_version_1_promises(plan: fo.Plan) -> None:
    document = json.loads(plan.to_json())
    document["later"] = document["limits"]["later"] = document["devices"]["phone-1"]["later"] = [{"x": None}]
    assert fo.Plan.from_json(json.dumps(document)) == plan


def test_one_sample_more_may_be_drawn_elsewhere() -> None:
    """Another NumPy may draw another of two equally filled classes; not two samples, and not one too many."""
    plan = fo.solve(*mixed(1), integer=True)
    document = json.loads(plan.to_json())
    table = document["devices"]["phone-1"]["synthetic_per_class"]
    for k, step in ((0, 1), (1, -1)):
        table[k] += step
    assert fo.Plan.from_json(json.dumps(document)) == plan
    table[0] += 1
    assert 'devices["phone-1"].synthetic_per_class is 175, but the models give 173' in refusal(json.dumps(document))
    table[0] -= 1
    table[1] += 1
    assert 'devices["phone-1"].synthetic_per_class is' in refusal(json.dumps(document))


def test_read_plan_names_the_file(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(plan, path)
    assert read_plan(path) == plan
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # an editor's byte order mark
    assert read_plan(str(path)) == plan
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(fo.InvalidInputError, match=re.escape(f"{path}: not JSON at line 34, column ")):
        read_plan(path)
    with pytest.raises(OSError, match="missing"):
        read_plan(tmp_path / "missing")
    with pytest.raises(fo.InvalidInputError, match="is no name of a file"):
        read_plan("a\0b")


# What is refused.


def set_to(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def rename(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["devices"][new] = document["devices"].pop(old)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            set_to("schema", value="fimi-plan/2"),
            "schema is 'fimi-plan/2', but this fimi_opt reads 'fimi-plan/1': use a",
        ),
        (set_to("schema", value="other/1"), "schema must be 'fimi-plan/1', got 'other/1'"),
        (set_to("schema", value=1), "schema must be 'fimi-plan/1', got 1"),
        (drop("schema"), "the plan lacks schema"),
        (drop("limits", "rounds"), "limits lacks rounds"),
        (drop("devices", "7", "cpu_hz"), 'devices["7"] lacks cpu_hz'),
        (set_to("devices", value={}), "devices is empty"),
        (set_to("devices", value=[]), "devices must be an object, got a list"),
        (set_to("devices", "7", value=None), 'devices["7"] must be an object, got null'),
        (set_to("devices", "7", "cpu_hz", value="fast"), "devices[\"7\"].cpu_hz must be a number, got 'fast'"),
        (set_to("devices", "7", "cpu_hz", value=True), 'devices["7"].cpu_hz must be a number, got true'),
        (set_to("devices", "7", "cpu_hz", value=[1.0]), 'devices["7"].cpu_hz must be a number, got a list'),
        (set_to("devices", "7", "cpu_hz", value=-1e9), 'devices["7"].cpu_hz must be above 0, got -1000000000.0'),
        (set_to("devices", "7", "synthetic_samples", value=-0.5), 'devices["7"].synthetic_samples must be at least 0'),
        (set_to("devices", "7", "index", value=0), "index must count the devices from 0 without gaps, got 0"),
        (set_to("devices", "7", "index", value=5), 'devices["7"].index must count the devices from 0 without gaps, go'),
        (set_to("devices", "7", "id", value="7"), "fingerprint does not match"),
        (set_to("devices", "7", "id", value=8), 'devices["7"].id does not match its record: it is 8'),
        (set_to("devices", "7", "id", value=7.0), 'devices["7"].id does not match its record: it is 7.0'),
        (rename("7", "8"), 'devices["8"].id does not match its record: it is 7'),
        (set_to("ids", value="default"), "devices[\"a.b\"].id does not match its record: it is 'a.b'"),
        (
            set_to("devices", "7", "class_counts", value=[900.0]),
            'devices["7"].class_counts has 1 values, but the first',
        ),
        (drop("devices", "7", "class_counts"), 'devices["7"].class_counts has 0 values, but the first device has 2'),
        (
            set_to("devices", "7", "class_counts", 0, value=451.0),
            "class_counts of device 1 sum to 901, but its local_s",
        ),
        (
            set_to("devices", "7", "synthetic_per_class", 1, value=9.0),
            'devices["7"].synthetic_per_class is 9, but the m',
        ),
        (drop("devices", "7", "synthetic_per_class"), 'devices["7"].synthetic_per_class has 0 values, but the first'),
        (set_to("devices", "7", "energy_j", value=0.1), 'devices["7"].energy_j is 0.1, but the models give '),
        (set_to("devices", "7", "rate_bps", value=5e6), 'devices["7"].rate_bps is 5000000, but the models give '),
        (
            set_to("devices", "7", "aggregation_weight", value=1.0),
            'devices["7"].aggregation_weight is 1, but the models',
        ),
        (
            set_to("devices", "7", "cpu_hz", value=1.6e9),
            "devices do not keep the limits: frequency is missed by 6.7e-02",
        ),
        (set_to("devices", "7", "tx_power_w", value=0.3), "devices do not keep the limits: power is missed by "),
        (
            set_to("devices", "7", "synthetic_samples", value=0),
            "devices do not keep the limits: learning is missed by ",
        ),
        (set_to("devices", "7", "channel_gain", value=-105), 'devices["7"].channel_gain must be above 0, got -105'),
        (set_to("devices", "7", "channel_gain", value=2), "channel_gain of device 1 must be at most"),
        (set_to("limits", "max_global_error", value=0.1), "devices do not keep the limits: learning is missed by "),
        (set_to("limits", "max_latency", value=50.0), "devices do not keep the limits: latency is missed by 2.0e-01"),
        (
            set_to("limits", "max_latency", value=61.0),
            "fingerprint does not match: a value of the file was changed aft",
        ),
        (set_to("limits", "bandwidth", value=1e6), "devices do not keep the limits: bandwidth is missed by 2.0e+00 of"),
        (set_to("limits", "max_synthetic", value=[1.0, 2.0]), "devices do not keep the limits: synthetic is missed by"),
        (set_to("limits", "max_synthetic", value=[1.0]), "max_synthetic has shape (1,), but the devices need (2,)"),
        (set_to("limits", "max_synthetic", value=[]), "max_synthetic must be one number or (I,), got shape (0,)"),
        (set_to("limits", "max_synthetic", value=-1), "limits.max_synthetic must be at least 0, got -1"),
        (set_to("limits", "max_synthetic", value=[1.0, -2]), "limits.max_synthetic[1] must be at least 0, got -2"),
        (set_to("devices", "a.b", "class_counts", 0, value=[]), 'devices["a.b"].class_counts[0] must be a number, got'),
        (set_to("limits", "max_synthetic", value="x"), "limits.max_synthetic must be a number or a list, got 'x'"),
        (set_to("limits", "rounds", value=10**400), "limits.rounds is too large for a float64"),
        (set_to("task", "learning", "alpha", value=2.0), "totals.mean_error is "),
        (set_to("task", "update_bits", value=1e300), "update_bits must be at most 1"),
        (set_to("totals", "energy_j", value=1.0), "totals.energy_j is 1.0, but the models give "),
        (set_to("certificate", "gap", value=1e-5), "certificate.gap is 1e-05, but the models give "),
        (set_to("certificate", "lower_bound_j", value=1.0), "certificate.gap is "),
        (set_to("certificate", "status", value="best"), "certificate.status must be 'optimal' or 'feasible' or "),
        (set_to("certificate", "status", value="feasible"), "fingerprint does not match"),
        (set_to("certificate", "price_error", value=-1.0), "certificate.price_error must be at least 0, got -1.0"),
        (set_to("certificate", "price_error", value=1.0), "fingerprint does not match"),
        (set_to("method", value="guess"), "method must be 'exact' or 'cross-entropy', got 'guess'"),
        (set_to("method", value="cross-entropy"), "fingerprint does not match"),
        (set_to("scheme", "name", value="TFL"), "scheme.name is 'TFL', but known are FIMI"),
        (set_to("units", "cpu_hz", value="MHz"), "units.cpu_hz must be 'Hz', got 'MHz'"),
        (
            set_to("kind", value="x" * 99),
            "kind must be 'Plan' to be read back, but the file holds a 'xxxxxxxxxxxxxxxxx",
        ),
        (set_to("fingerprint", value="sha256:"), "fingerprint does not match"),
        (set_to("history", value={}), "history lacks number, best"),
        (
            set_to("history", value={"number": [1], "best": [1, 2], "elite_mean": [1], "spread": [1], "feasible": [1]}),
            "history must have lists of one length",
        ),
        (
            set_to("history", value={key: [1] for key in HISTORY}),
            "fingerprint does not match",
        ),
        (set_to("history", value=None), "history must be an object, got null"),
    ],
)
def test_a_changed_file_is_refused_by_key(small: fo.Plan, change: Callable[[dict[str, Any]], None], words: str) -> None:
    document = json.loads(small.to_json())
    change(document)
    message = refusal(json.dumps(document))
    assert words in message, message


def test_a_lower_bound_above_the_energy_is_refused(small: fo.Plan) -> None:
    """Even by one who has the fingerprint formed anew."""
    assert "certificate.lower_bound_j is above totals.energy_j" in refusal(
        replace(small, lower_bound=2 * small.energy).to_json()
    )


def test_a_plan_that_misses_a_limit_is_refused_whoever_wrote_it(small: fo.Plan) -> None:
    slow = replace(small, frequency=0.9 * small.frequency)
    assert "devices do not keep the limits: latency is missed by" in refusal(slow.to_json())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON at line 1, column 1: Expecting value (is the file cut off?)"),
        ("null", "the plan must be an object, got null"),
        ("[1]", "the plan must be an object, got a list"),
        ("1e999", "the plan is too large for a float64"),
        ("{}", "the plan lacks schema, kind, "),
        ('{"a": NaN}', "not JSON: NaN is no number of JSON"),
        ('{"a": -Infinity}', "not JSON: -Infinity is no number of JSON"),
        ('{"a": 1, "a": 2}', "key 'a' stands twice in one object"),
        ("9" * 5000, "not a plan: it holds a number of more digits than can be read"),
        ("[" * 100_000, "not a plan: it is nested too deeply"),
        ('{"a":' * 100_000, "not a plan: it is nested too deeply"),
        ("\ufeff{}", "not JSON at line 1, column 1: Unexpected UTF-8 BOM"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, words: str) -> None:
    assert words in refusal(text)


def test_only_text_is_parsed(small: fo.Plan) -> None:
    with pytest.raises(fo.InvalidInputError, match="text must be a str, got bytes"):
        fo.Plan.from_json(small.to_json().encode())  # type: ignore[arg-type]


def test_ids_that_utf8_cannot_hold_are_refused(small: fo.Plan) -> None:
    text = small.to_json().replace('"a.b"', r'"\ud800"')
    assert r"ids must be text that UTF-8 can hold, got '\ud800'" in refusal(text)


def test_a_file_cut_off_anywhere_is_refused(small: fo.Plan) -> None:
    text = small.to_json().rstrip()
    for length in range(0, len(text), 7):
        assert "not JSON at line" in refusal(text[:length])


# Fuzzing.


def outcome(text: str) -> fo.Plan | None:
    """The plan, None where it is refused in one line; any other exception fails the test."""
    again, message = None, ""
    try:
        again = fo.Plan.from_json(text)
    except fo.InvalidInputError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 1000
    assert (again is None) == bool(message)
    return again


@given(place=st.integers(0), byte=st.integers(0, 255))
def test_a_changed_byte_gives_an_equal_plan_or_a_refusal(
    small: fo.Plan, tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    content = bytearray(small.to_json().encode())
    content[place % len(content)] = byte
    path.write_bytes(content)
    message = ""
    try:
        assert read_plan(path) == small
    except fo.InvalidInputError as error:
        message = str(error)
    assert not message or message.startswith(str(path))


def test_every_changed_digit_gives_an_equal_plan_or_a_refusal(small: fo.Plan) -> None:
    """The last digit of a number too: what follows from the decision is recomputed, all else has the fingerprint."""
    text = small.to_json()
    head = text.index('"limits"')
    read = 0
    for match in re.finditer(r"\d", text[head:]):
        place = head + match.start()
        digit = str((int(match.group()) + 1) % 10)
        again = outcome(text[:place] + digit + text[place + 1 :])
        assert again is None or again == small
        read += again is not None
    assert read > 0  # the last digits of what is recomputed


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of every value inside."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(deeper for key, item in inside for deeper in places(item, (*path, key)))]


@given(data=st.data())
def test_any_value_anywhere_is_an_equal_plan_or_a_refusal(small: fo.Plan, data: st.DataObject) -> None:
    document = json.loads(small.to_json())
    path = data.draw(st.sampled_from(places(document)[1:]))
    set_to(*path, value=data.draw(ANY_VALUE))(document)
    again = outcome(json.dumps(document))
    assert again is None or again == small


@given(text=st.text(max_size=50) | st.text('{}[]":,0123456789.eE+-\\ntrufalse ', max_size=50))
def test_any_text_is_refused(text: str) -> None:
    assert outcome(text) is None


# The schema.


def test_the_schema_is_one_and_states_what_the_package_does() -> None:
    Draft202012Validator.check_schema(schema())
    properties = schema()["properties"]
    assert properties["certificate"]["properties"]["status"]["enum"] == [status.name.lower() for status in fo.Status]
    assert set(schema()["$defs"]["device"]["properties"]) == set(PER_DEVICE)


@given(data=st.data())
def test_readers_refuse_what_the_schema_does(small: fo.Plan, data: st.DataObject) -> None:
    """Our part of JSON Schema against the whole, on files with one value changed or left out."""
    document = json.loads(small.to_json())
    path = data.draw(st.sampled_from(places(document)[1:]))
    if data.draw(st.booleans()):
        drop(*path)(document)
    else:
        set_to(*path, value=data.draw(ANY_VALUE | st.floats(allow_nan=False, allow_infinity=False)))(document)
    numbers = [leaf for leaf in leaves(document) if isinstance(leaf, float)]
    if not all(map(math.isfinite, numbers)):
        return
    try:
        refuse_others(document)
    except fo.InvalidInputError:
        assert not VALIDATOR.is_valid(document)
    else:
        VALIDATOR.validate(document)


def test_equal_plans_and_no_others_have_one_fingerprint(small: fo.Plan) -> None:
    seen = {fingerprint(small)}
    assert fingerprint(fo.Plan.from_json(small.to_json())) in seen
    others = [
        replace(small, power=np.nextafter(small.power, 0)),
        replace(small, method="cross-entropy"),
        replace(small, status=fo.Status.FEASIBLE),
        replace(small, scheme=baselines.GAN),
        replace(small, devices=replace(small.devices, ids=["a.b", "7"])),
        replace(small, devices=replace(small.devices, ids=range(2))),
        replace(small, devices=replace(small.devices, class_counts=None)),
        replace(small, constraints=fo.Constraints(0.2, 200, 60.0, 3e6, 2000.0)),
        replace(small, history=(Iteration(1, 2.0, 3.0, 0.1, 1.0),)),
    ]
    for other in others:
        assert other != small
        assert fingerprint(other) not in seen
        seen.add(fingerprint(other))


def test_the_docs_page_names_every_key_and_shows_a_plan() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "plan-files.md").read_text(encoding="utf-8")
    for name in (*schema()["properties"], *PER_DEVICE):
        assert f"`{name}`" in page, name
    shown = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    assert fo.Plan.from_json(shown[1]).synthesis_requests() == {"phone-1": [0, 332]}
