"""What each scheme plans and what its trainers train on: the paper's, its ablations, an honest reader's controls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.plan import Scheme
from fimi_opt.scenarios import Scenario

from .digits import CLASSES, Digits, Integers, Samples, join
from .kinds import generator
from .settings import Holding
from .training import Group, steps_for

AnyPlan: TypeAlias = fo.Plan | baselines.CentralizedPlan

# Amounts that are whole but for rounding are not rounded up to the next one.
_WHOLE = 1e-9


@dataclass(frozen=True)
class Case:
    """All that one seed's schemes share: data, devices, FIMI's plan, generators by their names, and the seed."""

    digits: Digits
    holding: Holding
    scenario: Scenario
    fimi: fo.Plan
    good: str
    poor: str
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        """A generator in the same state whenever asked: schemes with the same requests get the same samples."""
        return np.random.default_rng([self.seed, 2])


@dataclass(frozen=True)
class Recipe:
    """One scheme.

    Attributes
    ----------
    plan
        Its plan, which energy, time and uplink are read from.
    groups
        Who trains on what, given the plan.
    words
        What it is, for the page.
    """

    plan: Callable[[Case], AnyPlan]
    groups: Callable[[Case, AnyPlan], list[Group]]
    words: str


def devices_with(case: Case, plan: AnyPlan, added: Sequence[Samples], labelled: Integers | None = None) -> list[Group]:
    """All devices, each with its own samples and those added, weighted by D_loc + D_gen and passing tau times."""
    data = [join(own, more) for own, more in zip(case.holding.own, added, strict=True)]
    sizes = np.array([samples.labels.size for samples in data])
    return [Group(data, steps_for(sizes), plan.aggregation_weights, labelled)]


def requested(plan: fo.Plan) -> Integers:
    """Samples of each class that each device asks for (S2), (I, 10)."""
    return np.array(list(plan.synthesis_requests().values()), np.int64)


def synthesise(case: Case, table: Integers, kind: str | None = None) -> list[Samples]:
    """Make what each device asks for, by the good generator unless another is named."""
    maker, rng, made = generator(kind or case.good, case.digits.public, case.seed), case.rng, []
    for row in table:
        labels = np.repeat(np.arange(row.size), row)
        made.append(Samples(maker.make(labels, rng), labels))
    return made


# Plans


def _traditional(case: Case) -> AnyPlan:
    return baselines.traditional(*case.scenario)


def _server_side(case: Case) -> AnyPlan:
    return baselines.server_side(*case.scenario, synthetic=case.fimi.synthetic_samples)


def _centralized(case: Case) -> AnyPlan:
    return baselines.centralized(*case.scenario, synthetic=case.fimi.synthetic_samples)


def _equal_shares(case: Case) -> AnyPlan:
    """Its amounts are not whole; rounded up they keep the error limit, and their energy is that of the plan."""
    return baselines.without_bandwidth_allocation(*case.scenario)


def _fimi(case: Case) -> AnyPlan:
    return case.fimi


def _with_fimis_amounts(scheme: Scheme) -> Callable[[Case], AnyPlan]:
    """FIMI's amounts and resources; the scheme chooses the classes."""
    return lambda case: replace(case.fimi, scheme=scheme)


def _none(case: Case) -> AnyPlan:
    """Nothing asked of devices: its energy is that of centralized learning, none."""
    return _centralized(case)


# Data


def _local_only(case: Case, plan: AnyPlan) -> list[Group]:
    sizes = np.array([samples.labels.size for samples in case.holding.own])
    return [Group(case.holding.own, steps_for(sizes), plan.aggregation_weights)]


def _synthetic(case: Case, plan: AnyPlan) -> list[Group]:
    return devices_with(case, plan, synthesise(case, requested(_as_fimi(plan))))


def _poor_synthetic(case: Case, plan: AnyPlan) -> list[Group]:
    return devices_with(case, plan, synthesise(case, requested(_as_fimi(plan)), case.poor))


def _rounded_up(case: Case, plan: AnyPlan) -> list[Group]:
    amounts = np.ceil(plan.synthetic_samples - _WHOLE)
    table = fo.allocate_categories(case.holding.class_counts, amounts.astype(np.int64))
    return devices_with(case, plan, synthesise(case, table.astype(np.int64)))


def _unlabelled(case: Case, plan: AnyPlan) -> list[Group]:
    """Real samples of each device's own mix that no one has; where its classes run out, as what is left comes."""
    rng, spare = case.rng, case.holding.spare
    left = [rng.permutation(np.flatnonzero(spare.labels == label)).tolist() for label in range(CLASSES)]
    added = []
    for counts, amount in zip(case.holding.class_counts, plan.synthetic_samples.astype(np.int64), strict=True):
        found = []
        for _ in range(amount):
            stock = np.array([len(numbers) for numbers in left])
            mix = counts * (stock > 0)
            mix = mix if mix.any() else stock
            found.append(left[rng.choice(CLASSES, p=mix / mix.sum())].pop())
        added.append(spare.take(np.array(found, np.int64)))
    sizes = np.array([samples.labels.size for samples in case.holding.own])
    return devices_with(case, plan, added, labelled=sizes)


def _at_server(case: Case) -> Samples:
    """FIMI's synthetic data, all in one place."""
    return join(*synthesise(case, requested(case.fimi)))


def _with_server(case: Case, plan: AnyPlan) -> list[Group]:
    data = _at_server(case)
    server = Group([data], steps_for(np.array([data.labels.size])), np.array([_server_weight(plan)]))
    return [*_local_only(case, plan), server]


def _server_alone(case: Case, plan: AnyPlan) -> list[Group]:
    data = _at_server(case)
    return [Group([data], steps_for(np.array([data.labels.size])), np.ones(1))]


def _equal_steps(case: Case, plan: AnyPlan) -> list[Group]:
    """Own data alone, as many steps as FIMI does."""
    local = plan.devices.local_samples
    return [Group(case.holding.own, steps_for(_as_fimi(plan).samples), local / local.sum())]


def _equal_steps_with_server(case: Case, plan: AnyPlan) -> list[Group]:
    """Own data alone at the devices; all, the server too, do as many steps as FIMI's devices (it: their mean)."""
    devices = _equal_steps(case, plan)[0]
    data = _at_server(case)
    part = data.labels.size / (data.labels.size + float(plan.devices.local_samples.sum()))
    steps = np.ceil(np.array([devices.steps.mean()])).astype(np.int64)
    return [devices._replace(weights=(1 - part) * devices.weights), Group([data], steps, np.array([part]))]


def _own_again(case: Case, plan: AnyPlan) -> list[Group]:
    """Copies of own samples, of the device's rarest classes first (P8 over the classes that it has at all)."""
    rng, added = case.rng, []
    for own, counts, amount in zip(case.holding.own, case.holding.class_counts, plan.synthetic_samples, strict=True):
        held = np.flatnonzero(counts)
        table = fo.allocate_categories(counts[None, held], np.array([amount], np.int64))[0]
        numbers = [
            rng.choice(np.flatnonzero(own.labels == label), int(many)) for label, many in zip(held, table, strict=True)
        ]
        added.append(own.take(np.concatenate(numbers).astype(np.int64)))
    return devices_with(case, plan, added)


def _public_shared(case: Case, plan: AnyPlan) -> list[Group]:
    """FIMI's requests answered with public images themselves, each as rarely repeated as can be."""
    rng, public, added = case.rng, case.digits.public, []
    for row in requested(_as_fimi(plan)):
        numbers = [_draw(rng, np.flatnonzero(public.labels == label), int(many)) for label, many in enumerate(row)]
        added.append(public.take(np.concatenate(numbers)))
    return devices_with(case, plan, added)


def _public_alone(case: Case, plan: AnyPlan) -> list[Group]:
    public = case.digits.public
    return [Group([public], steps_for(np.array([public.labels.size])), np.ones(1))]


def _draw(rng: np.random.Generator, numbers: Integers, many: int) -> Integers:
    """So many of these, none more than once oftener than another."""
    passes = -(-many // numbers.size)
    shuffled = rng.permuted(np.tile(numbers, (max(passes, 1), 1)), axis=1)
    return np.asarray(shuffled.ravel()[:many], np.int64)


def _as_fimi(plan: AnyPlan) -> fo.Plan:
    if not isinstance(plan, fo.Plan):
        raise ValueError(f"plan must be for devices, got {type(plan).__name__}")
    return plan


def _server_weight(plan: AnyPlan) -> float:
    if not isinstance(plan, baselines.ServerSidePlan):
        raise ValueError(f"plan must have a server's weight, got {type(plan).__name__}")
    return plan.server_weight


PAPERS: Mapping[str, Recipe] = MappingProxyType(
    {
        "TFL": Recipe(_traditional, _local_only, "local data only"),
        "SEMI": Recipe(
            _with_fimis_amounts(baselines.SEMI_SUPERVISED),
            _unlabelled,
            "real samples of the device's own mix, labelled by the network of the round",
        ),
        "HDC": Recipe(_with_fimis_amounts(baselines.HEURISTIC), _synthetic, "synthetic, all of the scarcest class"),
        "SST": Recipe(_server_side, _with_server, "FIMI's synthetic data at the server, beside TFL's devices"),
        "GAN": Recipe(_with_fimis_amounts(baselines.GAN), _poor_synthetic, "FIMI's amounts, of a poorer generator"),
        "CLSD": Recipe(_centralized, _server_alone, "FIMI's synthetic data at the server, and nothing else"),
        "FIMI": Recipe(_fimi, _synthetic, "the plan as it is"),
    }
)
"""Of Table I and Fig. 4."""

ABLATIONS: Mapping[str, Recipe] = MappingProxyType(
    {
        "w/o BA": Recipe(_equal_shares, _rounded_up, "equal shares of the band"),
        "w/o OA, uniform": Recipe(
            _with_fimis_amounts(baselines.WITHOUT_OPTIMAL_AUGMENTATION["uniform"]),
            _synthetic,
            "as much of each class (UNI)",
        ),
        "w/o OA, proportional": Recipe(
            _with_fimis_amounts(baselines.WITHOUT_OPTIMAL_AUGMENTATION["proportional"]),
            _synthetic,
            "in the device's own proportions",
        ),
    }
)
"""Of Fig. 5(e); "w/o DA" is TFL and "w/o DM" is GAN, plan and training both."""

CONTROLS: Mapping[str, Recipe] = MappingProxyType(
    {
        "TFL, equal steps": Recipe(_fimi, _equal_steps, "local data only, with FIMI's steps, energy and time"),
        "own data again": Recipe(_fimi, _own_again, "FIMI's amounts, of copies of the device's own samples"),
        "SST, equal steps": Recipe(
            _fimi, _equal_steps_with_server, "SST with FIMI's steps, energy and time; the server as a device"
        ),
        "public shared": Recipe(_fimi, _public_shared, "FIMI's requests answered with public images themselves"),
        "public alone": Recipe(_none, _public_alone, "the generator's 200 public images at the server, nothing else"),
    }
)
"""What an honest reader asks for."""

RECIPES: Mapping[str, Recipe] = MappingProxyType({**PAPERS, **ABLATIONS, **CONTROLS})
