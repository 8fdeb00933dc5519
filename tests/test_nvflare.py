"""Plans for NVFlare: who is who, what arrives, and what the server makes of the weights."""

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.adapters import device_plan
from fimi_opt.adapters.nvflare import ARGUMENT, NUM_STEPS, hand_over, num_steps, per_site_config, read_plan, weight

SITES: dict[str, str | int] = {"site-1": "phone 1", "site-2": 7, "site-3": "müller"}
CLASSES = ['big "cat"', "do\\g {x} ${secret:Y}"]  # what arguments and job files may trip over

# Both are sums of three float64 products, in one order or another.
SAME_MODEL = 1e-12
# Weights that differ by a tenth move the mean by far more than rounding.
OTHER_MODEL = 1e-2


@pytest.fixture(scope="module")
def plan() -> fo.Plan:
    devices = fo.Devices(
        [400.0, 900.0, 1300.0],
        5e-27,
        1.5e9,
        [3e-11, 1e-10, 5e-11],
        0.2,
        ids=list(SITES.values()),
        class_counts=[[100, 300], [850, 50], [700, 600]],
    )
    return fo.solve(devices, fo.Constraints(0.23, 200, 60.0, 3e6, 2000), integer=True)


def arguments_of(config: dict[str, dict[str, str]], site: str) -> list[str]:
    """What NVFlare makes of a site's arguments."""
    return config[site]["train_args"].split()


def test_every_site_reads_its_own_plan(plan: fo.Plan) -> None:
    config = per_site_config(plan, SITES, train_args="--epochs 1", classes=CLASSES)
    document = plan.to_dict(CLASSES)
    for site, device in SITES.items():
        words = arguments_of(config, site)
        assert words[:2] == ["--epochs", "1"]
        read = read_plan(words)
        record = document["devices"][str(device)]
        for key, value in record.items():
            assert getattr(read, key) == (tuple(value) if isinstance(value, list) else value)
        assert read.classes == tuple(CLASSES)
        assert type(read.id) is type(device)
        assert weight(read) == {NUM_STEPS: record["num_examples"]}
    assert num_steps(plan, SITES) == {"site-1": plan.samples[0], "site-2": plan.samples[1], "site-3": plan.samples[2]}


def test_a_plan_is_one_word_that_nothing_expands(plan: fo.Plan) -> None:
    for site in per_site_config(plan, SITES, classes=CLASSES).values():
        argument, word = site["train_args"].split(" ")
        assert argument == ARGUMENT
        assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", word)


def test_sites_can_have_arguments_of_their_own(plan: fo.Plan) -> None:
    own = {site: f"--data {site}.npz" for site in SITES}
    config = per_site_config(plan, SITES, train_args=own)
    assert {site: " ".join(arguments_of(config, site)[:2]) for site in SITES} == own
    del own["site-2"]
    with pytest.raises(fo.InvalidInputError, match="train_args must have the same sites, but differs in 'site-2'"):
        per_site_config(plan, SITES, train_args=own)


def test_a_weight_needs_a_plan() -> None:
    with pytest.raises(fo.InvalidInputError, match="plan must be what read_plan"):
        weight({"num_examples": 3.0})  # type: ignore[arg-type]


def test_ids_can_be_the_names_of_the_sites(plan: fo.Plan) -> None:
    numbered = fo.solve(fo.Devices([400.0, 900.0], 5e-27, 1.5e9, 1e-10, 0.2), plan.constraints)
    config = per_site_config(numbered)
    assert list(config) == ["0", "1"]
    read = read_plan(arguments_of(config, "1"))
    assert (read.id, read.classes, read.synthetic_per_class) == (1, None, None)
    with pytest.raises(fo.InvalidInputError, match="got 'phone 1', an id of the plan: give the sites' names"):
        per_site_config(plan)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (SITES | {"site-4": "phone-9"}, "sites says that 'site-4' is device 'phone-9', which the plan does not have"),
        (SITES | {"site-4": 7}, "sites gives device '7' to 'site-2' and to 'site-4'"),
        ({"site-2": 7}, "sites has none for devices 'müller', 'phone 1'"),
        ({}, "sites has none for devices '7', 'müller', 'phone 1'"),
        ({"site 1": 7}, "sites must have names of letters, digits, '-' and '_', not 'server', got 'site 1'"),
        ({"server": 7}, "got 'server'"),
        ({"@ALL": 7}, "got '@ALL'"),
        ({3: 7}, "got 3"),
    ],
)
def test_sites_that_do_not_match_the_plan_are_named(plan: fo.Plan, sites: Any, message: str) -> None:
    for refuses in (per_site_config, num_steps):
        with pytest.raises(fo.InvalidInputError, match=re.escape(message)):
            refuses(plan, sites)


def test_names_alone_do_not_say_which_device_a_site_is(plan: fo.Plan) -> None:
    with pytest.raises(fo.InvalidInputError, match="sites must be a mapping of the sites' names to device ids, got"):
        per_site_config(plan, ["site-1", "site-2", "site-3"])  # type: ignore[arg-type]


def test_many_missing_sites_are_counted(plan: fo.Plan) -> None:
    fleet = fo.solve(fo.Devices(np.full(9, 900.0), 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 9e6, 2000))
    with pytest.raises(fo.InvalidInputError, match=r"devices '0', '1', '2', '3', '4' and 4 more"):
        per_site_config(fleet, {})


def test_only_plans_are_handed_over() -> None:
    message = "plan must be a fimi_opt.Plan whose devices alone train, got dict"
    with pytest.raises(fo.InvalidInputError, match=re.escape(message)):
        num_steps({}, SITES)  # type: ignore[arg-type]


def test_plans_in_which_the_server_trains_too_are_refused(plan: fo.Plan) -> None:
    limits = fo.Constraints(0.3, 200, 60.0, 3e6, 2000)
    assisted = baselines.server_side(plan.devices, limits)
    for refuses in (per_site_config, num_steps):
        with pytest.raises(fo.InvalidInputError, match="whose devices alone train, got ServerSidePlan"):
            refuses(assisted, SITES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (None, "train_args must be text, or a mapping of the sites' names to it, got None"),
        (["--epochs", "1"], "train_args must be text, or a mapping of the sites' names to it, got ['--epochs', '1']"),
        (dict.fromkeys(SITES), "train_args of site 'site-1' must be text, got None"),
    ],
)
def test_arguments_that_are_no_text_are_refused(plan: fo.Plan, arguments: Any, message: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=re.escape(message)):
        per_site_config(plan, SITES, train_args=arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"arguments must have {ARGUMENT} once, with a plan behind it, got it 0 times"),
        ([ARGUMENT], "got it 1 times"),
        ([ARGUMENT, "{}", ARGUMENT, "{}"], "got it 2 times"),
        ([ARGUMENT, "plan.json"], f"{ARGUMENT} has no plan behind it"),
        ([ARGUMENT, "%FF"], f"{ARGUMENT} has no plan behind it"),
        ([ARGUMENT, "[1]"], f"{ARGUMENT} has no plan behind it, got [1]"),
        ([ARGUMENT, "{}"], "schema of the plan must be 'fimi-plan/1', got None"),
    ],
)
def test_arguments_without_a_plan_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=re.escape(message)):
        read_plan(arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema": "fimi-plan/2"}, "schema of the plan must be 'fimi-plan/1', got 'fimi-plan/2'"),
        ({"cpu_hz": None}, "cpu_hz is missing in the plan"),
        ({"cpu_hz": "1e9"}, "cpu_hz of the plan must be a finite number >= 0, got '1e9'"),
        ({"num_examples": float("nan")}, "num_examples of the plan must be a finite number >= 0, got nan"),
        ({"energy_j": True}, "energy_j of the plan must be a finite number >= 0, got True"),
        ({"class_counts": 3.0}, "class_counts of the plan must be a list, got 3.0"),
        ({"synthetic_per_class": [1, -1]}, "synthetic_per_class of the plan must be a finite number >= 0, got -1"),
        ({"index": 0.5}, "index of the plan must be a whole number, got 0.5"),
        ({"id": 1.5}, "id of the plan must be text or a whole number, got 1.5"),
    ],
)
def test_a_record_that_is_no_plan_is_refused(plan: fo.Plan, changed: dict[str, Any], message: str) -> None:
    record = device_plan.records_of(plan, None)["7"]
    assert device_plan.parse(record | {"of_a_later_release": 1}) == device_plan.parse(record)
    record = {key: value for key, value in (record | changed).items() if value is not None}
    with pytest.raises(fo.InvalidInputError, match=re.escape(message)):
        device_plan.parse(record)


def test_arguments_are_those_of_the_script(plan: fo.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    words = arguments_of(per_site_config(plan, SITES), "site-2")
    monkeypatch.setattr(sys, "argv", ["client.py", *words])
    assert read_plan() == read_plan(words)


def test_a_missing_nvflare_is_named_with_the_line_that_installs_it(
    plan: fo.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("nvflare is not installed")) as caught:
        hand_over(object(), plan, SITES)
    assert "pip install 'fimi-opt[nvflare]'" in str(caught.value)


class TestTheRealRecipe:
    """With NVFlare installed, without running it."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("nvflare", reason="nvflare is not installed: pip install 'fimi-opt[nvflare]'")

    def recipe(self, tmp_path: pathlib.Path, **changed: Any) -> Any:
        from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe

        script = tmp_path / "client.py"
        script.write_text("", encoding="utf-8")
        given = {"min_clients": 3, "train_args": "--epochs 1", "name": "planned", "model": [0.0, 0.0]}
        return NumpyFedAvgRecipe(**(given | {"train_script": str(script)} | changed))

    def test_it_takes_the_plan(self, plan: fo.Plan, tmp_path: pathlib.Path) -> None:
        recipe = self.recipe(tmp_path)
        hand_over(recipe, plan, SITES, classes=CLASSES)  # warnings are errors: none of a secret
        assert recipe.configured_sites() == list(SITES)
        assert recipe.per_site_config == per_site_config(plan, SITES, train_args="--epochs 1", classes=CLASSES)

    def test_the_weight_has_nvflares_name(self) -> None:
        from nvflare.apis.fl_constant import FLMetaKey

        assert FLMetaKey.NUM_STEPS_CURRENT_ROUND == NUM_STEPS

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"min_clients": 2}, "min_clients of the recipe is 2, but the plan has 3 devices"),
            ({"aggregation_weights": {"site-1": 2.0}}, "aggregation_weights of the recipe would be multiplied"),
        ],
    )
    def test_a_recipe_that_would_not_follow_the_plan_is_refused(
        self, plan: fo.Plan, tmp_path: pathlib.Path, changed: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(fo.InvalidInputError, match=message):
            hand_over(self.recipe(tmp_path, **changed), plan, SITES)
        with pytest.raises(fo.InvalidInputError, match="recipe must have train_args"):
            hand_over(object(), plan, SITES)


CLIENT = """
import argparse

import numpy as np
import nvflare.client as flare

from fimi_opt.adapters.nvflare import read_plan, weight

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
steps = parser.parse_known_args()[0].steps
plan = read_plan()
flare.init()
while flare.is_running():
    received = flare.receive()
    model = np.asarray(received.params["numpy_key"], np.float64)
    noise = np.random.default_rng([plan.index, received.current_round])
    for _ in range(steps):
        model = model - 0.1 * (model - noise.standard_normal(model.size) - plan.synthetic_per_class[0])
    flare.send(flare.FLModel(params={"numpy_key": model}, meta=weight(plan)))
"""

SERVER = """
import json
import sys

import fimi_opt as fo
from fimi_opt.adapters.nvflare import hand_over
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe import SimEnv

if __name__ == "__main__":
    sites, classes, folder = json.loads(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as stream:
        plan = fo.Plan.from_json(stream.read())
    recipe = NumpyFedAvgRecipe(
        name="planned",
        model=[0.0] * 4,
        min_clients=len(sites),
        num_rounds=3,
        train_script="client.py",
        train_args="--steps 5",
    )
    hand_over(recipe, plan, sites, classes=classes)
    recipe.execute(SimEnv(clients=list(sites), workspace_root=folder))
"""


def averaged(plan: fo.Plan, weights: Any, rounds: int = 3, steps: int = 5) -> Any:
    """FedAvg of the client above, in NumPy."""
    wanted = plan.synthesis_requests()
    model = np.zeros(4)
    for number in range(rounds):
        local = []
        for index, device in enumerate(SITES.values()):
            noise, own = np.random.default_rng([index, number]), model.copy()
            for _ in range(steps):
                own = own - 0.1 * (own - noise.standard_normal(4) - wanted[str(device)][0])
            local.append(own)
        model = np.average(local, axis=0, weights=weights)
    return model


@pytest.mark.release
def test_the_simulator_trains_as_fedavg_in_numpy(plan: fo.Plan, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("nvflare", reason="nvflare is not installed: pip install 'fimi-opt[nvflare]'")
    (tmp_path / "client.py").write_text(CLIENT, encoding="utf-8")
    (tmp_path / "server.py").write_text(SERVER, encoding="utf-8")
    (tmp_path / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    given = json.dumps([SITES, CLASSES, str(tmp_path / "workspace")])
    environment = {name: value for name, value in os.environ.items() if name != "NVFLARE_SIMULATOR_WORKSPACE_ROOT"}
    done = subprocess.run(
        [sys.executable, "server.py", given, "plan.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [saved] = (tmp_path / "workspace").rglob("server.npy")
    found = np.load(saved)
    assert np.abs(found / averaged(plan, plan.samples) - 1).max() < SAME_MODEL
    for wrong in (plan.devices.local_samples, np.ones(3)):  # what clients count, or a weight that was lost
        assert np.abs(found / averaged(plan, wrong) - 1).max() > OTHER_MODEL
