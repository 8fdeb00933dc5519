"""Instances as plain dictionaries, in the form of tests/cases/*.json: to shrink, to write, to read back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fleets import Problem, problem

import fimi_opt as fo

Case = dict[str, Any]

COLUMNS = ("local_samples", "energy_coefficient", "max_frequency", "channel_gain", "max_power", "noise_density")
LIMITS = ("max_global_error", "rounds", "max_latency", "bandwidth", "max_synthetic")
CURVE = ("alpha", "beta", "gamma", "zeta")
WORK = ("cycles_per_sample", "local_epochs", "update_bits")


def case_of(given: Problem) -> dict[str, Any]:
    """Return the instance as a dictionary of numbers and lists."""
    devices, limits, task = given
    columns = {name: getattr(devices, name).tolist() for name in COLUMNS}
    if devices.class_counts is not None:
        columns["class_counts"] = devices.class_counts.tolist()
    return {
        "devices": columns,
        "task": {"learning": {name: getattr(task.learning, name) for name in CURVE}}
        | {name: getattr(task, name) for name in WORK},
        "constraints": {name: np.asarray(getattr(limits, name)).tolist() for name in LIMITS},
    }


def problem_of(case: Mapping[str, Any]) -> Problem:
    """Return the instance of such a dictionary; other keys of it are not read."""
    columns = dict(case["devices"])
    counts = columns.pop("class_counts", None)
    task = dict(case["task"], learning=fo.LearningCurve(**case["task"]["learning"]))
    limits = case["constraints"]
    return problem([*(columns[name] for name in COLUMNS), counts], [limits[name] for name in LIMITS], fo.Task(**task))


def write(case: Mapping[str, Any], path: Path) -> None:
    """Write one case, its folder made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Return one case as it was written."""
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return case
