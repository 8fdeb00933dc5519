"""The app of docs/flower.md as it stands there: over a grid without processes, in ray's simulation, on a SuperLink."""

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from flower_clients import NODES, SAME_WEIGHTS, Client, Floats, run, small_plan, without_network
from flower_grid import PAGE, InlineGrid, other_code, write_recipe
from flower_runs import OFFLINE, missing, run_recipe
from flwr.app import Context, RecordDict, UserConfig
from flwr.serverapp.strategy import FedAvg

import fimi_opt as fo
from fimi_opt.adapters.flower import PlannedStrategy

SAME_ACCURACY = 1e-6
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds its processes in /proc")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ModuleType]]:
    folder = tmp_path_factory.mktemp("recipe")
    write_recipe(folder)
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"planned_app.{name}")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("planned_app")]:
        del sys.modules[name]


def numpy_fedavg(task: ModuleType, plan: fo.Plan, rounds: int) -> tuple[Floats, list[float]]:
    """FedAvg on mixed data without any framework."""
    requests = list(plan.synthesis_requests().values())
    data = []
    for device, request in enumerate(requests):
        local = task.draw(task.class_counts(device), seed=device)
        synthetic = task.draw(request, seed=1000 + device)
        data.append([np.concatenate(pair) for pair in zip(local, synthetic, strict=True)])
    sizes = [labels.size for _, labels in data]
    test_data = task.draw([200] * task.CLASSES, seed=10**6)
    weights = np.zeros((task.FEATURES, task.CLASSES))
    accuracies = [task.accuracy(weights, *test_data)]
    for _ in range(rounds):
        updates = [task.train(weights, *rows) for rows in data]
        weights = sum(size * update for size, update in zip(sizes, updates, strict=True)) / sum(sizes)
        accuracies.append(task.accuracy(weights, *test_data))
    return weights, accuracies


def check_recipe(recipe: Callable[[str], ModuleType], devices: int, rounds: int, trained: Mapping[str, Any]) -> None:
    weights, accuracies = numpy_fedavg(recipe("task"), recipe("server_app").make_plan(devices), rounds)
    assert accuracies[-1] > 0.6 > accuracies[0]  # it learned
    np.testing.assert_allclose(trained["accuracies"], accuracies, rtol=0, atol=SAME_ACCURACY)
    np.testing.assert_allclose(trained["weights"], weights, rtol=0, atol=SAME_WEIGHTS)


def test_the_recipe_trains_as_numpy_does(recipe: Callable[[str], ModuleType], tmp_path: Path) -> None:
    nodes: dict[int, UserConfig] = {7**20 + i: {"partition-id": i, "num-partitions": 20} for i in range(20)}
    settings: UserConfig = {"devices": 20, "rounds": 5, "out": str(tmp_path / "out.npz")}
    grid = InlineGrid(recipe("client_app").app, nodes)
    with without_network():
        recipe("server_app").app(grid, Context(1, 1, {}, RecordDict(), settings))
    with np.load(tmp_path / "out.npz") as trained:
        check_recipe(recipe, 20, 5, trained)


def test_the_other_code_on_the_page_runs() -> None:
    plan = small_plan()
    names: dict[str, Any] = {"PlannedStrategy": PlannedStrategy, "FedAvg": FedAvg, "plan": plan}
    given, anew = other_code()
    exec(compile(given, PAGE.name, "exec"), names)
    exec(compile(anew, PAGE.name, "exec"), names)
    client = Client(**{"channel-gain": 5e-11})
    with without_network():
        run(names["strategy"], InlineGrid(client.app, NODES), rounds=2)
    assert names["strategy"].plan.devices == replace(plan.devices, channel_gain=np.full(len(NODES), 5e-11))


def test_the_page_names_what_an_offline_run_needs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name, value in OFFLINE.items() if f"{name}={value}" not in text] == []
    assert "FLWR_HOME=" in text


def test_the_page_simulates_as_many_nodes_as_its_app_waits_for(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    config = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["flwr"]["app"]["config"]
    assert f"local --num-supernodes {config['devices']}\nflwr run . --stream" in PAGE.read_text(encoding="utf-8")


@pytest.mark.release
@ON_LINUX
@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray==2.55.1, of Flower's simulation")
@pytest.mark.skipif(bool(missing("flwr", "flower-superlink", "flwr-simulation")), reason="needs Flower's programs")
def test_ray_simulation_of_twenty_clients(recipe: Callable[[str], ModuleType], tmp_path: Path) -> None:
    write_recipe(tmp_path)
    check_recipe(recipe, 20, 5, run_recipe(tmp_path, devices=20, rounds=5, simulated=True))


@pytest.mark.release
@ON_LINUX
@pytest.mark.skipif(bool(missing("flwr", "flower-superlink", "flower-supernode")), reason="needs Flower's programs")
def test_superlink_with_four_supernodes(recipe: Callable[[str], ModuleType], tmp_path: Path) -> None:
    write_recipe(tmp_path)
    check_recipe(recipe, 4, 3, run_recipe(tmp_path, devices=4, rounds=3, simulated=False))


def test_the_adapter_leaves_flowers_deprecated_simulation_alone() -> None:
    package = Path(fo.__file__).parent / "adapters" / "flower"
    texts = [path.read_text(encoding="utf-8") for path in (*package.glob("*.py"), PAGE)]
    assert len(texts) > 3
    assert not [text for text in texts if "run_simulation" in text]


def test_without_flower_the_install_line_is_named() -> None:
    code = """
import sys
sys.modules["flwr"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "flwr" else find(name, *rest)
import fimi_opt.adapters
try:
    import fimi_opt.adapters.flower
except ModuleNotFoundError as error:
    assert error.name == "flwr"
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "flwr is not installed; it comes with an extra: pip install 'fimi-opt[flower]'\n"
