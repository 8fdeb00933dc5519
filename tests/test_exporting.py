"""A plan as a JSON file: native numbers under documented names, written whole or not at all."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt.exporting import UNITS, plan_to_dict, plan_to_json, write_plan
from fimi_opt.scenarios import mixed, paper

# Sums of a fleet in another order.
ROUNDING = 1e-12
PER_DEVICE = [
    "synthetic_samples",
    "cpu_hz",
    "bandwidth_hz",
    "tx_power_w",
    "rate_bps",
    "compute_s",
    "upload_s",
    "energy_j",
    "aggregation_weight",
    "num_examples",
]


@pytest.fixture(scope="module")
def plan() -> fo.Plan:
    return fo.solve(*mixed(1))


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in [key, *leaves(item)]]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def test_every_value_is_a_native_one(plan: fo.Plan) -> None:
    assert {type(leaf) for leaf in leaves(plan_to_dict(plan))} <= {str, float, int}


def test_devices_are_keyed_by_id_and_say_what_the_plan_says(plan: fo.Plan) -> None:
    devices = plan_to_dict(plan)["devices"]
    assert list(devices) == list(plan.devices.ids)
    columns = {name: np.array([device[name] for device in devices.values()]) for name in PER_DEVICE}
    assert all(list(device) == [*PER_DEVICE, "synthetic_per_class"] for device in devices.values())
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
    per_class = np.array([device["synthetic_per_class"] for device in devices.values()])
    assert (per_class == plan.synthetic_by_class).all()
    assert per_class.sum(axis=1) == pytest.approx(plan.synthetic_samples, rel=ROUNDING)


def test_head_says_limits_task_totals_and_certificate(plan: fo.Plan) -> None:
    out = plan_to_dict(plan)
    assert out["schema"] == "fimi-plan/1"
    assert out["method"] == "exact"
    assert fo.Constraints(**out["limits"]) == plan.constraints
    assert fo.Task(**(out["task"] | {"learning": fo.LearningCurve(**out["task"]["learning"])})) == plan.task
    assert out["totals"]["energy_j"] == plan.energy
    assert out["totals"]["latency_s"] == plan.latency
    assert out["certificate"]["status"] == "optimal"
    assert out["certificate"]["lower_bound_j"] == plan.lower_bound
    assert out["certificate"]["gap"] == plan.gap
    assert out["certificate"]["worst_violation"] <= 1e-9
    assert out["certificate"]["price_error"] == plan.prices.error
    assert out["classes"] == [str(k) for k in range(10)]


def test_units_are_said_of_every_name_with_one(plan: fo.Plan) -> None:
    names = {leaf for leaf in leaves(plan_to_dict(plan)) if isinstance(leaf, str)}
    assert set(UNITS) <= names
    assert {name for name in names if name.endswith(("_hz", "_s", "_j", "_w", "_bps"))} <= set(UNITS)


def test_synthetic_limit_may_be_one_per_device(plan: fo.Plan) -> None:
    devices, limits, task = paper(devices=2, bandwidth=3e6, max_synthetic=[900.0, 800.0])
    assert plan_to_dict(fo.solve(devices, limits, task))["limits"]["max_synthetic"] == [900.0, 800.0]


def test_without_classes_there_are_none() -> None:
    out = plan_to_dict(fo.solve(*paper(devices=2, bandwidth=3e6, classes=0)))
    assert "classes" not in out
    assert "synthetic_per_class" not in out["devices"]["0"]


def test_class_names_are_kept_and_counted(plan: fo.Plan) -> None:
    names = list("abcdefghij")
    assert plan_to_dict(plan, names)["classes"] == names
    with pytest.raises(fo.InvalidInputError, match="classes has 2 names, but the devices count 10 classes"):
        plan_to_dict(plan, ["a", "b"])


def test_ids_that_are_the_same_text_are_refused() -> None:
    devices, limits, task = paper(devices=2, bandwidth=3e6)
    plan = fo.solve(replace(devices, ids=[1, "1"]), limits, task)
    with pytest.raises(fo.InvalidInputError, match="ids must differ as text, but '1' stands twice"):
        plan_to_dict(plan)


def test_json_is_the_dict_one_device_a_line(plan: fo.Plan) -> None:
    text = plan_to_json(plan)
    assert json.loads(text) == plan_to_dict(plan)
    assert sum(line.startswith("    ") for line in text.split("\n")) == len(plan.devices)
    assert text.endswith("}\n")


def test_file_is_replaced_and_keeps_its_mode(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(plan, path)
    assert json.loads(path.read_text(encoding="utf-8")) == plan_to_dict(plan)
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    write_plan(plan, str(path))
    assert json.loads(path.read_text(encoding="utf-8")) == plan_to_dict(plan)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    plan: fo.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "plan.json"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_plan(plan, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(plan: fo.Plan, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("links need a privilege here")
    write_plan(plan, link)
    assert link.is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["schema"] == "fimi-plan/1"


def test_folders_are_refused(plan: fo.Plan, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=tmp_path.name):
        write_plan(plan, tmp_path)
    with pytest.raises(OSError, match="missing"):
        write_plan(plan, tmp_path / "missing" / "plan.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_to_not_replaced(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_plan(plan, path)  # shorter than a pipe's buffer, 64 KiB
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert json.loads(os.read(reader, 1 << 16)) == plan_to_dict(plan)
    finally:
        os.close(reader)
