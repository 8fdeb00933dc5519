"""A plan for other programs: plain numbers and lists, by names with their units, in JSON."""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fimi_opt.certificate import verify
from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan

SCHEMA = "fimi-plan/1"

UNITS = {
    "aggregation_weight": "share of the fleet's samples",
    "bandwidth": "Hz",
    "bandwidth_hz": "Hz",
    "compute_s": "s",
    "cpu_hz": "Hz",
    "energy_j": "J per round",
    "latency_s": "s per round",
    "lower_bound_j": "J per round",
    "max_latency": "s per round",
    "max_synthetic": "samples per device",
    "num_examples": "samples, local and synthetic",
    "price_bandwidth": "J/Hz",
    "price_error": "J per unit of the mean local error's limit",
    "price_latency": "J/s",
    "rate_bps": "bit/s",
    "synthetic_per_class": "samples",
    "synthetic_samples": "samples",
    "tx_power_w": "W",
    "update_bits": "bit",
    "upload_s": "s",
}


def plan_to_dict(plan: Plan, classes: Sequence[str] | None = None) -> dict[str, Any]:
    """Plan as nested dicts of native Python numbers, strings and flat lists.

    Parameters
    ----------
    plan
        Any plan.
    classes
        Names of the classes, (C,); by default "0", "1", ...

    Returns
    -------
    dict
        ``schema``, ``units``, ``limits``, ``task``, ``totals``, ``certificate`` and ``devices``, the last one keyed by
        the device's id as text. Where the devices have class counts, ``classes`` names the entries of every device's
        ``synthetic_per_class``; elsewhere both are missing.

    Raises
    ------
    ValueError
        If two ids are the same as text, or there are not as many names as classes.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> plan_to_dict(plan)["devices"]["0"]["num_examples"]
    900.0
    """
    out: dict[str, Any] = {"schema": SCHEMA, "units": dict(UNITS), "method": plan.method}
    limits, task, curve = plan.constraints, plan.task, plan.task.learning
    synthetic = limits.max_synthetic
    out["limits"] = {
        "max_global_error": limits.max_global_error,
        "rounds": limits.rounds,
        "max_latency": limits.max_latency,
        "bandwidth": limits.bandwidth,
        "max_synthetic": synthetic if isinstance(synthetic, float) else synthetic.tolist(),
    }
    out["task"] = {
        "learning": {"alpha": curve.alpha, "beta": curve.beta, "gamma": curve.gamma, "zeta": curve.zeta},
        "cycles_per_sample": task.cycles_per_sample,
        "local_epochs": task.local_epochs,
        "update_bits": task.update_bits,
    }
    out["totals"] = {
        "energy_j": plan.energy,
        "latency_s": plan.latency,
        "mean_error": plan.mean_error,
        "global_error": plan.global_error,
        "synthetic_samples": plan.synthetic_samples.sum().item(),
        "bandwidth_hz": plan.bandwidth.sum().item(),
    }
    out["certificate"] = {
        "status": plan.status.name.lower(),
        "message": plan.status.message,
        "lower_bound_j": float(plan.lower_bound),
        "gap": float(plan.gap),
        "worst_violation": float(max(verify(plan))),
        "price_error": float(plan.prices.error),
        "price_bandwidth": float(plan.prices.bandwidth),
        "price_latency": float(plan.prices.latency),
    }
    names = _class_names(plan, classes)
    if names:
        out["classes"] = names
    out["devices"] = _devices(plan)
    return out


def plan_to_json(plan: Plan, classes: Sequence[str] | None = None) -> str:
    """Plan as JSON text, one line for each device; see :func:`plan_to_dict`.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> json.loads(plan_to_json(plan)) == plan_to_dict(plan)
    True
    """
    parts = plan_to_dict(plan, classes)
    devices = parts.pop("devices")
    lines = [f"  {_compact(key)}: {_compact(value)}," for key, value in parts.items()]
    rows = ",\n".join(f"    {_compact(key)}: {_compact(value)}" for key, value in devices.items())
    return "\n".join(["{", *lines, '  "devices": {', rows, "  }", "}", ""])


def write_plan(plan: Plan, path: str | os.PathLike[str], classes: Sequence[str] | None = None) -> None:
    """Write a plan as a JSON file; an existing file is replaced at once or, if anything fails, kept as it was.

    Parameters
    ----------
    plan
        Any plan.
    path
        Where to; what is not an ordinary file, as a pipe, is written to as it is.
    classes
        As for :func:`plan_to_dict`.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        As :func:`plan_to_dict`.

    Examples
    --------
    >>> write_plan(plan, "plan.json")  # doctest: +SKIP
    """
    text = plan_to_json(plan, classes)
    if Path(path).exists() and not Path(path).is_file():
        Path(path).write_text(text, encoding="utf-8")
        return
    target = Path(os.path.realpath(path))  # the file that a link points to, not the link, is replaced
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _devices(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what each device needs to know, by its id."""
    energy = plan.compute_energy + plan.upload_energy
    columns = {
        "synthetic_samples": plan.synthetic_samples.tolist(),
        "cpu_hz": plan.frequency.tolist(),
        "bandwidth_hz": plan.bandwidth.tolist(),
        "tx_power_w": plan.power.tolist(),
        "rate_bps": plan.rate.tolist(),
        "compute_s": plan.compute_time.tolist(),
        "upload_s": plan.upload_time.tolist(),
        "energy_j": energy.tolist(),
        "aggregation_weight": plan.aggregation_weights.tolist(),
        "num_examples": plan.samples.tolist(),
    }
    if plan.synthetic_by_class is not None:
        columns["synthetic_per_class"] = plan.synthetic_by_class.tolist()
    rows = zip(*columns.values(), strict=True)
    out: dict[str, dict[str, Any]] = {}
    for name, row in zip(map(str, plan.devices.ids), rows, strict=True):
        if name in out:
            raise InvalidInputError(f"ids must differ as text, but {name!r} stands twice")
        out[name] = dict(zip(columns, row, strict=True))
    return out


def _class_names(plan: Plan, classes: Sequence[str] | None) -> list[str]:
    counts = plan.devices.class_counts
    count = 0 if counts is None else counts.shape[1]
    names = [str(k) for k in range(count)] if classes is None else [str(name) for name in classes]
    if len(names) != count:
        raise InvalidInputError(f"classes has {len(names)} names, but the devices count {count} classes")
    return names


def _compact(value: Any) -> str:
    """JSON on one line; a NaN or infinity would be an error, as JSON has none."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
