"""One scheme's training run: plan (S1), synthesise (S2), train (S3), average (S4), and what it all takes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import fimi_opt as fo

from . import errors, similarity
from .digits import CLASSES, split
from .kinds import TORCH
from .schemes import RECIPES, Case
from .settings import ROUNDS, SETTINGS, Setting, deal, scenario
from .training import Group, steps_for, train

# With torch only what its generators change is run again.
TORCH_SCHEMES = ("GAN", "CLSD", "FIMI")


class Run(NamedTuple):
    """One scheme, one seed.

    Attributes
    ----------
    setting, scheme, seed
        What was run.
    accuracies
        On the test part, after each round.
    energy, latency, uplink_bits
        Of a round: J of the fleet, s, bits of the fleet.
    gap
        Certified relative gap of the plan.
    added
        Samples added to each device.
    entropy
        Mean over devices of eq. (45), bits, of what is trained on; None where no device trains.
    similarity
        Of each device's gradient, eq. (52); empty where no device trains.
    predicted
        Accuracy after the last round by the fitted curve, 1 - Delta; None where no device trains.
    """

    setting: str
    scheme: str
    seed: int
    accuracies: list[float]
    energy: float
    latency: float
    uplink_bits: float
    gap: float
    added: list[float]
    entropy: float | None
    similarity: list[float]
    predicted: float | None


def measure(
    setting: str,
    scheme: str,
    seed: int,
    good: str,
    poor: str,
    alpha: float,
    beta: float,
    gamma: float,
    zeta: float,
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """Run one scheme; `good` and `poor` name the generators, and the curve is what was measured."""
    case = make_case(SETTINGS[setting], seed, good, poor, fo.LearningCurve(alpha, beta, gamma, zeta))
    recipe = RECIPES[scheme]
    plan = recipe.plan(case)
    groups = recipe.groups(case, plan)
    devices = groups[0] if len(groups[0].data) > 1 else None
    entropies = alike = None
    if devices is not None:
        counts = np.array([np.bincount(data.labels, minlength=CLASSES) for data in devices.data])
        entropies = float(np.mean(fo.entropy(counts)))
        alike = similarity.measured(devices, similarity.uniform_device(case.digits, seed), seed)
    return Run(
        setting,
        scheme,
        seed,
        train(groups, case.digits.test, rounds, [seed, 1]),
        plan.energy,
        plan.latency,
        plan.uplink_bits,
        plan.gap,
        plan.synthetic_samples.tolist(),
        entropies,
        [] if alike is None else alike.tolist(),
        1.0 - plan.global_error if isinstance(plan, fo.Plan) else None,
    )._asdict()


def make_case(setting: Setting, seed: int, good: str, poor: str, curve: fo.LearningCurve) -> Case:
    """Split and deal the data, and plan in whole samples (S1)."""
    digits = split(seed)
    holding = deal(setting, digits, seed)
    world = scenario(setting, curve, holding.class_counts, seed)
    return Case(digits, holding, world, fo.solve(*world, integer=True), good, poor, seed)


def measure_learnt(
    seed: int, alpha: float, beta: float, gamma: float, rounds: int = ROUNDS, **zetas: float
) -> dict[str, Any]:
    """All that one seed needs of the generators that are trained: one row, so that each is trained once."""
    apart = {kind: errors.measure(kind, seed)["errors"] for kind in TORCH}
    found = [
        measure(setting, scheme, seed, *TORCH, alpha, beta, gamma, zetas[setting], rounds)
        for setting in SETTINGS
        for scheme in TORCH_SCHEMES
    ]
    return {"errors": apart, "runs": found}


def measure_uniform(setting: str, seed: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Error on the test part after each round, of devices whose real samples are drawn without any class mix.

    What zeta is fitted to: FIMI's eqs. (1)-(4) know of no class mixes.
    """
    shape, digits = SETTINGS[setting], split(seed)
    order = np.random.default_rng([seed, 7]).permutation(digits.private.labels.size)
    data = [digits.private.take(order[i * shape.local : (i + 1) * shape.local]) for i in range(shape.devices)]
    sizes = np.full(shape.devices, shape.local)
    groups: Sequence[Group] = [Group(data, steps_for(sizes), np.full(shape.devices, 1.0 / shape.devices))]
    return {"errors": [1.0 - value for value in train(groups, digits.test, rounds, [seed, 1])]}
