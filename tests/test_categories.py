"""The category allocator (P8) against exact water-filling, one-sample-at-a-time filling and plain enumeration."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from fimi_opt._kernels.categories import even_out, share_out
from fimi_opt.categories import allocate_categories, entropy
from fimi_opt.errors import InvalidInputError

Floats = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)
TINY = 5e-324  # the least float64
MAX_CLASSES = 8
GRID_TOL = MAX_CLASSES * TINY  # among subnormals a class rounds by up to TINY, and the emptiest makes up for them all
SUM_TOL = MAX_CLASSES * EPS  # relative to the amount: one rounding a class
LEVEL_TOL = MAX_CLASSES**2 * EPS  # relative to the amount: a sum of C terms, rounded C times
ENTROPY_TOL = 1e-13  # bits: C roundings of terms below 1
# Entropies of different integer fillings of at most 30 samples differ by more than 1e-4 bits.
SAME_ENTROPY = 1e-9


# ---------------------------------------------------------------------------------------------- slow, obvious oracles


def fill_exactly(counts: list[float], amount: float) -> list[Fraction]:
    """Water-filling in rational numbers: raise the lowest classes together to the next one until the water is spent."""
    heights = [Fraction(count) for count in counts]
    left = Fraction(amount)
    for _ in counts:
        low = min(heights)
        lowest = [c for c, height in enumerate(heights) if height == low]
        steps = [height - low for height in heights if height > low]
        rise = min([left / len(lowest), *steps])
        for c in lowest:
            heights[c] += rise
        left -= rise * len(lowest)
    assert left == 0
    return [height - Fraction(count) for height, count in zip(heights, counts, strict=True)]


def fill_one_by_one(counts: list[float], amount: int) -> list[int]:
    """Give the samples singly, each to the emptiest class, the lowest index among equals: the rule that starves."""
    given = [0] * len(counts)
    for _ in range(amount):
        given[min(range(len(counts)), key=lambda c: counts[c] + given[c])] += 1
    return given


def compositions(amount: int, classes: int) -> Iterator[tuple[int, ...]]:
    """Every way to write an amount as an ordered sum of so many integers >= 0."""
    if classes == 1:
        yield (amount,)
        return
    for first in range(amount + 1):
        for rest in compositions(amount - first, classes - 1):
            yield (first, *rest)


def naive_entropy(counts: ArrayLike) -> float:
    values = np.asarray(counts, np.float64).tolist()
    shares = [value / math.fsum(values) for value in values if value > 0]
    return -math.fsum(share * math.log2(share) for share in shares)


def equal_choices(counts: NDArray[np.int64], amounts: NDArray[np.int64]) -> list[list[NDArray[np.int64]]]:
    """Per device every filling of most entropy: what one-by-one filling ends at, the top layer placed in every way."""
    choices = []
    for row, amount in zip(counts, amounts, strict=True):
        filled = row + fill_one_by_one(row.tolist(), int(amount))
        level = (filled - row > 0) * filled
        top = (filled == level.max()) & (filled > row)
        base = filled - top
        tied = np.flatnonzero(base == level.max() - 1)
        rows = []
        for chosen in combinations(tied, int(top.sum())):
            rows.append(base.copy())
            rows[-1][list(chosen)] += 1
        choices.append(rows if amount else [row])
    return choices


def random_fleet(seed: int, devices: int, classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Devices that miss whole classes, as in federated runs, and whose tied sets therefore differ."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 12, (devices, classes)) * (rng.random((devices, classes)) < 0.6)
    return counts, rng.integers(0, 30, devices)


# ------------------------------------------------------------------------------------------------------------ instances

whole_counts = st.integers(0, 6).map(float)
odd_counts = st.sampled_from([0.0, TINY, 1e-308, 1e-9, 0.1, 0.3, 1 / 3, 1.0, 1e15, 1e15 + 1, 1e15 + 2, 1e300])
any_counts = st.one_of(whole_counts, odd_counts, st.floats(0, 1e15))


@st.composite
def real_rows(draw: st.DrawFn, counts: st.SearchStrategy[float] = any_counts) -> tuple[list[float], float]:
    """Provide one device with a row of counts and an amount with which the answer is real."""
    row = draw(st.lists(counts, min_size=1, max_size=MAX_CLASSES))
    amount = draw(st.one_of(st.sampled_from([TINY, 1e-300, 0.5, 1e15 + 0.5]), st.floats(0, 1e15)))
    return row, amount


def allocate_real(row: list[float], amount: float) -> list[float]:
    """One device's real answer; the half sample of a second device keeps whole amounts from the integer rule."""
    both = allocate_categories([row, row], [amount, 0.5])
    assert both.dtype == np.float64
    answer: list[float] = both[0].tolist()
    return answer


# ------------------------------------------------------------------------------------------------------ real allocation


@given(real_rows())
@example(([1e15, 1e15 + 1, 1e15 + 2], 0.3))
@example(([0.0, 0.0], TINY))
@example(([1e308, 0.0, 5e307], 2e307))
@example(([0.0] * 7 + [1.0], 7.0))
def test_real_allocation_is_exact_water_filling(instance: tuple[list[float], float]) -> None:
    row, amount = instance
    given_c, exact = allocate_real(row, amount), fill_exactly(row, amount)
    assert min(given_c) >= 0
    assert max(abs(Fraction(g) - e) for g, e in zip(given_c, exact, strict=True)) <= LEVEL_TOL * amount + GRID_TOL
    assert abs(math.fsum(given_c) - amount) <= SUM_TOL * amount


@given(real_rows())
@example(([1.0, 0.0, 0.0], TINY))
def test_filled_classes_share_one_level_and_dry_ones_are_above_it(instance: tuple[list[float], float]) -> None:
    row, amount = instance
    given_c = allocate_real(row, amount)
    heights = [Fraction(count) + Fraction(g) for count, g in zip(row, given_c, strict=True)]
    wet = [height for height, g in zip(heights, given_c, strict=True) if g > 0]
    dry = [height for height, g in zip(heights, given_c, strict=True) if g == 0]
    slack = Fraction(LEVEL_TOL * amount + GRID_TOL)
    assert bool(wet) == (amount > 0)
    assert not wet or max(wet) - min(wet) <= slack
    assert not (wet and dry) or min(dry) >= max(wet) - slack


@given(real_rows(), st.integers(0, 2**32 - 1))
def test_no_feasible_allocation_has_more_entropy(instance: tuple[list[float], float], seed: int) -> None:
    row, amount = instance
    assume(amount == 0 or amount >= 1e-300)  # below, a rival's shares underflow and do not sum to the amount
    counts = np.array(row)
    most = entropy(counts + allocate_real(row, amount))
    shares = np.random.default_rng(seed).dirichlet(np.full(counts.size, 0.5), 50)
    scale = max(counts.max(), 1e-300)
    rivals = [np.ones(counts.size), counts / scale + (counts.max() == 0), *np.eye(counts.size), *shares]
    for rival in rivals:
        assert entropy(counts + amount * rival / rival.sum()) <= most + ENTROPY_TOL


@given(real_rows(), st.randoms(use_true_random=False))
def test_permuting_classes_permutes_the_real_answer(instance: tuple[list[float], float], random: Any) -> None:
    row, amount = instance
    order = list(range(len(row)))
    random.shuffle(order)
    plain = allocate_real(row, amount)
    permuted = allocate_real([row[c] for c in order], amount)
    assert max(abs(permuted[k] - plain[c]) for k, c in enumerate(order)) <= LEVEL_TOL * amount + GRID_TOL


@given(real_rows(st.floats(0, 1e15)), st.integers(-40, 40))
def test_counting_in_other_units_scales_the_answer(instance: tuple[list[float], float], power: int) -> None:
    # Powers of two, and no subnormals: then every rounding is the same.
    row, amount = [math.floor(count * 1024) / 1024 for count in instance[0]], math.floor(instance[1] * 8) / 8
    scaled = allocate_real([math.ldexp(count, power) for count in row], math.ldexp(amount, power))
    assert scaled == [math.ldexp(g, power) for g in allocate_real(row, amount)]


@pytest.mark.parametrize("classes", [10, 100, 1000])
def test_rows_sum_to_the_amounts_whatever_their_scale(classes: int) -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 200, (200, classes)) * rng.random((200, classes))
    amounts = rng.random(200) * 10.0 ** rng.uniform(-6, 9, 200)
    rows = allocate_categories(counts, amounts)
    assert (rows >= 0).all()
    # Half an ulp to round the residual, half an ulp to add it, and what summing in another order than numpy's differs.
    assert max(abs(math.fsum(row) / amount - 1) for row, amount in zip(rows, amounts, strict=True)) <= 4 * EPS


def test_devices_do_not_see_one_another_in_the_real_answer() -> None:
    rng = np.random.default_rng(6)
    counts, amounts = rng.random((50, 7)) * 100, rng.random(50) * 300
    together = allocate_categories(counts, amounts)
    alone = [allocate_categories(counts[i : i + 1], amounts[i : i + 1])[0] for i in range(50)]
    np.testing.assert_array_equal(together, alone)


# --------------------------------------------------------------------------------------------------- integer allocation


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=4),
    st.integers(0, 7),
    st.sampled_from([1.0, 0.25]),
    st.integers(0, 9),
)
def test_integer_optimum_is_the_best_of_all_integer_allocations(
    units: list[int], amount: int, unit: float, seed: int
) -> None:
    counts = np.array([units]) * unit  # in quarters: fractional counts, integers all the same
    answer = allocate_categories(counts, np.array([amount]), seed=seed)[0]
    assert answer.dtype == np.int64
    assert answer.sum() == amount
    assert answer.min() >= 0
    best = max(naive_entropy(counts[0] + np.array(way)) for way in compositions(amount, len(units)))
    assert naive_entropy(counts[0] + answer) == pytest.approx(best, abs=SAME_ENTROPY)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
def test_every_device_is_filled_as_by_one_sample_at_a_time(seed: int, classes: int, fractional: bool) -> None:
    counts, amounts = random_fleet(seed, 10, classes)
    given_units = counts + 0.5 * (counts % 3 == 1) if fractional else counts.astype(np.float64)
    answer = given_units + allocate_categories(given_units, amounts, seed=seed)
    for i, row in enumerate(given_units):
        one_by_one = row + fill_one_by_one(row.tolist(), int(amounts[i]))
        assert sorted(answer[i]) == sorted(one_by_one)  # the same entropy, whatever the tie rule


def test_huge_counts_are_filled_exactly() -> None:
    answer = allocate_categories([[10**15, 10**15 + 3, 0]], [3 * 10**15])
    np.testing.assert_array_equal(answer.sum(axis=1), [3 * 10**15])
    assert sorted((answer[0] + [10**15, 10**15 + 3, 0]).tolist()) == [
        1666666666666667,
        1666666666666668,
        1666666666666668,
    ]


@pytest.mark.parametrize(
    ("counts", "synthetic", "kind"),
    [
        ([[1, 2]], [3], "i"),
        ([[1.0, 2.0]], [3.0], "i"),
        ([[1, 2]], np.array([3], np.uint8), "i"),
        ([[1.5, 2.0]], [3], "i"),
        ([[1.5, 2.0]], [3.0], "f"),
        ([[1, 2]], [3.5], "f"),
        ([[1, 2], [1, 2]], [3.0, 3.5], "f"),
        ([[1e17, 2.0]], [3.0], "f"),  # a float of this size is always whole: it says nothing
        (np.zeros((0, 3)), [], "i"),
    ],
)
def test_the_answer_is_integer_when_the_amounts_are(counts: ArrayLike, synthetic: ArrayLike, kind: str) -> None:
    answer = allocate_categories(counts, synthetic)
    assert answer.dtype == {"i": np.int64, "f": np.float64}[kind]
    np.testing.assert_array_equal(answer.sum(axis=1), np.asarray(synthetic))


# -------------------------------------------------------------------------------------------------- ties and the fleet


def spread(totals: NDArray[Any]) -> float:
    return float(np.ptp(totals))


def test_the_lowest_index_starves_classes_and_our_rule_does_not() -> None:
    counts, amounts = np.full((60, 10), 4), np.full(60, 3)
    starving = np.array([fill_one_by_one(row.tolist(), 3) for row in counts])
    np.testing.assert_array_equal(starving.sum(axis=0), [60] * 3 + [0] * 7)
    fair = allocate_categories(counts, amounts)
    np.testing.assert_array_equal(fair.sum(axis=0), [18] * 10)
    np.testing.assert_array_equal(entropy(np.sort(counts + fair)), entropy(np.sort(counts + starving)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 40))
def test_totals_differ_by_one_at_most_when_every_device_fills_all_its_classes(
    seed: int, classes: int, devices: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, (devices, classes))
    amounts = 9 * classes + rng.integers(0, 50, devices)
    totals = (counts + allocate_categories(counts, amounts, seed=seed)).sum(axis=0)
    assert spread(totals) <= 1


def test_real_samples_of_the_fleet_count_too() -> None:
    counts = np.array([[4, 4, 4]] * 10 + [[100, 100, 91]])
    answer = allocate_categories(counts, [1] * 10 + [0])
    np.testing.assert_array_equal(np.sort((counts + answer).sum(axis=0)), [140, 140, 141])
    assert answer[:, 2].sum() >= 9


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
@example(12, 2, 4)
def test_totals_are_within_the_stated_bound_of_the_best_choice_among_equals(
    seed: int, classes: int, devices: int
) -> None:
    rng = np.random.default_rng(seed)
    counts, amounts = rng.integers(0, 4, (devices, classes)), rng.integers(0, 7, devices)
    totals = (counts + allocate_categories(counts, amounts, seed=seed)).sum(axis=0)
    reachable = np.array([sum(rows) for rows in product(*equal_choices(counts, amounts))])
    assert totals.tolist() in reachable.tolist()
    bound = max(classes - 2, 0)
    assert totals.max() <= reachable.max(axis=1).min() + bound
    assert totals.min() >= reachable.min(axis=1).max() - bound


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_no_device_can_narrow_a_gap_between_its_equally_filled_classes(seed: int, fractional: bool) -> None:
    counts, amounts = random_fleet(seed, 1000, 10)
    # Fractions in every column alike sum to whole totals, which rounding then leaves alone.
    before = counts + 0.5 * (counts >= 6) if fractional else counts.astype(np.float64)
    before[0] += 0.5 * (before.sum(axis=0) % 1 > 0)
    answer = allocate_categories(before, amounts, seed=seed)
    filled = before + answer
    totals = filled.sum(axis=0)
    pairs = 0
    for i in range(len(counts)):
        for full in np.flatnonzero(answer[i] > 0):
            tied = np.flatnonzero(filled[i] == filled[i, full] - 1)
            pairs += tied.size
            assert (totals[full] - totals[tied] <= 1).all()
    assert pairs > 1000


@st.composite
def tied_fleets(draw: st.DrawFn) -> tuple[NDArray[np.bool_], NDArray[np.int64], Floats, np.random.Generator]:
    """Provide which classes are tied on each device, how many of them get a sample, and the fleet's totals before."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    devices, classes = draw(st.integers(1, 40)), draw(st.integers(1, 7))
    tied = rng.random((devices, classes)) < draw(st.sampled_from([0.3, 0.7, 1.0]))
    remainder = rng.integers(0, tied.sum(axis=1) + 1)
    return tied, remainder, np.rint(rng.random(classes) * draw(st.sampled_from([0, 3, 40]))), rng


@given(tied_fleets())
def test_sharing_out_serves_the_scarcest_tied_classes_at_each_turn(fleet: Any) -> None:
    tied, remainder, totals, rng = fleet
    running, visits = totals.copy(), rng.permutation(len(tied))
    extra = share_out(tied, remainder, totals, visits, np.argsort(totals))
    for i in visits:
        served, passed = running[extra[i]], running[tied[i] & ~extra[i]]
        assert served.size == remainder[i]
        assert not (served.size and passed.size) or served.max() <= passed.min()
        running += extra[i]
    assert not (extra & ~tied).any()
    np.testing.assert_array_equal(totals, running)


@given(tied_fleets())
def test_evening_out_ends_where_no_device_can_narrow_a_gap(fleet: Any) -> None:
    tied, remainder, totals, rng = fleet
    extra = np.zeros_like(tied)
    for i in range(len(tied)):
        extra[i, rng.permutation(np.flatnonzero(tied[i]))[: remainder[i]]] = True
    before, start = totals.copy(), extra.copy()
    totals += extra.sum(axis=0)
    squares = (totals**2).sum()
    even_out(tied, extra, totals, rng.permutation(len(tied)))
    np.testing.assert_array_equal(totals, before + extra.sum(axis=0))
    np.testing.assert_array_equal(extra.sum(axis=1), remainder)
    assert not (extra & ~tied).any()
    # Each move lowers the sum of squares by 2 at least: nothing moves for nothing.
    assert squares - (totals**2).sum() >= (extra != start).sum(axis=1).max()
    for i in range(len(tied)):
        served, passed = totals[extra[i]], totals[tied[i] & ~extra[i]]
        assert not (served.size and passed.size) or served.max() <= passed.min() + 1


def test_evening_out_leaves_a_gap_of_one_alone() -> None:
    tied, extra, totals = np.array([[True, True, False]]), np.array([[True, False, False]]), np.array([1.0, 0.0, 4.0])
    even_out(tied, extra, totals, np.arange(1))
    np.testing.assert_array_equal(extra, [[True, False, False]])
    np.testing.assert_array_equal(totals, [1, 0, 4])


def test_evening_out_repairs_what_the_order_of_turns_spoilt() -> None:
    tied = np.array([[True, True, False], [True, False, True]])
    totals = np.array([0.0, 0.0, 3.0])
    turns, ones = np.arange(2), np.ones(2, np.int64)
    extra = share_out(tied, ones, totals, turns, np.arange(3))
    np.testing.assert_array_equal(totals, [2, 0, 3])  # both took class 0: the first did not know of the second
    even_out(tied, extra, totals, turns)
    np.testing.assert_array_equal(totals, [1, 1, 3])
    np.testing.assert_array_equal(extra, [[False, True, False], [True, False, False]])


def test_evening_out_carries_a_pile_along_a_chain_of_ties() -> None:
    # Each device is tied between two neighbours: a pile can only pass from hand to hand, in the slowest order of turns.
    classes, per_link = 8, 40
    left = np.repeat(np.arange(classes - 1), per_link)
    tied = (np.arange(classes) == left[:, None]) | (np.arange(classes) == left[:, None] + 1)
    extra = np.arange(classes) == left[:, None]
    totals = np.where(np.arange(classes) < 4, 0.0, 50.0)[::-1] + extra.sum(axis=0)
    before = totals.copy() - extra.sum(axis=0)
    even_out(tied, extra, totals, np.arange(left.size))
    np.testing.assert_array_equal(totals, before + extra.sum(axis=0))
    np.testing.assert_array_equal(extra.sum(axis=1), 1)
    assert not (extra & ~tied).any()
    full = np.where(extra, totals, 0.0).sum(axis=1)
    other = np.where(tied & ~extra, totals, 0.0).sum(axis=1)
    assert (full - other <= 1).all()


def test_one_seed_gives_one_answer_and_seeds_choose_among_equals() -> None:
    counts, amounts = random_fleet(3, 200, 10)
    first = allocate_categories(counts, amounts, seed=1)
    np.testing.assert_array_equal(first, allocate_categories(counts, amounts, seed=np.int64(1)))  # type: ignore[arg-type]
    other = allocate_categories(counts, amounts, seed=2)
    assert (first != other).any()
    np.testing.assert_array_equal(np.sort(counts + first), np.sort(counts + other))
    np.testing.assert_array_equal(allocate_categories(counts, amounts), allocate_categories(counts, amounts, seed=0))


def test_no_pattern_in_the_numbering_of_devices_meets_one_class_only() -> None:
    # Taking turns in the order of the numbers would give every even device the one class, every odd one the other.
    answer = allocate_categories(np.zeros((2000, 2)), 1)
    share = answer[::2, 0].mean()
    assert abs(share - 0.5) <= 0.08  # 5 standard deviations of 1000 fair coins
    assert spread(answer.sum(axis=0)) == 0


# ------------------------------------------------------------------------------------------------------- borders, input


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_borders(dtype: type) -> None:
    half = 0 if dtype is np.int64 else 0.5
    empty = allocate_categories(np.zeros((2, 4)), np.array([0, 4 + half], dtype))
    np.testing.assert_array_equal(empty, [[0] * 4, [1 + half / 4] * 4])
    np.testing.assert_array_equal(allocate_categories([[7], [0]], np.array([3 + half, 0], dtype)), [[3 + half], [0]])
    np.testing.assert_array_equal(
        allocate_categories([[1, 3]] * 2, np.array(2 + half, dtype)), [[2 + half / 2, half / 2]] * 2
    )
    assert not np.signbit(empty).any()


def test_inputs_are_left_alone() -> None:
    counts, amounts = np.array([[3.0, 1.0], [0.0, 0.0]]), np.array([5.0, 3.0])
    copies = counts.copy(), amounts.copy()
    allocate_categories(counts, amounts)
    allocate_categories(counts, amounts + 0.5)
    np.testing.assert_array_equal(counts, copies[0])
    np.testing.assert_array_equal(amounts, copies[1])


@pytest.mark.parametrize(
    ("counts", "synthetic", "message"),
    [
        ([1, 2], [1], r"class_counts must be \(devices, classes\).*\(2,\)"),
        (np.zeros((2, 0)), [0, 0], r"class_counts must be \(devices, classes\).*\(2, 0\)"),
        ([[[1]]], [1], r"class_counts must be \(devices, classes\).*\(1, 1, 1\)"),
        ([[1, 2], [3]], [1, 1], "class_counts must be a regular array"),
        ([["a", "b"]], [1], "class_counts must be real numbers"),
        ([[1, 2]], [1, 2], r"synthetic has shape \(2,\)"),
        ([[1, 2], [3, -4], [-5, 6]], [1, 1, 1], r"class_counts of device 1, class 1 .* got -4"),
        ([[1, 2], [3, math.nan]], [1, 1], r"class_counts of device 1, class 1 .* got nan"),
        ([[1, math.inf]], [1], r"class_counts of device 0, class 1 .* got inf"),
        ([[1, 2]] * 3, [0, -2, -3], r"synthetic of device 1 .* got -2"),
        ([[1, 2]] * 2, [0.5, math.nan], r"synthetic of device 1 .* got nan"),
        ([[1, 2]] * 2, [math.inf, 1], r"synthetic of device 0 .* got inf"),
        ([[1, 2], [1e308, 1e308]], [1.5, 1.5], r"class_counts and synthetic of device 1 sum to inf"),
        ([[1, 2], [2**52, 2**52]], [1, 1], r"class_counts and synthetic of device 1 sum to 9007199254740992"),
    ],
)
def test_bad_input_is_named(counts: Any, synthetic: ArrayLike, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        allocate_categories(counts, synthetic)


@pytest.mark.parametrize("synthetic", [1, 1.5])
@pytest.mark.parametrize("seed", [-1, 1.5, None, "a"])
def test_a_bad_seed_is_named(synthetic: float, seed: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"seed must be an integer >= 0, got {seed!r}"):
        allocate_categories([[1, 2]], synthetic, seed=seed)


# -------------------------------------------------------------------------------------------------------------- entropy


@given(st.lists(st.one_of(whole_counts, st.floats(1e-3, 1e9)), min_size=1, max_size=12).filter(any))
def test_entropy_is_the_formula(counts: list[float]) -> None:
    assert entropy(counts) == pytest.approx(naive_entropy(counts), abs=ENTROPY_TOL)


def test_entropy_of_known_spreads() -> None:
    assert entropy([3, 3, 3, 3]) == 2.0
    assert entropy([0, 5, 0]) == 0.0
    assert entropy([0, 0]) == 0.0
    assert entropy([[1, 1], [0, 0], [4, 0], [1, 3]]) == pytest.approx(
        [1, 0, 0, 2 - 0.75 * math.log2(3)], abs=ENTROPY_TOL
    )
    assert entropy(np.ones((2, 3, 4))).shape == (2, 3)
    assert entropy(np.zeros((0, 4))).shape == (0,)
    assert not np.signbit(entropy([[0, 5], [0, 0]])).any()


@pytest.mark.parametrize("scale", [TINY, 1e-300, 1e15, 1.5e308])
def test_entropy_neither_overflows_nor_vanishes(scale: float) -> None:
    assert entropy([scale, scale, 0, scale, scale]) == 2.0
    assert entropy([1.5e308, scale]) == pytest.approx(1.0 if scale == 1.5e308 else 0.0, abs=ENTROPY_TOL)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (3.0, r"counts must have at least one class.*\(\)"),
        (np.zeros((3, 0)), r"counts must have at least one class.*\(3, 0\)"),
        ([1, -2, -3], r"counts must be .* got -2.0 at index \(1,\)"),
        ([[1, 2], [3, math.nan]], r"counts must be .* got nan at index \(1, 1\)"),
        ([[[1, math.inf]]], r"counts must be .* got inf at index \(0, 0, 1\)"),
    ],
)
def test_bad_counts_are_named(counts: ArrayLike, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        entropy(counts)
