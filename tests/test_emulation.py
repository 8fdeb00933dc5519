"""The virtual clock: nothing happens and it is the plan; what happens has its distribution; where a device stops."""

import contextlib
import functools
import io
import itertools
import math
import pathlib
import pickle
import re
import tracemalloc
from dataclasses import FrozenInstanceError, replace
from typing import Any

import fleets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.emulation import CALM, Conditions, Late, Planned, Round, emulate, total
from fimi_opt.emulation.conditions import Draw
from fimi_opt.scenarios import paper

Floats = NDArray[np.float64]

MANY = 40_000
# A mean over MANY draws is off by this many standard errors with probability 6e-7; the seeds are fixed anyway.
SIGMAS = 5.0
# The same formulas in another order.
ROUNDING = 1e-12
# The clock's own: a device that the plan lets use all of the deadline is not late by a rounding.
LATE_BY = 1e-9
# Two plans, each optimal to the default gap, differ by no more in energy.
GAP = 2e-9
# Bytes per device that the clock may hold at once: two rounds of 14 rows of 8 bytes, and what one is formed from.
BYTES = 300.0


def plan_of(seed: int = 1, **options: Any) -> fo.Plan:
    return fo.solve(*paper(seed, classes=0, **options))


def tiled(plan: fo.Plan, count: int) -> fo.Plan:
    """Plan of so many devices, like the given one's in turn; the clock does not ask whether the bands add up."""
    order = np.arange(count) % len(plan.devices)
    return replace(
        plan,
        devices=fleets.Problem(plan.devices, plan.constraints, plan.task).taken(order).devices,
        **{name: getattr(plan, name)[order] for name in ("synthetic_samples", "frequency", "bandwidth", "power")},
    )


def first(plan: fo.Plan, conditions: Conditions = CALM, **options: Any) -> Round:
    return next(emulate(plan, 1, conditions, **options))


def assert_mean(draws: NDArray[Any], mean: float, deviation: float) -> None:
    assert abs(float(draws.mean()) - mean) <= SIGMAS * deviation / math.sqrt(draws.size)


def solved(problem: fleets.Problem) -> fo.Plan:
    try:
        return problem.solve()
    except fo.NumericalError:  # next to infeasible: any other plan will do
        return fleets.paper_like(3, 1).solve()


# --- Where nothing happens --------------------------------------------------------------------------------------------


@given(fleets.problems(), st.sampled_from(list(Late)), st.booleans())
def test_a_calm_round_is_the_plans_own_to_the_bit(problem: fleets.Problem, late: Late, controlled: bool) -> None:
    plan = solved(problem)
    done = first(plan, late=late, power_control=controlled)
    for name in ("compute_time", "upload_time", "compute_energy", "upload_energy", "power", "aggregation_weights"):
        assert (getattr(done, name) == getattr(plan, name)).all(), name
    assert (done.channel_gain == plan.devices.channel_gain).all()
    assert (done.energy, done.latency, done.wasted_energy) == (plan.energy, plan.latency, 0.0)
    assert done.arrived.all()
    assert done.met_deadline.all()
    assert not done.dropped.any()
    assert (done.stop_time == done.finish_time).all()
    assert done.uplink_bits == pytest.approx(plan.uplink_bits, rel=ROUNDING)
    assert (done.number, done.planned, done.plan) == (1, Planned.ONCE, plan)


def test_every_calm_round_is_the_same() -> None:
    plan = plan_of()
    rounds = list(emulate(plan, 3))
    assert [each.number for each in rounds] == [1, 2, 3]
    assert all(replace(each, number=1) == rounds[0] for each in rounds)


def test_as_many_rounds_as_the_limits_say() -> None:
    assert sum(1 for _ in emulate(plan_of())) == 200
    plan = plan_of()
    part = replace(plan, constraints=replace(plan.constraints, rounds=2.5))
    assert sum(1 for _ in emulate(part)) == 3


# --- Against a slow one -----------------------------------------------------------------------------------------------


def one_device(plan: fo.Plan, i: int, draw: Draw, deadline: float, late: Late, controlled: bool) -> dict[str, Any]:
    """One device's round, told event by event."""
    gain = float(plan.devices.channel_gain[i] * draw.gain_factor[i])
    noise, band, size = float(plan.devices.noise_density[i]), float(plan.bandwidth[i]), plan.task.update_bits
    power = float(plan.power[i])
    if controlled:
        power = min(power / float(draw.gain_factor[i]), float(plan.devices.max_power[i]))
    rate = band * math.log1p(gain * power / (noise * band)) / math.log(2)
    training, uploading = float(plan.compute_time[i] * draw.slowdown[i]), size / rate
    end = training + uploading
    events = [(end, 0, "finished")]
    if draw.leaves[i]:
        events.append((float(draw.leaves_at[i]) * end, -1, "left"))
    if late is Late.CUT and end > deadline * (1 + LATE_BY):
        events.append((deadline, 1, "cut"))
    stop, _, what = min(events)
    trained = min(stop, training) / training
    sent = min(max(stop - training, 0.0), uploading)
    return {
        "stop_time": stop,
        "arrived": what == "finished",
        "dropped": what == "left",
        "met_deadline": not draw.leaves[i] and end <= deadline * (1 + LATE_BY),
        "compute_energy": float(plan.compute_energy[i]) * trained,
        "upload_energy": power * sent,
        "bits": rate * sent,
    }


def some_conditions() -> st.SearchStrategy[Conditions]:
    part = st.sampled_from([0.0, 0.3, 1.0])
    return st.builds(
        Conditions,
        rayleigh=st.booleans(),
        shadowing_db=st.sampled_from([0.0, 6.0]),
        straggling=part,
        slowdown=st.floats(1.0, 10.0),
        drop_out=part,
        drop_out_at=st.sampled_from([None, 0.0, 0.4, 0.9]),
    )


@given(
    fleets.problems(),
    some_conditions(),
    st.floats(0.1, 3.0),
    st.sampled_from(list(Late)),
    st.booleans(),
    st.integers(0, 2**64),
)
def test_a_round_is_what_a_slow_clock_tells(
    problem: fleets.Problem, conditions: Conditions, room: float, late: Late, controlled: bool, seed: int
) -> None:
    plan = solved(problem)
    deadline = room * plan.constraints.max_latency
    draw = conditions.draw(seed, 1, len(plan.devices))
    done = first(plan, conditions, seed=seed, deadline=deadline, late=late, power_control=controlled)
    told = [one_device(plan, i, draw, deadline, late, controlled) for i in range(len(plan.devices))]
    for name in ("arrived", "dropped", "met_deadline"):
        assert getattr(done, name).tolist() == [each[name] for each in told], name
    for name in ("stop_time", "compute_energy", "upload_energy", "bits"):
        most = float(getattr(done, name.replace("stop", "finish")).max()) if name == "stop_time" else 0.0
        wanted = [each[name] for each in told]
        # What was sent is a difference of times, and small next to them where the device stops at once.
        slack = 1e-9 * max(wanted) + ROUNDING * most
        assert getattr(done, name) == pytest.approx(wanted, rel=1e-9, abs=slack), name
    missing = not done.arrived.all()
    assert done.latency == (deadline if missing and late is Late.CUT else float(done.stop_time.max()))
    weight = np.where(done.arrived, plan.samples, 0.0)
    if done.arrived.any():
        assert done.aggregation_weights == pytest.approx(weight / weight.sum(), rel=ROUNDING)
    else:
        assert not done.aggregation_weights.any()


@given(some_conditions(), st.integers(0, 1000), st.floats(0.2, 2.0))
def test_cutting_never_takes_more_than_waiting(conditions: Conditions, seed: int, room: float) -> None:
    plan = plan_of()
    deadline = room * plan.constraints.max_latency
    cut, wait = (first(plan, conditions, seed=seed, deadline=deadline, late=late) for late in Late)
    assert (cut.device_energy <= wait.device_energy * (1 + ROUNDING)).all()
    assert (cut.arrived <= wait.arrived).all()
    assert cut.latency <= deadline * (1 + LATE_BY)
    assert (cut.device_energy >= 0).all()
    assert (wait.arrived == ~wait.dropped).all()


def test_who_leaves_at_once_spends_nothing_and_who_leaves_last_everything() -> None:
    plan = plan_of()
    at_once, last = (first(plan, Conditions(drop_out=1.0, drop_out_at=part)) for part in (0.0, 1.0))
    assert at_once.energy == at_once.uplink_bits == 0.0
    assert last.energy == pytest.approx(plan.energy, rel=ROUNDING)
    assert last.wasted_energy == pytest.approx(plan.energy, rel=ROUNDING)
    for each in (at_once, last):
        assert each.dropped.all()
        assert not each.arrived.any()
        assert not each.aggregation_weights.any()
        assert each.server_weight == 0.0
        assert each.latency == 60.0
    waited = first(plan, Conditions(drop_out=1.0, drop_out_at=0.0), late="wait")
    assert waited.latency == 0.0


# --- Draws ------------------------------------------------------------------------------------------------------------

ALL = Conditions(rayleigh=True, shadowing_db=6.0, straggling=0.5, slowdown=2.0, drop_out=0.5)


@given(st.integers(0, 2**70), st.integers(1, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_a_devices_draws_do_not_depend_on_how_many_there_are(seed: int, number: int, few: int, more: int) -> None:
    small, large = ALL.draw(seed, number, few), ALL.draw(seed, number, few + more)
    for name in Draw._fields:
        assert (getattr(large, name)[:few] == getattr(small, name)).all(), name


def test_rounds_do_not_depend_on_how_many_there_are() -> None:
    plan = plan_of()
    assert list(emulate(plan, 2, ALL)) == list(itertools.islice(emulate(plan, 7, ALL), 2))


def test_the_seed_chooses_and_every_round_differs() -> None:
    assert (ALL.draw(3, 1, 50).gain_factor == ALL.draw(3, 1, 50).gain_factor).all()
    assert (ALL.draw(3, 1, 50).gain_factor != ALL.draw(4, 1, 50).gain_factor).all()
    assert (ALL.draw(3, 1, 50).gain_factor != ALL.draw(3, 2, 50).gain_factor).all()


def test_one_option_leaves_the_other_draws() -> None:
    alone = replace(CALM, straggling=0.5).draw(0, 1, 1000)
    assert (alone.slowdown == ALL.draw(0, 1, 1000).slowdown).all()
    assert (alone.gain_factor == 1.0).all()
    assert not alone.leaves.any()


def test_draws_are_pinned() -> None:
    # A run is to be the same with later releases; these numbers are this generator's, not any theory's.
    draw = ALL.draw(7, 3, 3)
    assert draw.gain_factor == pytest.approx(
        [1.0013336360805722, 0.10832635016612983, 0.6988192094370964], rel=ROUNDING
    )
    assert draw.slowdown.tolist() == [1.0, 2.0, 1.0]
    assert draw.leaves.tolist() == [False, True, True]
    assert draw.leaves_at == pytest.approx([0.7929427741959019, 0.6930412881421071, 0.4138184403397307], rel=ROUNDING)


def test_rayleigh_gains_are_exponential_with_mean_one() -> None:
    factor = Conditions(rayleigh=True).draw(1, 1, MANY).gain_factor
    assert (factor > 0).all()
    for power, moment, square in ((1, 1.0, 2.0), (2, 2.0, 24.0), (0.5, math.gamma(1.5), 1.0)):
        assert_mean(factor**power, moment, math.sqrt(square - moment**2))
    for level in (0.01, 0.5, 1.0, 3.0):
        chance = math.exp(-level)
        assert_mean(factor > level, chance, math.sqrt(chance * (1 - chance)))


def test_shadowing_is_normal_in_decibels() -> None:
    decibels = 10 * np.log10(Conditions(shadowing_db=8.0).draw(1, 1, MANY).gain_factor)
    assert_mean(decibels, 0.0, 8.0)
    assert_mean(decibels**2, 64.0, 64.0 * math.sqrt(2))
    assert_mean(decibels > 8.0, 0.5 * math.erfc(math.sqrt(0.5)), 0.5)


def test_shadowing_stays_for_its_rounds() -> None:
    slow = Conditions(shadowing_db=8.0, shadowing_rounds=3)
    factors = [slow.draw(1, number, 5).gain_factor.tolist() for number in range(1, 8)]
    assert factors[0] == factors[1] == factors[2] != factors[3] == factors[4] == factors[5] != factors[6]


def test_stragglers_are_as_many_and_as_slow_as_said() -> None:
    law = Conditions(straggling=0.2, slowdown=lambda chance: 1.0 - np.log1p(-chance)).draw(1, 1, MANY).slowdown
    slow = law > 1.0
    assert_mean(slow, 0.2, 0.4)
    assert_mean(law[slow], 2.0, 1.0)
    fixed = Conditions(straggling=0.2, slowdown=3.0).draw(1, 1, MANY).slowdown
    assert set(fixed.tolist()) == {1.0, 3.0}


def test_drop_outs_are_as_many_as_said_of_every_device() -> None:
    chance = np.array([0.0, 0.1, 0.5, 1.0])
    rounds = 4000
    leaves = np.array([Conditions(drop_out=chance).draw(1, number, 4).leaves for number in range(1, rounds + 1)])
    for i, expected in enumerate(chance):
        assert_mean(leaves[:, i], expected, math.sqrt(expected * (1 - expected)))
    assert_mean(Conditions(drop_out=1.0).draw(2, 1, MANY).leaves_at, 0.5, 1 / math.sqrt(12))


def test_quantities_devices_and_rounds_are_independent() -> None:
    conditions = Conditions(rayleigh=True, shadowing_db=6.0, straggling=0.5, drop_out=0.5)
    now, later = conditions.draw(1, 1, MANY), conditions.draw(1, 2, MANY)
    fading = Conditions(rayleigh=True).draw(1, 1, MANY).gain_factor
    rows: list[Floats] = [
        np.log(fading),
        np.log(now.gain_factor / fading),
        now.slowdown,
        now.leaves.astype(float),
        now.leaves_at,
        np.log(later.gain_factor),
        later.slowdown,
        later.leaves.astype(float),
        later.leaves_at,
        np.roll(np.log(fading), 1),
    ]
    away = np.corrcoef(rows) - np.eye(len(rows))
    assert np.abs(away).max() <= SIGMAS / math.sqrt(MANY)


def test_what_is_given_is_taken() -> None:
    plan = plan_of(devices=3)
    who = np.array([[True, False, False], [False, False, False], [False, True, True], [True, True, True]])
    factors = np.arange(1.0, 13.0).reshape(4, 3)
    rounds = list(emulate(plan, 4, Conditions(drop_out=who, channel_factors=factors)))
    assert [each.dropped.tolist() for each in rounds] == who.tolist()
    for row, each in zip(factors, rounds, strict=True):
        assert (each.channel_gain == plan.devices.channel_gain * row).all()


# --- What follows from the draws' distributions -----------------------------------------------------------------------


def test_chance_to_arrive_in_rayleigh_fading_is_the_closed_one() -> None:
    # Planned for 60 s: device i arrives within 65 where its fading is above what the longer upload needs.
    plan, deadline, rounds = plan_of(max_latency=60.0), 65.0, 4000
    needed = fo.models.transmit_power(
        plan.bandwidth,
        deadline - plan.compute_time,
        plan.devices.channel_gain,
        plan.devices.noise_density,
        plan.task.update_bits,
    )
    chance = np.exp(-needed / plan.power)
    assert chance.min() > 0.05
    assert chance.max() < 0.95
    sums = total(emulate(plan, rounds, Conditions(rayleigh=True), deadline=deadline))
    assert (np.abs(sums.arrivals / rounds - chance) <= SIGMAS * np.sqrt(chance * (1 - chance) / rounds)).all()
    assert (sums.arrivals + sums.late == rounds).all()


def test_mean_energy_with_drop_outs_is_the_closed_one() -> None:
    # A device that leaves at x of its time t + u has trained min(x / q, 1), q = t / (t + u): on average 1 - q / 2; and
    # sent (x - q) / (1 - q) where x > q: on average (1 - q) / 2.
    plan, chance, rounds = plan_of(), 0.3, 4000
    sums = total(emulate(plan, rounds, Conditions(drop_out=chance)))
    q = plan.compute_time / (plan.compute_time + plan.upload_time)
    lost = chance * (plan.compute_energy * q / 2 + plan.upload_energy * (1 + q) / 2)
    whole = plan.compute_energy + plan.upload_energy
    # The loss lies in [0, whole], so that its variance is at most whole times its mean.
    assert (np.abs(sums.device_energy / rounds - (whole - lost)) <= SIGMAS * np.sqrt(whole * lost / rounds)).all()
    bound = SIGMAS * math.sqrt(float(np.sum(whole * lost)) / rounds)
    assert abs(sums.energy / rounds - (plan.energy - lost.sum())) <= bound
    assert bound < 0.06 * lost.sum()
    assert (np.abs(sums.drop_outs / rounds - chance) <= SIGMAS * math.sqrt(chance * (1 - chance) / rounds)).all()


def test_power_control_keeps_the_rate_as_far_as_power_goes() -> None:
    plan = plan_of()
    done = first(plan, Conditions(rayleigh=True), seed=5, power_control=True, late="wait")
    limit = done.power == plan.devices.max_power
    assert limit.any()
    assert not limit.all()
    assert done.upload_time[~limit] == pytest.approx(plan.upload_time[~limit], rel=ROUNDING)
    assert (done.upload_time[limit] >= plan.upload_time[limit] * (1 - ROUNDING)).all()


# --- A plan for each round --------------------------------------------------------------------------------------------

# Channels as bad as a plan can stand: half of the paper's fleet's rounds have none.
FADING = Conditions(rayleigh=True)


def test_each_rounds_plan_is_the_optimum_for_its_channels() -> None:
    problem = paper(2, classes=0, bandwidth=40e6)
    plan = fo.solve(*problem)
    for each in emulate(plan, 5, FADING, replan=True, infeasible="raise"):
        alone = fo.solve(replace(problem.devices, channel_gain=each.channel_gain), problem.constraints, problem.task)
        assert each.planned is Planned.AGAIN
        assert each.plan.energy == pytest.approx(alone.energy, rel=GAP)
        assert (each.energy, each.latency) == (each.plan.energy, each.plan.latency)
        assert each.arrived.all()


def test_planning_each_round_takes_no_more_than_following_the_channel_with_the_power() -> None:
    # A round of the first plan in which every device arrives is a plan for that round's channels, if not the best.
    plan = fo.solve(*paper(2, classes=0, bandwidth=40e6))
    easy = Conditions(channel_factors=np.random.default_rng(1).uniform(0.7, 1.5, (20, 20)))
    once = list(emulate(plan, 20, easy, power_control=True))
    again = list(emulate(plan, 20, easy, replan=True))
    arrived = [(a, b) for a, b in zip(once, again, strict=True) if a.arrived.all()]
    assert len(arrived) >= 5
    for a, b in arrived:
        assert (a.channel_gain == b.channel_gain).all()
        assert b.energy <= a.energy * (1 + GAP)


def hopeless(plan: fo.Plan) -> Conditions:
    """Channels that admit a plan in the first and third round, and none in the second."""
    factors = np.ones((3, len(plan.devices)))
    factors[1] = 1e-3
    return Conditions(channel_factors=factors)


@pytest.mark.parametrize(
    ("policy", "planned"), [("keep", Planned.KEPT), ("extend", Planned.EXTENDED), ("skip", Planned.SKIPPED)]
)
def test_a_round_without_a_plan_is_answered_as_asked(policy: str, planned: Planned) -> None:
    plan = plan_of()
    rounds = list(emulate(plan, 3, hopeless(plan), replan=True, infeasible=policy))
    assert [each.planned for each in rounds] == [Planned.AGAIN, planned, Planned.AGAIN]
    assert rounds[0].energy == pytest.approx(plan.energy, rel=GAP)
    assert rounds[2].energy == pytest.approx(plan.energy, rel=GAP)
    assert rounds[2].deadline == 60.0
    middle = rounds[1]
    if policy == "extend":
        assert middle.deadline > 60.0
        assert middle.arrived.all()
        assert middle.latency == middle.plan.latency
        assert max(fo.verify(middle.plan)) <= LATE_BY
    else:
        assert middle.latency == 60.0
        assert not middle.arrived.any()
        assert (middle.energy == 0.0) == (policy == "skip")
        assert (middle.plan.devices.channel_gain == plan.devices.channel_gain).all()
    sums = total(rounds)
    assert sums.planned[planned] == 1
    assert sums.rounds == 3
    assert (sums.late == (policy == "keep")).all()


def test_only_a_longer_plan_moves_the_deadline() -> None:
    plan = plan_of()
    least = list(emulate(plan, 2, hopeless(plan), replan=True, infeasible="extend"))[1].deadline
    for deadline in (30.0, 2 * least):
        rounds = emulate(plan, 3, hopeless(plan), deadline=deadline, replan=True, infeasible="extend")
        assert [each.deadline for each in rounds] == [deadline, max(deadline, least), deadline]


def test_a_round_without_a_plan_ends_the_run_where_asked() -> None:
    plan = plan_of()
    rounds = emulate(plan, 3, hopeless(plan), replan=True, infeasible="raise")
    assert next(rounds).arrived.all()
    with pytest.raises(fo.InfeasibleError):
        next(rounds)


@pytest.mark.parametrize("error", [fo.NumericalError("no room"), fo.InfeasibleError("no deadline helps")])
def test_a_search_that_fails_is_a_round_without_a_plan(error: Exception) -> None:
    plan = plan_of()

    def planner(*_: Any) -> fo.Plan:
        raise error

    assert first(plan, replan=planner).planned is Planned.KEPT
    assert first(plan, replan=planner, infeasible="skip").planned is Planned.SKIPPED
    for policy in ("extend", "raise"):  # no longer deadline is known to help
        with pytest.raises(type(error), match=str(error)):
            first(plan, replan=planner, infeasible=policy)


def test_a_planner_of_ones_own() -> None:
    devices, limits, task = paper(1, classes=0)
    plan = baselines.traditional(devices, limits, task)
    asked = []

    def planner(devices: fo.Devices, limits: fo.Constraints, task: fo.Task, last: fo.Plan) -> fo.Plan:
        asked.append(last)
        return baselines.traditional(devices, limits, task)

    rounds = list(emulate(plan, 2, Conditions(channel_factors=np.full((2, 20), 1.1)), replan=planner))
    assert [each.plan.scheme for each in rounds] == [plan.scheme] * 2
    assert asked == [plan, rounds[0].plan]
    with pytest.raises(fo.InvalidInputError, match=r"replan.*TFL"):
        emulate(plan, replan=True)
    with pytest.raises(fo.InvalidInputError, match=r"replan must give .* 20 devices, got 3"):
        next(emulate(plan, replan=lambda *_: 3))  # type: ignore[arg-type]


def test_whole_samples_stay_whole() -> None:
    plan = fo.solve(*paper(1, classes=0), integer=True)
    each = first(plan, Conditions(channel_factors=np.full((1, 20), 1.1)), replan=True)
    assert (each.plan.synthetic_samples == np.rint(each.plan.synthetic_samples)).all()
    assert each.plan.energy < plan.energy


# --- Records, sums, sizes ---------------------------------------------------------------------------------------------


def test_a_round_can_be_kept_but_not_changed() -> None:
    done = first(plan_of(), ALL)
    with pytest.raises(FrozenInstanceError):
        done.latency = 0.0  # type: ignore[misc]
    for value in vars(done).values():
        assert not (isinstance(value, np.ndarray) and value.flags.writeable)
    assert pickle.loads(pickle.dumps(done)) == done


def test_totals_are_the_sums() -> None:
    plan = plan_of()
    rounds = list(emulate(plan, 30, ALL, seed=3))
    sums = total(iter(rounds))
    assert sums.rounds == 30
    assert sums.time == pytest.approx(sum(each.latency for each in rounds), rel=ROUNDING)
    assert sums.energy == pytest.approx(sum(each.energy for each in rounds), rel=ROUNDING)
    assert sums.energy == pytest.approx(sums.device_energy.sum(), rel=ROUNDING)
    assert sums.wasted_energy == pytest.approx(sum(each.wasted_energy for each in rounds), rel=ROUNDING)
    assert 0 < sums.wasted_energy < sums.energy
    assert sums.uplink_bits == pytest.approx(sum(each.uplink_bits for each in rounds), rel=ROUNDING)
    assert sums.device_busy == pytest.approx(np.sum([each.stop_time for each in rounds], axis=0), rel=ROUNDING)
    assert (sums.arrivals + sums.late + sums.drop_outs == 30).all()
    assert sums.planned[Planned.ONCE] == 30
    assert not any(value.flags.writeable for value in vars(sums).values() if isinstance(value, np.ndarray))


def test_totals_need_rounds_of_one_fleet() -> None:
    with pytest.raises(fo.InvalidInputError, match="rounds is empty"):
        total([])
    with pytest.raises(fo.InvalidInputError, match="20 and of 3 devices"):
        total([first(plan_of()), first(plan_of(devices=3))])


def test_weights_leave_room_for_the_servers_own_update() -> None:
    plan = baselines.server_side(*paper(1))
    calm, some = first(plan), first(plan, Conditions(drop_out=0.5))
    assert calm.server_weight == plan.server_weight
    assert (calm.aggregation_weights == plan.aggregation_weights).all()
    assert not some.arrived.all()
    assert some.aggregation_weights.sum() + some.server_weight == pytest.approx(1.0, rel=ROUNDING)
    arrived = plan.samples[some.arrived].sum()
    assert some.server_weight == pytest.approx(plan.server.samples / (arrived + plan.server.samples), rel=ROUNDING)
    nobody = first(plan, Conditions(drop_out=1.0))
    assert nobody.server_weight == 1.0
    assert not nobody.aggregation_weights.any()


def test_a_million_devices_take_the_memory_of_a_round() -> None:
    plan = tiled(plan_of(), 1_000_000)
    list(emulate(plan, 1, ALL))  # forms what the plan keeps
    tracemalloc.start()
    try:
        sums = total(emulate(plan, 4, ALL))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sums.rounds == 4
    assert peak <= BYTES * len(plan.devices)


def test_the_page_prints_what_it_says() -> None:
    page = (pathlib.Path(__file__).parents[1] / "docs" / "emulation.md").read_text(encoding="utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", page, re.DOTALL).groups()  # type: ignore[union-attr]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "emulation.md", "exec"), {})
    assert out.getvalue() == printed


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rayleigh": 1}, "rayleigh must be True or False, got 1"),
        ({"shadowing_db": -1.0}, r"shadowing_db must be in \[0, 50\], got -1.0"),
        ({"shadowing_db": math.nan}, "shadowing_db must be finite, got nan"),
        ({"shadowing_rounds": 0}, "shadowing_rounds must be a whole number of at least 1, got 0"),
        ({"channel_factors": [1.0, 2.0]}, r"channel_factors must have shape \(R, I\), got shape \(2,\)"),
        ({"channel_factors": [[1.0, 2.0], [1.0, 0.0]]}, "channel_factors of round 2, device 1 .* got 0"),
        ({"straggling": 1.5}, r"straggling must be in \[0, 1\], got 1.5"),
        ({"straggling": [0.5, -0.5]}, r"straggling must be in \[0, 1\], got -0.5"),
        ({"straggling": [[0.5]]}, r"straggling must be one probability or \(I,\), got shape \(1, 1\)"),
        ({"slowdown": 0.5}, r"slowdown must be in \[1, 1e\+100\], got 0.5"),
        ({"slowdown": 1e101}, r"slowdown must be in \[1, 1e\+100\], got 1e\+101"),
        ({"slowdown": math.inf}, "slowdown must be finite, got inf"),
        ({"drop_out": math.nan}, r"drop_out must be in \[0, 1\], got nan"),
        ({"drop_out": [[True], [True, False]]}, "drop_out must be a regular array"),
        ({"drop_out": True}, r"drop_out as booleans must have shape \(R, I\), got shape \(\)"),
        ({"drop_out_at": 1.1}, r"drop_out_at must be in \[0, 1\], got 1.1"),
    ],
)
def test_bad_conditions_are_refused_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=words):
        Conditions(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"plan": 3}, "plan must be a fimi_opt.Plan, got int"),
        ({"conditions": 0.1}, "conditions must be Conditions, got float"),
        ({"rounds": 0}, "rounds must be a whole number of at least 1, got 0"),
        ({"rounds": 2**60}, "rounds must be at most"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"deadline": 0.0}, "deadline must be in .* got 0.0"),
        ({"deadline": math.inf}, "deadline must be finite, got inf"),
        ({"late": "drop"}, "late must be one of 'cut', 'wait', got 'drop'"),
        ({"power_control": "yes"}, "power_control must be True or False, got 'yes'"),
        ({"replan": None}, "replan must be True or False, got None"),
        ({"infeasible": "hope"}, "infeasible must be one of 'keep', 'extend', 'skip', 'raise', got 'hope'"),
        ({"conditions": Conditions(straggling=[0.1, 0.2])}, r"straggling has shape \(2,\), but there are 3 devices"),
        (
            {"conditions": Conditions(drop_out=np.ones((9, 3), bool))},
            "drop_out has 9 rows, but 10 rounds are asked for",
        ),
    ],
)
def test_bad_arguments_are_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=words):
        emulate(**{"plan": plan_of(devices=3), "rounds": 10, **options})


def test_bad_draws_are_refused_when_they_come() -> None:
    plan = plan_of(devices=3)
    with pytest.raises(fo.InvalidInputError, match="channel_gain of device 1 in round 2 must be"):
        list(emulate(plan, 2, Conditions(channel_factors=[[1.0, 1.0, 1.0], [1.0, 1e30, 1.0]])))
    for wrong in (0.5, 1e101, math.inf, math.nan):
        slow = Conditions(straggling=1.0, slowdown=functools.partial(np.full_like, fill_value=wrong))
        with pytest.raises(fo.InvalidInputError, match=r"slowdown must give values in \[1, 1e\+100\], got"):
            first(plan, slow)
    with pytest.raises(fo.InvalidInputError, match="slowdown has shape"):
        first(plan, Conditions(straggling=1.0, slowdown=lambda chance: np.ones(2)))
