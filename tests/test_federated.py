"""From plan to training: every part against a slow obvious twin, rows that outlive an interruption, the run, tiny."""

import doctest
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import casadi
import numpy as np
import oracles
import pytest

pytest.importorskip("sklearn")

from federated import errors, laws, quality, runs, similarity, tables, training
from federated.__main__ import main
from federated.digits import CLASSES, Digits, Floats, Samples, join, split
from federated.generators import POOR_COMPONENTS, POOR_SPREAD, fit_gaussian
from federated.kinds import TORCH, generator
from federated.network import Batch, Network, gradient, predict, probabilities, stacked, start
from federated.quality import Worth, exponent, plan_with_quality, true_error
from federated.rows import Rows, missing
from federated.runs import Run, make_case
from federated.schemes import CONTROLS, RECIPES, Case
from federated.settings import ROUNDS, SETTINGS, deal, error_limit
from federated.training import BATCH, EPOCHS, RATE, Group, Team, steps_for, train

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.scenarios import Scenario, paper

# Sums in another order differ by rounding; a few hundred steps carry it on.
ROUNDING = 1e-12
STEPS_TOL = 1e-9
# Central differences of step 1e-6 of a loss of order one: rounding of 1e-16 over 1e-6, and third derivatives.
SLOPE_TOL = 1e-7
# IPOPT's tolerance is 1e-11, on scaled energies; the limits of its accuracy were seen at 1e-8.
IPOPT_TOL = 1e-7
# Measured by the full run, to three digits; tests of plans do not depend on more.
CURVE = fo.LearningCurve(alpha=1.97, beta=0.5, gamma=0.064, zeta=14.6)
SMALL = SETTINGS["scarce"]._replace(devices=4)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return split(0)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(SMALL, 0, "Gaussian", "poor Gaussian", CURVE)


def is_part_of(few: Floats, many: Floats) -> bool:
    """Whether every row of one array is a row of the other."""
    return {row.tobytes() for row in few} <= {row.tobytes() for row in many}


# Data


def test_splits_share_no_image_number_and_use_all(digits: Digits) -> None:
    assert [part.labels.size for part in digits] == [1200, 200, 397]
    assert np.bincount(digits.public.labels).tolist() == [20] * CLASSES
    together = join(*digits)
    assert sorted(map(bytes, together.images)) == sorted(map(bytes, join(*split(1)).images))
    assert not np.array_equal(digits.test.images, split(1).test.images)


def test_devices_hold_disjoint_samples_of_their_mix(digits: Digits) -> None:
    setting = SETTINGS["scarce"]
    holding = deal(setting, digits, 3)
    assert [samples.labels.size for samples in holding.own] == [setting.local] * setting.devices
    assert holding.class_counts.sum(axis=1).tolist() == [setting.local] * setting.devices
    everything = join(*holding.own, holding.spare)
    assert sorted(map(bytes, everything.images)) == sorted(map(bytes, digits.private.images))
    # Dir(0.1) leaves most classes out on most devices.
    assert np.mean(holding.class_counts > 0) < 0.5


def test_gaussians_have_the_classes_means_and_the_poor_one_less_spread(digits: Digits) -> None:
    labels = np.repeat(np.arange(CLASSES), 2000)
    good = fit_gaussian(digits.public).make(labels, np.random.default_rng(0))
    poor = fit_gaussian(digits.public, POOR_COMPONENTS, POOR_SPREAD).make(labels, np.random.default_rng(0))
    assert good.min() >= 0
    assert good.max() <= 1
    for label in range(CLASSES):
        own = digits.public.images[digits.public.labels == label].mean(axis=0)
        # Cutting to [0, 1] moves the mean of dark pixels up a little.
        assert np.abs(good[labels == label].mean(axis=0) - own).mean() < 0.05
        assert poor[labels == label].std(axis=0).sum() < 0.5 * good[labels == label].std(axis=0).sum()


def test_unclipped_gaussian_has_the_fitted_covariance(digits: Digits) -> None:
    fitted = fit_gaussian(digits.public)
    inner = (digits.public.images - fitted.centre) @ fitted.axes.T
    own = inner[digits.public.labels == 3]
    apart = inner - fitted.means[digits.public.labels]
    pooled = apart.T @ apart / (len(apart) - CLASSES)
    covariance = 0.7 * np.cov(own, rowvar=False) + 0.3 * pooled
    np.testing.assert_allclose(fitted.roots[3] @ fitted.roots[3].T, covariance, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TORCH)
def test_generators_that_are_trained_make_images_of_the_classes_asked_for(
    kind: str, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from federated import adversarial, diffusion

    monkeypatch.setattr(diffusion, "_TRAINING_STEPS", 400)
    monkeypatch.setattr(adversarial, "_TRAINING_STEPS", 1500)
    monkeypatch.setattr("federated.kinds._LEARNT", {})
    labels = np.repeat(np.arange(CLASSES), 20)
    made = generator(kind, digits.public, 0).make(labels, np.random.default_rng(0))
    assert made.min() >= 0
    assert made.max() <= 1
    again = generator(kind, digits.public, 0).make(labels, np.random.default_rng(0))
    assert np.array_equal(made, again)
    # Half trained as they are, an image is nearer to the mean of its own class than to the others' more often than by
    # chance, which is one in ten.
    means = np.array([digits.public.images[digits.public.labels == label].mean(axis=0) for label in range(CLASSES)])
    nearest = ((made[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == labels) > 0.4


def test_a_generator_of_no_kind_is_refused(digits: Digits) -> None:
    with pytest.raises(ValueError, match="kind must be one of Gaussian, poor Gaussian, diffusion, GAN, got 'VAE'"):
        generator("VAE", digits.public, 0)


# Network and training


def loss(network: Network, batch: Batch, copy: int) -> float:
    """Weighted cross-entropy of one copy, sample by sample."""
    total = 0.0
    for image, label, weight in zip(batch.images[copy], batch.labels[copy], batch.weights[copy], strict=True):
        hidden = np.maximum(image @ network.weights_in[copy] + network.biases_in[copy, 0], 0)
        scores = hidden @ network.weights_out[copy] + network.biases_out[copy, 0]
        total -= weight * (scores[label] - math.log(sum(map(math.exp, scores))))
    return total


def test_gradient_is_that_of_the_loss_for_every_copy() -> None:
    rng = np.random.default_rng(0)
    stack = Network(*(part + 0.1 * rng.standard_normal(part.shape) for part in stacked(start(rng), 3)))
    batch = Batch(rng.random((3, 5, 64)), rng.integers(CLASSES, size=(3, 5)), rng.random((3, 5)))
    slope = gradient(stack, batch)
    for part, column in zip(stack, slope, strict=True):
        for copy in range(3):
            for place in rng.integers(part[copy].size, size=6):
                kept = part[copy].flat[place]
                values = []
                for step in (1e-6, -1e-6):
                    part[copy].flat[place] = kept + step
                    values.append(loss(stack, batch, copy))
                part[copy].flat[place] = kept
                assert column[copy].flat[place] == pytest.approx((values[0] - values[1]) / 2e-6, abs=SLOPE_TOL)


def naive_round(network: Network, group: Group, rng: np.random.Generator) -> list[Floats]:
    """One round of federated averaging, one device after the other; the batches are drawn as the fast one does."""
    total = [np.zeros_like(part) for part in network]
    length = int(group.steps.max()) * BATCH
    orders = []
    for data in group.data:
        size = data.labels.size
        passes = [list(row) for row in rng.permuted(np.tile(np.arange(size), (-(-length // size), 1)), axis=1)]
        orders.append([number for row in passes for number in row])
    for data, steps, weight, order in zip(group.data, group.steps, group.weights, orders, strict=True):
        own = [part.copy() for part in network]
        for step in range(steps):
            numbers = order[step * BATCH : (step + 1) * BATCH]
            batch = Batch(data.images[None, numbers], data.labels[None, numbers], np.full((1, BATCH), 1 / BATCH))
            slope = gradient(Network(*(part[None] for part in own)), batch)
            own = [part - RATE * change[0] for part, change in zip(own, slope, strict=True)]
        total = [sum_ + weight * part for sum_, part in zip(total, own, strict=True)]
    return total


def test_stacked_round_is_the_round_of_one_device_after_the_other(digits: Digits) -> None:
    data = [digits.private.take(np.arange(first, last)) for first, last in ((0, 7), (7, 30), (30, 61))]
    group = Group(data, np.array([4, 9, 2]), np.array([0.2, 0.5, 0.3]))
    network = start(np.random.default_rng(1))
    fast = Team(group, np.random.default_rng(2)).work(network)
    slow = naive_round(network, group, np.random.default_rng(2))
    for one, other in zip(fast, slow, strict=True):
        np.testing.assert_allclose(one, other, atol=STEPS_TOL)


def test_a_device_alone_learns_what_it_is_shown(digits: Digits) -> None:
    data = digits.private.take(np.arange(50))
    reached = train([Group([data], np.array([300]), np.ones(1))], data, 2, [0])
    assert reached[-1] == 1.0


def test_steps_are_passes_over_real_and_synthetic_samples() -> None:
    assert steps_for(np.array([20, 40, 41])).tolist() == [10, 20, 21]
    assert EPOCHS * 20 == 10 * BATCH


def test_guessed_labels_count_only_where_the_network_is_sure(digits: Digits) -> None:
    trained = Team(Group([digits.public], np.array([400]), np.ones(1)), np.random.default_rng(0)).work(
        start(np.random.default_rng(0))
    )
    data = digits.private.take(np.arange(40))
    wrong = Samples(data.images, (data.labels + 1) % CLASSES)
    team = Team(Group([wrong], np.array([1]), np.ones(1), labelled=np.array([10])), np.random.default_rng(0))
    batch = team.whole(trained)[1]
    chances = probabilities(trained, data.images)
    sure = chances.max(axis=1) >= training.CONFIDENCE
    assert batch.labels[0, :10].tolist() == wrong.labels[:10].tolist()
    assert batch.labels[0, 10:].tolist() == predict(trained, data.images)[10:].tolist()
    assert (batch.weights[0] > 0).tolist() == [*[True] * 10, *sure[10:]]
    assert 0 < sure[10:].sum() < 30


# Schemes


@pytest.mark.parametrize("name", RECIPES)
def test_weights_sum_to_one_and_every_trainer_takes_steps(case: Case, name: str) -> None:
    plan = RECIPES[name].plan(case)
    groups = RECIPES[name].groups(case, plan)
    assert sum(group.weights.sum() for group in groups) == pytest.approx(1, abs=ROUNDING)
    assert all(group.steps.min() >= 1 for group in groups)
    assert plan.gap < 0.02  # whole samples, few of them, cost this much


def test_training_follows_the_plan(case: Case) -> None:
    group = RECIPES["FIMI"].groups(case, case.fimi)[0]
    counts = np.array([np.bincount(data.labels, minlength=CLASSES) for data in group.data])
    requests = list(case.fimi.synthesis_requests().values())
    assert (counts - case.holding.class_counts).tolist() == requests
    assert group.weights.tolist() == case.fimi.aggregation_weights.tolist()
    assert group.steps.tolist() == steps_for(case.fimi.samples).tolist()
    again = RECIPES["FIMI"].groups(case, case.fimi)[0]
    assert all(np.array_equal(one.images, other.images) for one, other in zip(group.data, again.data, strict=True))


def test_added_samples_are_where_they_should_be_from(case: Case) -> None:
    own, digits = case.holding.own, case.digits
    added = {}
    for name in ("SEMI", "HDC", "own data again", "public shared"):
        data = RECIPES[name].groups(case, RECIPES[name].plan(case))[0].data
        added[name] = [samples.take(np.arange(SMALL.local, samples.labels.size)) for samples in data]
    amounts = case.fimi.synthetic_samples.tolist()
    for several in added.values():
        assert [samples.labels.size for samples in several] == amounts
    for i, counts in enumerate(case.holding.class_counts):
        assert is_part_of(added["SEMI"][i].images, case.holding.spare.images)
        assert set(added["SEMI"][i].labels) <= set(np.flatnonzero(counts))
        assert set(added["HDC"][i].labels) == {int(counts.argmin())}
        assert is_part_of(added["own data again"][i].images, own[i].images)
        assert is_part_of(added["public shared"][i].images, digits.public.images)
    together = join(*added["SEMI"])
    assert len({row.tobytes() for row in together.images}) == together.labels.size


def test_server_has_what_the_devices_would_have_got(case: Case) -> None:
    server = RECIPES["SST"].groups(case, RECIPES["SST"].plan(case))[1].data[0]
    mixed = RECIPES["FIMI"].groups(case, case.fimi)[0].data
    at_devices = join(*(samples.take(np.arange(SMALL.local, samples.labels.size)) for samples in mixed))
    assert np.array_equal(server.images, at_devices.images)


def test_controls_cost_what_they_say(case: Case) -> None:
    for name in ("TFL, equal steps", "own data again", "SST, equal steps", "public shared"):
        assert CONTROLS[name].plan(case).energy == case.fimi.energy
    assert CONTROLS["public alone"].plan(case).energy == 0
    equal = CONTROLS["TFL, equal steps"].groups(case, case.fimi)[0]
    assert equal.steps.tolist() == steps_for(case.fimi.samples).tolist()
    assert RECIPES["TFL"].plan(case).energy < RECIPES["w/o BA"].plan(case).energy
    assert case.fimi.lower_bound <= RECIPES["w/o BA"].plan(case).energy


def test_equal_shares_are_filled_with_whole_samples_that_keep_the_limit(case: Case) -> None:
    plan = RECIPES["w/o BA"].plan(case)
    sizes = [samples.labels.size for samples in RECIPES["w/o BA"].groups(case, plan)[0].data]
    assert isinstance(plan, fo.Plan)
    assert np.all((np.array(sizes) >= plan.samples - ROUNDING) & (np.array(sizes) < plan.samples + 1))


def test_a_plan_of_another_kind_is_refused(case: Case) -> None:
    nowhere = baselines.centralized(*case.scenario)
    with pytest.raises(ValueError, match="plan must be for devices, got CentralizedPlan"):
        RECIPES["FIMI"].groups(case, nowhere)
    with pytest.raises(ValueError, match="plan must have a server's weight, got Plan"):
        RECIPES["SST"].groups(case, case.fimi)


def test_error_limit_is_met_by_the_amounts_that_define_it() -> None:
    setting = SETTINGS["scarce"]
    mean = CURVE.alpha * (setting.local + setting.added) ** -CURVE.beta - CURVE.gamma
    assert error_limit(setting, CURVE) == pytest.approx(math.exp(ROUNDS * (mean - 1) / CURVE.zeta), rel=ROUNDING)


# Similarity


def test_similarity_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    one = Network(*(rng.standard_normal(part.shape) for part in start(rng)))
    other = Network(*(rng.standard_normal(part.shape) for part in start(rng)))
    opposite = Network(*(-part for part in one))
    nothing = Network(*(np.zeros_like(part) for part in one))
    stack = Network(*(np.stack(parts) for parts in zip(one, other, opposite, nothing, strict=True)))
    total = 0.0
    for layer in ((0, 1), (2, 3)):
        a, b = (np.concatenate([network[k].ravel() for k in layer]) for network in (one, other))
        total += a @ b / np.sqrt((a @ a) * (b @ b)) + 1
    np.testing.assert_allclose(similarity.similarities(one, stack), [1, total / 4, 0, 0.5], atol=ROUNDING)


def test_a_device_with_the_virtual_ones_data_has_its_gradient(digits: Digits) -> None:
    virtual = similarity.uniform_device(digits, 0)
    narrow = virtual.take(np.flatnonzero(virtual.labels == 0))
    found = similarity.measured(Group([virtual, narrow], np.ones(2, np.int64), np.full(2, 0.5)), virtual, 0)
    assert found[0] == pytest.approx(1, abs=STEPS_TOL)
    assert found[1] < 0.8


# Laws of quality


def made_data(worth: Worth, noise: float) -> laws.Data:
    pairs = np.array([*errors.amounts("none"), *errors.amounts("Gaussian")], float)
    real, synthetic = pairs.T
    exact = CURVE.alpha * (real + worth.samples(synthetic)) ** -CURVE.beta - CURVE.gamma
    rng = np.random.default_rng(0)
    return laws.Data(real, synthetic, exact + noise * rng.standard_normal((20, exact.size)))


@pytest.mark.parametrize(("name", "worth"), [("constant", Worth(0.4)), ("saturating", Worth(1.5, 80.0))])
def test_laws_are_found_again(name: str, worth: Worth) -> None:
    law = laws.fit(name, made_data(worth, 0.01), resamples=50)
    assert law.low.q < worth.q < law.high.q
    assert law.low.ceiling <= worth.ceiling <= law.high.ceiling
    # A right law leaves about the noise, less a few fitted parameters; the wrong one leaves more.
    assert law.misfit < 1.5 * law.noise
    assert laws.optimism(made_data(worth, 0.01), law.curve) > 3 * law.noise


def test_the_wrong_law_is_seen() -> None:
    law = laws.fit("constant", made_data(Worth(1.5, 80.0), 0.01), resamples=5)
    assert law.misfit > 3 * law.noise


def least_energy(scenario: Scenario, worth: Worth) -> float:
    """Least energy under a law of quality, by IPOPT."""
    c = oracles.constants(*scenario)
    n = c.a.size
    D, t, b = (casadi.MX.sym(name, n) for name in "Dtb")  # in units of D_lo, T and B / I
    local = casadi.DM(c.D_lo)
    added = local * (D - 1)
    limited = math.isfinite(worth.ceiling)
    teach = worth.ceiling * (1 - casadi.exp(-worth.q / worth.ceiling * added)) if limited else worth.q * added
    v = c.s * n / (c.B * c.T) / ((1 - t) * b)
    upload = casadi.DM(c.h) * (casadi.exp(v) - 1) / v
    compute = casadi.DM(c.a * c.D_lo**3 / c.T**2) * D**3 / t**2
    limits = casadi.vertcat(
        casadi.sum1(c.alpha * (local + teach) ** -c.beta) / c.A - 1,
        casadi.sum1(b) / n - 1,
        D - t * casadi.DM(c.F * c.T / c.D_lo),
        upload / (casadi.DM(c.P) * c.T * (1 - t)) - 1,
    )
    found = oracles._run_ipopt(
        {"x": casadi.vertcat(D, t, b), "f": casadi.sum1(compute + upload) / 100, "g": limits},
        np.concatenate([np.full(n, 1.5), np.full(n, 0.7), np.ones(n)]),
        np.concatenate([np.ones(n), np.full(2 * n, 1e-3)]),
        np.concatenate([c.D_hi / c.D_lo, np.full(n, 1 - 1e-3), np.full(n, np.inf)]),
    )
    data, part, share = found.reshape(3, n)
    return oracles.energy_of(c, data * c.D_lo, part * c.T, (1 - part) * c.T, share * c.B / n)


@pytest.mark.parametrize(
    "worth", [Worth(1.0), Worth(0.5), Worth(0.2), Worth(2.0), Worth(1.0, 1000.0), Worth(2.0, 900.0)]
)
def test_plans_with_quality_are_optimal(worth: Worth) -> None:
    scenario = paper(seed=3, devices=5, bandwidth=5e6, max_synthetic=8000.0)
    plan = plan_with_quality(scenario, worth)
    assert plan.energy == pytest.approx(least_energy(scenario, worth), rel=IPOPT_TOL)
    assert 0 <= plan.gap < IPOPT_TOL
    devices, limits, task = scenario
    allowed = fo.models.mean_error_limit(limits.max_global_error, limits.rounds, task.learning.zeta)
    assert plan.mean_error == pytest.approx(allowed, rel=STEPS_TOL)
    # The decision itself, by the model's formulas.
    samples, local = devices.local_samples + plan.synthetic, devices.local_samples
    work = (task.cycles_per_sample, task.local_epochs)
    radio = (plan.bandwidth, plan.power, devices.channel_gain, devices.noise_density, task.update_bits)
    upload = fo.models.upload_time(*radio)
    compute = fo.models.compute_energy(samples, plan.frequency, devices.energy_coefficient, *work)
    assert float(np.sum(compute + plan.power * upload)) == pytest.approx(plan.energy, rel=STEPS_TOL)
    time = fo.models.compute_time(samples, plan.frequency, *work) + upload
    assert time.max() <= limits.max_latency * (1 + STEPS_TOL)
    assert np.all(plan.frequency <= devices.max_frequency * (1 + STEPS_TOL))
    assert plan.bandwidth.sum() <= limits.bandwidth * (1 + STEPS_TOL)
    assert np.mean(true_error(samples, local, task.learning, worth)) == pytest.approx(plan.mean_error, rel=ROUNDING)


def test_tangents_in_the_exponent_lie_above_the_law() -> None:
    scenario = paper(seed=3, devices=5, bandwidth=5e6, max_synthetic=3000.0)
    local, curve = scenario.devices.local_samples, scenario.task.learning
    for worth in (Worth(0.3), Worth(2.0), Worth(1.5, 700.0)):
        power = exponent(scenario, worth)
        samples = local + np.linspace(0, 3000, 301)[:, None]
        error = true_error(samples, local, curve, worth)
        slope = np.gradient(error, axis=0) / np.gradient(samples**-power, axis=0)
        # Concave in D^-b: the slope falls as D^-b grows, that is grows with D.
        assert np.all(np.diff(slope, axis=0) > -STEPS_TOL * np.abs(slope[1:]))


@pytest.mark.parametrize("worth", [Worth(0.0), Worth(-1.0), Worth(math.nan), Worth(1.0, 0.0)])
def test_laws_without_worth_are_refused(worth: Worth) -> None:
    with pytest.raises(ValueError, match="q and ceiling must be positive"):
        plan_with_quality(paper(seed=0), worth)


def test_too_little_worth_leaves_no_plan() -> None:
    with pytest.raises(fo.InfeasibleError):
        plan_with_quality(paper(seed=0), Worth(0.05))


@pytest.mark.parametrize("module", [quality, tables])
def test_examples_run(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


# Rows, and the run


def test_rows_outlive_an_interruption(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = Rows(path, "now")
    rows.add("part", {"seed": 1}, {"value": 0.1})
    rows.add("part", {"seed": 2}, {"value": 0.2})
    with path.open("a", encoding="utf-8") as file:
        file.write('["now", "cut off in the mid')
    again = Rows(path, "now")
    assert again.row("part", {"seed": 2}) == {"value": 0.2}
    assert again.find("part", {"seed": 3}) is None
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert Rows(path, "later").find("part", {"seed": 1}) is None
    calls = []

    def measure(seed: int) -> dict[str, Any]:
        calls.append(seed)
        return {"value": seed}

    assert [entry["seed"] for entry in missing(again, "part", measure, [{"seed": s} for s in (1, 2, 3)], 1)] == [3]
    assert calls == [3]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    settings = [{"setting": "scarce", "seed": seed, "rounds": 2} for seed in (0, 1)]
    found = []
    for jobs in (1, 2):
        rows = Rows(tmp_path / f"{jobs}.jsonl", "now")
        assert len(list(missing(rows, "uniform", runs.measure_uniform, settings, jobs))) == 2
        found.append([rows.row("uniform", entry) for entry in settings])
    assert found[0] == found[1]


def made_run(scheme: str, seed: int, last: float) -> Run:
    return Run("scarce", scheme, seed, [0.1, last], 1.0, 60.0, 1e9, 0.0, [1.0], 1.0, [0.5], 0.9)


def test_leads_are_paired_and_hold_only_with_the_margin() -> None:
    many = [made_run("FIMI", seed, 0.9 + 0.01 * (seed % 2)) for seed in range(6)]
    near = [made_run("HDC", seed, 0.885 + 0.01 * (seed % 2)) for seed in range(6)]
    far = [made_run("TFL", seed, 0.80 + 0.01 * (seed % 2)) for seed in range(6)]
    found = {lead.scheme: lead for lead in tables.leads([*many, *near, *far])}
    assert set(found) == {"HDC", "TFL"}
    assert found["TFL"].difference.value == pytest.approx(0.1)
    assert found["TFL"].difference.half == pytest.approx(0, abs=ROUNDING)
    assert found["TFL"].holds
    assert not found["HDC"].holds
    assert "NOT ahead" in found["HDC"].text


def test_targets_are_reached_in_the_first_round_or_never() -> None:
    seldom = [made_run("TFL", seed, 0.8 if seed else 0.9) for seed in range(3)]
    often = [made_run("FIMI", seed, 0.9 if seed else 0.8) for seed in range(3)]
    assert "| 1.0 | N/A (2 to N/A) | N/A | N/A | N/A | 83.3 ± 14.3 |" in tables.line([*seldom, *often], "scarce", "TFL")
    # One round is a joule, a minute and an eighth of a gigabyte.
    assert "| 1.0 | 2 (2 to N/A) | 2 | 0.03 | 0.25 |" in tables.line([*seldom, *often], "scarce", "FIMI")


@pytest.mark.slow
def test_synthetic_data_helps_skewed_devices_more_than_filling_one_class_does() -> None:
    def last(scheme: str) -> Floats:
        curve = {"alpha": CURVE.alpha, "beta": CURVE.beta, "gamma": CURVE.gamma, "zeta": CURVE.zeta}
        kinds = {"good": "Gaussian", "poor": "poor Gaussian", "rounds": 30}
        found = [runs.measure(setting="scarce", scheme=scheme, seed=seed, **kinds, **curve) for seed in range(4)]  # type: ignore[arg-type]
        return np.array([row["accuracies"][-1] for row in found])

    whole = last("FIMI")
    for other in ("TFL", "TFL, equal steps", "HDC"):
        # 0.08 to 0.1 in the full run at this round; a quarter of it on four seeds.
        assert np.mean(whole - last(other)) > tables.MARGIN


@pytest.mark.slow
def test_the_run_goes_on_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(errors, "STEPS", 150)
    monkeypatch.setattr(errors, "REPEATS", 2)
    monkeypatch.setattr(laws, "RESAMPLES", 4)
    for name, setting in list(SETTINGS.items()):
        monkeypatch.setitem(SETTINGS, name, setting._replace(devices=3))
    options = ["--seeds", "2", "--rounds", "2", "--jobs", "1", "--folder", str(tmp_path), "--docs", str(tmp_path)]
    assert main(options) == 1  # two rounds are no proof
    page = (tmp_path / "federated.md").read_text(encoding="utf-8")
    assert "$" not in page
    assert "NOT ahead by the margin" in capsys.readouterr().out
    pictures = sorted(path.name for path in (tmp_path / "federated").iterdir())
    assert [name for name in pictures if f"federated/{name}" not in page] == []

    def refuse(**settings: object) -> None:
        raise AssertionError(settings)

    monkeypatch.setattr("federated.pictures.PICTURES", {})
    for module, name in ((errors, "measure"), (runs, "measure"), (runs, "measure_uniform")):
        monkeypatch.setattr(module, name, refuse)
    assert main(options) == 1
    assert (tmp_path / "federated.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("option", [["--seeds", "1"], ["--rounds", "0"], ["--jobs", "0"]])
def test_options_out_of_range_are_refused(option: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(option)
