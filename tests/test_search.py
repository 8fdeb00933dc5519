"""The search for prices on residuals whose roots are known, without any fleet behind them."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from fimi_opt._kernels import search
from fimi_opt._kernels.search import DONE, FAILED, NESTED, NEWTON, ONE, P1, P2, Sums, advance, bracketed_step, start

Demand = Callable[[float, float], Sums]
ROOT = (1.25, -2.5)
CLOSE = 1e-12


def linear(p1: float, p2: float) -> Sums:
    x, y = p1 - ROOT[0], p2 - ROOT[1]
    return Sums(-2.0 * x + 0.5 * y, 0.25 * x - y, -2.0, 0.5, 0.25, -1.0)


def curved(p1: float, p2: float) -> Sums:
    """Falls steeply on one side of the root and gently on the other."""
    x, y = p1 - ROOT[0], p2 - ROOT[1]
    own1, own2 = math.exp(-x) - 1.0, math.exp(-0.7 * y) - 1.0
    return Sums(own1 + 0.2 * y, own2 + 0.1 * x, -math.exp(-x), 0.2, 0.1, -0.7 * math.exp(-0.7 * y))


def kinked(p1: float, p2: float) -> Sums:
    x, y = p1 - ROOT[0], p2 - ROOT[1]
    slope1, slope2 = (-0.01 if x < 0.0 else -30.0), (-0.1 if y < 0.0 else -50.0)
    return Sums(slope1 * x + 0.001 * y, slope2 * y + 0.001 * x, slope1, 0.001, 0.001, slope2)


def run(demand: Demand, p1: float, p2: float, mode: int) -> tuple[int, float, float, int]:
    state = start(p1, p2, mode)
    ended = mode
    while ended in (NEWTON, NESTED, ONE):
        ended = advance(state, demand(state[P1], state[P2]))
    return ended, float(state[P1]), float(state[P2]), int(state[search.COUNT])


# Evaluations as counted.
@pytest.mark.parametrize(
    ("demand", "begin", "mode", "most"),
    [
        (linear, (1.0, -2.0), NEWTON, 2),
        (linear, (9.0, -9.0), NEWTON, 3),
        (curved, (1.0, -2.0), NEWTON, 5),
        (curved, (3.0, -4.0), NEWTON, 8),
        (linear, (40.0, 3.0), NESTED, 8),
        (curved, (1.0, -2.0), NESTED, 15),
        (curved, (-30.0, 25.0), NESTED, 78),
        (kinked, (50.0, 50.0), NESTED, 15),
        (kinked, (-50.0, -50.0), NESTED, 13),
        (kinked, (-3.0, 1.0), NESTED, 5),
    ],
)
def test_both_residuals_are_closed(demand: Demand, begin: tuple[float, float], mode: int, most: int) -> None:
    ended, p1, p2, count = run(demand, *begin, mode)
    assert ended == DONE
    assert (p1, p2) == pytest.approx(ROOT, abs=CLOSE if mode == NESTED else 1e-8)
    assert count <= most


@pytest.mark.parametrize("demand", [linear, curved, kinked])
@pytest.mark.parametrize("begin", [-200.0, -2.0, 30.0, 300.0])
def test_one_price_is_found_with_the_other_kept(demand: Demand, begin: float) -> None:
    ended, p1, p2, count = run(demand, ROOT[0], begin, ONE)
    assert (ended, p1) == (DONE, ROOT[0])
    assert p2 == pytest.approx(ROOT[1], abs=CLOSE)
    assert count <= 100


def test_sharpened_it_goes_on_to_the_last_digit() -> None:
    state = start(1.0, -2.0, NEWTON)
    mode = NEWTON
    while mode == NEWTON:
        mode = advance(state, curved(state[P1], state[P2]))
    assert mode == DONE
    state[search.HALVED] = 2
    search.sharpen(state)
    assert (state[search.MODE], state[search.BEST], state[search.HALVED]) == (
        NEWTON,
        math.inf,
        0,
    )  # all steps back again
    mode = NEWTON
    while mode == NEWTON:
        mode = advance(state, curved(state[P1], state[P2]))
    assert (state[P1], state[P2]) == pytest.approx(ROOT, abs=1e-14)


def nothing_clears(p1: float, p2: float) -> Sums:
    return Sums(1.0, 1.0, -1e-3, 0.0, 0.0, -1e-3)


@pytest.mark.parametrize("mode", [NESTED, ONE, NEWTON])
def test_a_search_without_a_root_fails(mode: int) -> None:
    ended, p1, p2, count = run(nothing_clears, 0.0, 0.0, mode)
    assert ended == FAILED
    assert max(abs(p1), abs(p2)) <= 600.0
    assert count < 100


def test_it_fails_where_only_the_outer_price_has_no_root() -> None:
    ended, *_ = run(lambda _, p2: Sums(1.0, -p2, -1.0, 0.0, 0.0, -1.0), 0.0, 0.5, NESTED)
    assert ended == FAILED


@pytest.mark.parametrize("mode", [NEWTON, NESTED, ONE])
@pytest.mark.parametrize("bad", [(math.nan, 0.5), (0.5, math.nan)])
def test_no_number_ends_it_at_once(mode: int, bad: tuple[float, float]) -> None:
    ended, _, _, count = run(lambda *_: Sums(*bad, -1.0, 0.0, 0.0, -1.0), 0.0, 0.0, mode)
    assert (ended, count) == (FAILED, 1)


def test_newton_steps_back_half_way_thrice_and_then_keeps_its_best_prices() -> None:
    seen: list[tuple[float, float]] = []

    def worse_elsewhere(p1: float, p2: float) -> Sums:
        seen.append((p1, p2))
        return Sums(1.0 if (p1, p2) == (0.0, 0.0) else 2.0, -0.5, -1.0, 0.0, 0.0, -0.25)

    ended, p1, p2, count = run(worse_elsewhere, 0.0, 0.0, NEWTON)
    assert seen == [(0.0, 0.0), (1.0, -2.0), (0.5, -1.0), (0.25, -0.5), (0.125, -0.25)]
    assert (ended, p1, p2, count) == (FAILED, 0.0, 0.0, 5)


def test_newtons_longest_step_keeps_its_direction() -> None:
    state = start(0.0, 0.0, NEWTON)
    advance(state, Sums(20.0, -10.0, -1.0, 0.0, 0.0, -1.0))
    assert (state[P1], state[P2]) == (4.0, -2.0)


@pytest.mark.parametrize(("residual", "ends"), [(1e-15, DONE), (1e-3, FAILED)])
def test_totals_that_no_price_moves_are_right_or_nothing_is(residual: float, ends: int) -> None:
    assert run(lambda *_: Sums(residual, -residual, 0.0, 0.0, 0.0, -1.0), 0.0, 0.0, NEWTON)[0] == ends


INF = math.inf


# p, residual, slope, lo, hi, last step -> step, by hand.
@pytest.mark.parametrize(
    ("given", "step"),
    [
        ((0.0, 1.0, -2.0, -INF, INF, INF), 0.5),  # Newton
        ((0.0, 1.0, -0.1, -INF, INF, INF), 4.0),  # too long
        ((0.0, -1.0, -0.1, -INF, INF, INF), -4.0),
        ((0.0, 1.0, 0.0, -INF, INF, INF), 4.0),  # no slope
        ((0.0, -1.0, 3.0, -INF, INF, INF), -4.0),  # the wrong slope
        ((0.0, 1.0, 0.0, 0.0, INF, 4.0), 8.0),  # twice as long while there is no bracket
        ((0.0, 1.0, -1.0, 0.0, INF, 1.0), 2.0),  # creeping: overtakes the root
        ((0.0, -1.0, -2.0, -INF, 0.0, 0.5), -1.0),
        ((0.0, 1.0, -10.0, 0.0, INF, 1.0), 0.1),  # contracts fast enough
        ((0.0, 1.0, -4.0, 0.0, INF, 1.0), 0.25),  # just
        ((0.0, 1.0, -2.0, 0.0, 1.0, 1.0), 0.5),  # inside the bracket
        ((0.0, 1.0, -0.5, 0.0, 1.0, 9.0), 0.5),  # outside: halves it
        ((0.25, 1.0, -2.0, 0.0, 0.75, 9.0), 0.125),  # onto the end: halves it
        ((0.25, 1.0, -1.25, 0.0, 2.0, 1.0), 0.75),  # does not contract: halves it
    ],
)
def test_bracketed_step(given: tuple[float, ...], step: float) -> None:
    assert bracketed_step(*given) == pytest.approx(step, rel=1e-15)


def test_the_bracket_contracts_on_any_falling_function() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        root, steep, gentle = rng.uniform(-100, 100), 10 ** rng.uniform(0, 6), 10 ** rng.uniform(-6, 0)

        def demand(_: float, p2: float, at: float = root, a: float = steep, b: float = gentle) -> Sums:
            slope = -a if p2 < at else -b
            return Sums(0.0, slope * (p2 - at), 0.0, 0.0, 0.0, slope)

        ended, _, p2, count = run(demand, 0.0, 0.0, ONE)
        assert ended == DONE
        assert p2 == pytest.approx(root, rel=1e-13, abs=1e-6)
        assert count <= 120
