"""A batch of fleets: each member's answer is solve()'s own, and none stops the others."""

from typing import Any

import pytest

import fimi_opt as fo
from fimi_opt.scenarios import paper


def narrow(seed: int) -> tuple[fo.Devices, fo.Constraints, fo.Task]:
    devices, limits, task = paper(seed=seed)
    return devices, fo.Constraints(0.2, limits.rounds, limits.max_latency, 1e6, limits.max_synthetic), task


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_each_answer_is_the_one_that_solve_gives(workers: int) -> None:
    fleets = [paper(seed=seed, devices=1 + 7 * (seed % 5)) for seed in range(40)]
    answers = fo.solve_many(fleets, workers=workers)
    assert answers == [fo.solve(*fleet) for fleet in fleets]


@pytest.mark.slow
def test_large_members_are_shared_out_to_threads() -> None:
    fleets = [paper(seed=seed, devices=count, bandwidth=1e6 * count) for seed, count in enumerate((20, 2500, 3000, 5))]
    assert fo.solve_many(fleets, workers=2) == [fo.solve(*fleet) for fleet in fleets]


def test_an_infeasible_member_is_answered_with_its_error() -> None:
    good, bad, last = fo.solve_many([paper(seed=1), narrow(2), paper(seed=3)])
    assert isinstance(good, fo.Plan)
    assert isinstance(last, fo.Plan)
    assert isinstance(bad, fo.InfeasibleError)
    with pytest.raises(fo.InfeasibleError) as raised:
        fo.solve(*narrow(2))
    assert bad == raised.value


def test_pairs_take_the_common_task_and_a_generator_will_do() -> None:
    devices, limits, task = paper(seed=0)
    [plan] = fo.solve_many(((devices, limits) for _ in range(1)), task)
    assert plan == fo.solve(devices, limits, task)
    assert fo.solve_many([]) == []


@pytest.mark.parametrize(
    ("fleets", "keywords", "message"),
    [
        ([paper(), 3], {}, "^fleet 1 must be"),
        ([paper()[:1]], {}, "^fleet 0 must be"),
        ([paper(), (paper()[1], paper()[0])], {}, "^fleet 1: devices must be a fimi_opt.Devices"),
        ([paper()], {"tol": 0.0}, "^tol must be positive"),
        ([paper()], {"workers": 0}, "^workers must be"),
    ],
)
def test_mistakes_are_named(fleets: list[Any], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fo.solve_many(fleets, **keywords)
