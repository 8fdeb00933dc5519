"""The bound in extended precision finds its way back to the prices that make it largest."""

import math
from typing import Any

import numpy as np
import pytest
from fleets import Problem

import fimi_opt as fo
from fimi_opt.certificate import Split, judge, tightened
from fimi_opt.certificate.extended import ExtendedBound
from fimi_opt.scenarios import paper
from fimi_opt.solvers.instance import make_instance, state_problem
from fimi_opt.solvers.joint import solve_joint
from fimi_opt.solvers.smooth import solve_smooth


def solved() -> tuple[Problem, Split, fo.Prices, float]:
    problem = Problem(*paper(seed=2, devices=5, bandwidth=5e6))
    found = solve_joint(make_instance(*problem))
    assert found is not None
    prices = fo.Prices(found.nu * 5, found.w, found.latency_price)
    energy = judge(*problem, found.rows, prices, Split(*found.split)).energy
    return problem, Split(*found.split), prices, energy


@pytest.mark.parametrize("off", [1.0, 3.0, 0.3, 7e4, 2e-20, 5e20])
def test_a_price_of_error_that_is_off_is_found_again(off: float) -> None:
    problem, split, (nu, w, _), energy = solved()
    wrong = fo.Prices(nu * off, w, 0.0)
    found = tightened(*problem, wrong, split, energy)
    # By decades, then by factors down to 1.01; the bound is flat at its best price.
    assert found.error_price == pytest.approx(nu, rel=0.02)
    assert found.bandwidth_price == w
    assert energy * (1 - 2e-3) <= found.bound <= energy
    assert found.bound == ExtendedBound(*problem, split).at(found.error_price, w)


@pytest.mark.parametrize("off", [1e-6, 1e9])
def test_both_prices_that_are_off_alike_are_found_again(off: float) -> None:
    problem, split, (nu, w, _), energy = solved()
    found = tightened(*problem, fo.Prices(nu * off, w * off, 0.0), split, energy)
    assert (found.error_price, found.bandwidth_price) == pytest.approx((nu, w), rel=0.02)


def test_a_bound_that_reaches_the_energy_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, split, (nu, w, latency), energy = solved()
    calls: list[tuple[float, float]] = []
    at = ExtendedBound.at

    def counted(self: ExtendedBound, error_price: float, bandwidth_price: float) -> float:
        calls.append((error_price, bandwidth_price))
        return at(self, error_price, bandwidth_price)

    monkeypatch.setattr(ExtendedBound, "at", counted)
    prices = fo.Prices(nu, w, latency)
    assert tightened(*problem, prices, split, 0.5 * energy)[1:] == (nu, w)
    assert calls == [(nu, w)]
    calls.clear()
    # Never: two prices in each of 48 decades, then factors up and down as long as the bound gains.
    tightened(*problem, fo.Prices(0.2 * nu, w, latency), split, math.inf)
    assert calls[:5] == [(0.2 * nu * s, w * z) for s, z in ((1, 1), (0.1, 1), (0.1, 0.1), (0.01, 1), (0.01, 0.01))]
    tried = calls[97:]
    assert calls[95] == (0.2 * nu * 1e24, w)
    # The best decade leaves 2 nu: half of it is better, and then no factor is.
    assert [p / nu for p, _ in tried] == pytest.approx([1.0, 0.5, 2.0, 1 / 1.1, 1.1, 1 / 1.01, 1.01], rel=1e-12)
    assert all(bandwidth == w for _, bandwidth in tried)


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_below_every_plan_and_close_to_the_best_one(seed: int) -> None:
    problem = Problem(*paper(seed=seed, devices=4, bandwidth=4e6))
    found = solve_smooth(state_problem(*problem), 1)
    assert found is not None
    split = Split(*found.split)
    bound = ExtendedBound(*problem, split)
    energy = judge(*problem, found.rows, fo.Prices(found.nu * 4, found.w, 0.0), split).energy
    assert energy * (1 - 1e-12) <= bound.at(found.nu * 4, found.w) <= energy * (1 + 1e-13)
    rng = np.random.default_rng(seed)
    for _ in range(20):  # any prices, and the split of others
        nu, w = found.nu * 4 * 10 ** rng.uniform(-2, 2), found.w * 10 ** rng.uniform(-2, 2)
        moved = Split(split.t * rng.uniform(0.7, 1.0, 4), split.u * rng.uniform(0.8, 1.2, 4), split.b)
        assert bound.at(nu, w) < energy
        assert ExtendedBound(*problem, moved).at(nu, w) < energy


# Device 2's decision changed: its row, and the new value from the devices, the limits and the old one.
MISSED: list[tuple[int, Any]] = [
    (0, lambda d, limits, old: -3.0),
    (0, lambda d, limits, old: float(limits.max_synthetic) + 500.0),
    (1, lambda d, limits, old: 1.5 * d.max_frequency[2]),
    (1, lambda d, limits, old: 0.9 * old),
    (2, lambda d, limits, old: 0.5 * old),
    (2, lambda d, limits, old: 3.0 * old),
    (3, lambda d, limits, old: 1.7 * d.max_power[2]),
]


@pytest.mark.parametrize(("row", "value"), MISSED)
def test_the_worst_limit_that_a_decision_misses(row: int, value: Any) -> None:
    problem = Problem(*paper(seed=2, devices=5, bandwidth=5e6))
    found = solve_joint(make_instance(*problem))
    assert found is not None
    if row == 0:  # so that no other limit is missed by more
        problem = problem.limited(max_global_error=0.6, max_latency=120.0)
    d, limits, task = problem
    rows = found.rows.copy()
    rows[row, 2] = value(d, limits, rows[row, 2])
    gen, f, b, P = rows
    D = d.local_samples + gen
    cycles, curve = task.local_epochs * task.cycles_per_sample * D, task.learning
    upload = task.update_bits / (b * np.log2(1 + d.channel_gain * P / (d.noise_density * b)))
    allowed = 1 + curve.zeta / limits.rounds * math.log(limits.max_global_error) + curve.gamma
    reached = float(np.mean(curve.alpha * D**-curve.beta))
    worst = max(
        float(np.max((cycles / f + upload) / limits.max_latency)) - 1,
        float(np.max(f / d.max_frequency)) - 1,
        float(np.max(P / d.max_power)) - 1,
        float(np.max(-gen / d.local_samples)),
        float(np.max((gen - limits.max_synthetic) / d.local_samples)),
        float(np.sum(b)) / limits.bandwidth - 1,
        1 - allowed / reached,
    )
    assert worst > 1e-3
    judged = judge(*problem, rows, fo.Prices(found.nu * 5, found.w, 0.0), Split(*found.split))
    assert judged.violation == pytest.approx(worst, rel=1e-9)
    assert judged.energy == pytest.approx(float(np.sum(d.energy_coefficient * cycles * f**2 + P * upload)), rel=1e-13)
