"""Work that is counted, not timed: Newton's safeguards change no answer, only how many evaluations it takes.

Counts are those of the Python functions, which do the same as the compiled ones.
"""

import math
from collections.abc import Callable
from typing import Any

import fleets
import numpy as np
import pytest
from oracles import constants, efficiency_at_full_power, energy_of

from fimi_opt._kernels import feasibility, joint, smooth, subproblems
from fimi_opt._kernels.device import respond, split_times
from fimi_opt._kernels.fleet import device_of, empty_answer
from fimi_opt._kernels.lanes import SIZE, WIDTH, Totals
from fimi_opt.solvers.instance import Instance, make_instance

COUNT = 6


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Each call of a function by others of its module."""
    calls: list[Any] = []
    function = getattr(module, name)

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(module, name, call)
    return calls


def in_python(kernel: Any) -> Callable[..., Any]:
    """The function that the kernel is compiled from."""
    function: Callable[..., Any] = getattr(kernel, "py_func", kernel)
    return function


def instance_of(kind: Any, seed: int) -> Instance:
    return make_instance(*kind(COUNT, seed))


@pytest.mark.parametrize(("kind", "most", "mean"), [(fleets.paper_like, 7, 5.09), (fleets.wild, 8, 3.89)])
def test_evaluations_of_a_device_on_the_frontier(
    kind: Any, most: int, mean: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, counts = counted(monkeypatch, feasibility, "_balance"), []
    for seed in range(4):
        fleet, shared, *_ = instance_of(kind, 80 + seed)
        typical = math.log(shared.s * COUNT / shared.T) - math.log(shared.alpha)
        for log_price in (typical - 2.0, typical, typical + 2.0):
            for i in range(COUNT):
                dev = device_of(fleet, i)
                lo = math.log(dev.D_lo / dev.F / (shared.T - dev.h / dev.P - dev.D_lo / dev.F))
                calls.clear()
                in_python(feasibility._least)(dev, shared, log_price, lo, 60.0, 0.0)
                counts.append(len(calls))
    assert max(counts) <= most
    assert np.mean(counts) <= mean


@pytest.mark.parametrize(("kind", "most"), [(fleets.paper_like, 7), (fleets.wild, 9)])
def test_evaluations_of_a_trade(kind: Any, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, counts = counted(monkeypatch, feasibility, "least_split"), []
    for seed in range(4):
        fleet, shared, *_ = instance_of(kind, 80 + seed)
        ends = [
            feasibility.least_split(fleet, shared, price, np.zeros(COUNT), 0, COUNT)[0]
            for price in (-math.inf, math.inf)
        ]
        calls.clear()
        first = feasibility.usual_price(fleet, shared)
        in_python(feasibility.trade)(fleet, shared, 0.5 * (ends[0] + ends[1]), math.inf, first, np.zeros(COUNT))
        counts.append(len(calls))
    assert max(counts) <= most


@pytest.mark.parametrize(("kind", "most", "mean"), [(fleets.paper_like, 6, 4.4), (fleets.wild, 9, 3.43)])
def test_evaluations_of_a_devices_answer(kind: Any, most: int, mean: float) -> None:
    counts = []
    for seed in range(4):
        problem = kind(COUNT, 80 + seed)
        plan, (fleet, shared, *_) = problem.solve(), make_instance(*problem)
        log_nu = math.log(max(plan.prices.error, 1e-3 * plan.energy) / COUNT)
        for d1, d2 in ((0.0, 0.0), (3.0, 0.0), (-3.0, 1.0), (0.5, 4.0), (6.0, -3.0)):
            w = math.exp(math.log(plan.prices.bandwidth) + d2)
            counts += [respond(device_of(fleet, i), shared, log_nu + d1, w, 0.85)[1] for i in range(COUNT)]
    assert max(counts) <= most
    assert np.mean(counts) <= mean


@pytest.mark.parametrize(("kind", "most"), [(fleets.paper_like, 8), (fleets.wild, 9)])
def test_evaluations_of_the_bands_price(kind: Any, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, counts = counted(monkeypatch, subproblems, "advance"), []
    for seed in range(4):
        problem = kind(COUNT, 80 + seed)
        plan, (fleet, shared, supply, _) = problem.solve(), make_instance(*problem)
        calls.clear()
        y = 1.01 * plan.upload_time - fleet.h / fleet.P
        log_w = math.log(plan.prices.bandwidth)
        in_python(subproblems.share_band)(fleet, shared, y, supply.B, log_w, np.empty(COUNT))
        counts.append(len(calls))
    assert max(counts) <= most


@pytest.mark.parametrize("kind", [fleets.paper_like, fleets.wild])
def test_what_a_split_comes_to(kind: Any) -> None:
    """Decision, energy and value of time of a split, by hand."""
    problem = kind(COUNT, 83)
    plan, instance, c = problem.solve(), make_instance(*problem), constants(*problem)
    fleet, shared, _, cycles = instance
    answer = empty_answer(COUNT)
    answer.t[:] = plan.compute_time * 0.999
    answer.y[:] = shared.T - answer.t - fleet.h / fleet.P
    answer.D[:] = plan.samples * (1 - 1e-3 * np.arange(COUNT) / COUNT)
    answer.b[:] = plan.bandwidth
    u = c.T - answer.t
    assert joint.total_energy(fleet, shared, answer) == pytest.approx(
        energy_of(c, answer.D, answer.t, u, answer.b), rel=1e-12
    )
    v = c.s / (answer.b * u)
    gen, f, b, power = joint.decision(fleet, shared, cycles, answer)
    assert gen == pytest.approx(np.maximum(answer.D - c.D_lo, 0.0), abs=1e-9 * float(np.max(c.D_lo)))
    assert f == pytest.approx(np.minimum(answer.D / answer.t, c.F) * cycles, rel=1e-13)
    assert np.array_equal(b, answer.b)
    assert power == pytest.approx(np.minimum(c.h * np.expm1(v) / (v * u), c.P), rel=1e-10)
    saved = c.h * (np.exp(v) * (v - 1) + 1) / (u * v)
    w = 3.0 * plan.prices.bandwidth
    # Nobody sends at full power: the price of bandwidth plays no part.
    assert np.all(power < c.P * (1 - 1e-6))
    assert joint.latency_price(fleet, shared, answer, w) == pytest.approx(float(np.sum(saved)), rel=1e-9)
    # At full power its multiplier is what a hertz costs beyond what it saves.
    for i in range(COUNT):
        answer.b[i] = c.s / (u[i] * efficiency_at_full_power(float(c.h[i] / (c.P[i] * u[i]))))
    v = c.s / (answer.b * u)
    saved = c.h * (np.exp(v) * (v - 1) + 1) / (u * v)
    pi = np.maximum(w * answer.b / (u * saved) - 1, 0.0)
    right = float(np.sum(saved + pi * (saved + c.P)))
    assert right > 1.01 * float(np.sum(saved))
    assert joint.latency_price(fleet, shared, answer, w) == pytest.approx(right, rel=1e-7)


def test_limits_that_need_no_search() -> None:
    problem = fleets.paper_like(COUNT, 83)
    c, (fleet, shared, supply, _) = constants(*problem), make_instance(*problem)
    local = float(np.sum(c.alpha * c.D_lo**-c.beta))
    assert joint.needs_no_synthetic(fleet, shared, supply._replace(A=local * (1 + 1e-12)))
    assert not joint.needs_no_synthetic(fleet, shared, supply._replace(A=local * (1 - 1e-12)))
    least = float(np.max(c.D_lo / c.F + c.h / c.P))
    for unit in (1.0, 1e-3):  # in other units of time
        quick = fleet._replace(F=fleet.F / unit, P=fleet.P / unit)
        assert joint.every_split_open(quick, shared._replace(T=least * unit * (1 + 1e-12)))
        assert not joint.every_split_open(quick, shared._replace(T=least * unit * (1 - 1e-12)))


def test_the_search_goes_on_until_the_worst_device_of_every_block_is_close(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shared, supply, _ = instance_of(fleets.paper_like, 80)
    off = iter([1e-3, 0.0, 0.0, 1e-3, 0.0, 0.0])

    def arrived(lanes: Any, *_: Any) -> tuple[Totals, int]:
        return Totals(0.5 * supply.A, 0.5 * supply.B, -1.0, 0.1, -1.0, next(off)), 1

    monkeypatch.setattr(smooth, "approach", arrived)
    search = in_python(smooth.search)
    good, _, _, _, evaluations, steps = search(np.empty((2, SIZE)), WIDTH + 3, shared, supply, 0.0, 0.0, False)
    assert good
    assert (evaluations, steps) == (3, 3 * (WIDTH + 3))


def test_the_frontiers_bisection_ends_at_the_last_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A balance that jumps over 0 is halved to what floats resolve, and no further."""
    calls: list[float] = []

    def jump(dev: Any, shared: Any, log_price: float, x: float) -> tuple[float, float]:
        calls.append(x)
        return (1.0 if x > 0.3 else -1.0), 1e-3

    monkeypatch.setattr(feasibility, "_balance", jump)
    x = in_python(feasibility._least)(None, None, 0.0, -2.0, 2.0, 0.0)
    assert x == pytest.approx(0.3, abs=1e-15)
    assert len(calls) <= 2 + 53 + 3
    assert split_times(x, 1.0)[0] == pytest.approx(1 / (1 + math.exp(-0.3)), rel=1e-14)
