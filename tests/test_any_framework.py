"""The page for any framework does what it says, and its device needs no library."""

import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fimi_opt as fo

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "any-framework.md"

# Both are sums of three float64 products, in one order or another.
SAME_MODEL = 1e-12


def test_the_page_runs_without_this_library_on_the_device(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    client, server, aggregation, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [printed] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert len(client.strip().splitlines()) <= 40
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(server, PAGE.name, "exec"), names)
    (tmp_path / "client.py").write_text(client, encoding="utf-8")
    # -I: no packages of the environment but the standard library's.
    bare = [sys.executable, "-I", "-S", "client.py", "plan.json", "phone-1"]
    done = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == printed
    check_rounds(client, aggregation, names["plan"])


def check_rounds(client: str, aggregation: str, plan: fo.Plan) -> None:
    """The page's functions make FedAvg of the plan's weights."""
    names: dict[str, Any] = {"__name__": "client"}
    exec(compile(client + aggregation, PAGE.name, "exec"), names)
    record, classes = names["read_record"]("plan.json", "phone-1")
    assert names["synthesis_request"](record, classes) == dict(
        zip(["cat", "dog"], plan.synthesis_requests()["phone-1"], strict=True)
    )
    updates = []
    for k, device in enumerate(plan.devices.ids):
        record, _ = names["read_record"]("plan.json", device)
        updates.append(names["one_round"](record, lambda model, _: [x + k for x in model], [0.0, 1.0]))  # noqa: B023
    mean = float(plan.aggregation_weights @ np.arange(3))
    assert names["aggregate"](updates) == pytest.approx([mean, 1 + mean], rel=SAME_MODEL)
    with pytest.raises(KeyError, match="phone-9"):
        names["read_record"]("plan.json", "phone-9")
