"""The search that cannot fail: it ends in the quick one's plan, and comes back from outside towards an anchor."""

import math

import numpy as np
import pytest
from fleets import Problem

import fimi_opt as fo
from fimi_opt._kernels.fleet import Answer, empty_answer
from fimi_opt._kernels.joint import complete
from fimi_opt._kernels.subproblems import SOLVED
from fimi_opt.errors import NumericalError
from fimi_opt.scenarios import paper
from fimi_opt.solvers import joint
from fimi_opt.solvers.instance import Instance, make_instance
from fimi_opt.solvers.joint import solve_joint

# Both searches end with sums that rounding leaves open, and energies differ by the square of that.
SAME_PRICE, SAME_ENERGY = 1e-6, 1e-12
COUNT = 12


@pytest.fixture
def problem() -> Problem:
    return Problem(*paper(seed=6, devices=COUNT, bandwidth=1e6 * COUNT))


def inside(problem: Problem) -> tuple[Instance, Answer, float]:
    """The instance, a split that keeps tighter limits than its own, and ln w."""
    limits = problem.limits
    tight = problem.limited(bandwidth=0.9 * limits.bandwidth, max_global_error=0.98 * limits.max_global_error).solve()
    instance, anchor = make_instance(*problem), empty_answer(COUNT)
    anchor.t[:] = tight.compute_time
    anchor.y[:] = limits.max_latency - tight.compute_time - instance.fleet.h / instance.fleet.P
    return instance, anchor, math.log(tight.prices.bandwidth)


def energy(problem: Problem, rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    d, task = problem.devices, problem.task
    local = d.local_samples + rows[0]
    spent = fo.models.compute_energy(local, rows[1], d.energy_coefficient, task.cycles_per_sample, task.local_epochs)
    sent = fo.models.upload_energy(rows[2], rows[3], d.channel_gain, d.noise_density, task.update_bits)
    return float(np.sum(spent + sent))


@pytest.mark.parametrize("error", [0.2, 0.6])
def test_the_plan_is_the_quick_searchs(problem: Problem, error: float) -> None:
    problem = problem.limited(max_global_error=error)
    instance, anchor, _ = inside(problem)
    quick, found = solve_joint(instance), solve_joint(instance, anchor)
    assert quick is not None
    assert found is not None
    assert (found.nu, found.w) == pytest.approx((quick.nu, quick.w), rel=SAME_PRICE)
    assert found.latency_price == pytest.approx(quick.latency_price, rel=SAME_PRICE)
    assert energy(problem, found.rows) == pytest.approx(energy(problem, quick.rows), rel=SAME_ENERGY)
    t, u, b = found.split
    assert t + u == pytest.approx(np.full(COUNT, problem.limits.max_latency), rel=1e-14)
    assert b == pytest.approx(found.rows[2], rel=1e-5)
    # Each price of error asks for a whole search for the other; each evaluation takes a device some steps.
    assert quick.evaluations <= found.evaluations < 1000
    assert found.inner_steps > found.evaluations * COUNT


def test_none_below_the_floor_of_the_curve(problem: Problem) -> None:
    assert solve_joint(make_instance(*problem.limited(max_global_error=1e-9, rounds=1.0))) is None


def copy_of(answer: Answer) -> Answer:
    return Answer(*(row.copy() for row in answer))


def outside(anchor: Answer, by: float) -> Answer:
    """Times that leave devices with more data than they need, and with less bandwidth than that takes."""
    answer = copy_of(anchor)
    answer.t[:] = anchor.t + by * anchor.y
    answer.y[:] = anchor.y - by * anchor.y
    return answer


@pytest.mark.parametrize("by", [0.9, 0.999])
def test_a_split_outside_comes_back_as_far_as_it_must(problem: Problem, by: float) -> None:
    instance, anchor, log_w = inside(problem)
    fleet, shared, supply, _ = instance
    answer = outside(anchor, by)
    before = copy_of(answer)
    assert complete(fleet, shared, supply, copy_of(answer), log_w)[2] != SOLVED
    joint._retreat(instance, answer, anchor, log_w)
    assert complete(fleet, shared, supply, copy_of(answer), log_w)[2] == SOLVED
    assert np.sum(answer.b) <= supply.B * (1 + 1e-12)
    # On the way to the anchor, the same part of it for every device and for both times.
    parts = (answer.t - before.t) / (anchor.t - before.t)
    assert parts == pytest.approx(np.full(COUNT, parts[0]), rel=1e-9)
    assert (answer.y - before.y) / (anchor.y - before.y) == pytest.approx(parts, rel=1e-9)
    # The quarter of this part was not enough.
    less = copy_of(before)
    less.t[:] = before.t + 0.25 * parts * (anchor.t - before.t)
    less.y[:] = before.y + 0.25 * parts * (anchor.y - before.y)
    assert complete(fleet, shared, supply, less, log_w)[2] != SOLVED


@pytest.mark.parametrize("limit", ["A", "B"])
def test_what_rounding_takes_is_granted_before_a_split_gives_way(problem: Problem, limit: str) -> None:
    instance, anchor, log_w = inside(problem)
    fleet, shared, supply, _ = instance
    answer = copy_of(anchor)
    most = np.minimum(fleet.D_hi, fleet.F * answer.t)
    least = {
        "A": float(np.sum(shared.alpha * most**-shared.beta)),
        "B": float(sum(shared.s / u / v for u, v in efficiencies(instance, answer))),
    }[limit]

    def retreat(missing: float) -> None:
        short = supply._replace(**{limit: least * (1 - missing)})
        joint._retreat(instance._replace(supply=short), answer, anchor, log_w)

    for missing in (1e-15, 5e-14):
        retreat(missing)
        assert np.array_equal(answer.t, anchor.t)
    # Where the anchor itself has no room a part in a million millions is granted, and no more.
    retreat(5e-13)
    with pytest.raises(NumericalError, match="relax one by 1e-9"):
        retreat(1e-11)


def efficiencies(instance: Instance, answer: Answer) -> list[tuple[float, float]]:
    """Upload time and efficiency at full power of each device, by bisection of h (e^v - 1) = P u v."""
    fleet = instance.fleet
    found = []
    for h, P, y in zip(fleet.h, fleet.P, answer.y, strict=True):
        u, lo, hi = h / P + y, 1e-9, 50.0
        for _ in range(200):
            v = 0.5 * (lo + hi)
            lo, hi = (v, hi) if h * math.expm1(v) < P * u * v else (lo, v)
        found.append((u, v))
    return found
