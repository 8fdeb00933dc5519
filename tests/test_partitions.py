"""Partitions: every sample once, flwr-datasets' positions for the same seed, and no endless draw."""

import pathlib
import pickle
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt.partitions import Partition, per_class, per_device

NUMBERS = [(k * k + k // 5) % 4 for k in range(24)]
NAMES = [["dog", "cat", "emu", "ant"][k] for k in NUMBERS]


PAGE = pathlib.Path(__file__).parents[1] / "docs" / "partitions.md"


def positions(partition: Partition) -> list[list[int]]:
    return [own.tolist() for own in partition.indices]


# As flwr-datasets 0.6.1 gave them.
RECORDED_PER_DEVICE = [
    (
        ([9, 0, 8, 7], 0.3, 11),  # all samples: classes are used up on the way
        [[16, 5, 11, 13, 0, 6, 8, 18, 10], [], [21, 17, 7, 1, 23, 2, 19, 9], [20, 4, 15, 22, 3, 14, 12]],
    ),
    (([5, 6], [0.2, 3.0, 0.5, 1.0], 2), [[8, 3, 12, 1, 18], [16, 21, 6, 13, 14, 23]]),
]
RECORDED_PER_CLASS = [
    (
        (3, 0.4, 4, False, 11),
        [[5, 3, 8, 21, 6, 10, 11, 1, 7, 9], [12, 13, 0, 16, 2], [18, 14, 17, 20, 22, 4, 19, 23, 15]],
    ),
    (
        (3, 0.4, 6, False, 2),  # at the sixth draw
        [[2, 0, 5, 12, 10, 7, 9, 4], [15, 1, 21, 6, 3, 8], [18, 19, 16, 20, 17, 14, 11, 23, 13, 22]],
    ),
    (
        (3, [0.3, 0.6, 2.0], 2, True, 4),
        [[1, 15, 2, 0, 13, 4, 11, 17], [19, 6, 3], [14, 7, 21, 12, 22, 9, 10, 8, 20, 18, 16, 5, 23]],
    ),
]


@pytest.mark.parametrize(("given", "expected"), RECORDED_PER_DEVICE)
def test_a_mix_per_device_is_that_of_flwr_datasets(given: tuple[Any, ...], expected: list[list[int]]) -> None:
    sizes, alpha, seed = given
    assert positions(per_device(NUMBERS, sizes, alpha, seed=seed)) == expected


def test_a_split_per_class_draws_the_classes_in_sorted_order() -> None:
    labels = np.array(NAMES)
    by_class = np.argsort(labels, kind="stable")
    shuffled, sorted_ = (per_class(x, 3, 0.4, seed=5, min_size=0) for x in (labels, labels[by_class]))
    assert shuffled.class_counts.tolist() == sorted_.class_counts.tolist()


@pytest.mark.parametrize(("given", "expected"), RECORDED_PER_CLASS)
def test_a_split_per_class_is_that_of_flwr_datasets(given: tuple[Any, ...], expected: list[list[int]]) -> None:
    devices, alpha, least, balancing, seed = given
    found = per_class(NAMES, devices, alpha, seed=seed, min_size=least, self_balancing=balancing)
    assert positions(found) == expected


@pytest.mark.release
@pytest.mark.filterwarnings("ignore")  # another package's
def test_partitions_are_those_of_the_installed_flwr_datasets() -> None:
    datasets = pytest.importorskip("datasets")
    partitioner = pytest.importorskip("flwr_datasets.partitioner")

    def theirs(partitioner: Any, labels: list[Any]) -> list[list[int]] | None:
        partitioner.dataset = datasets.Dataset.from_dict({"label": labels, "position": list(range(len(labels)))})
        try:
            return [partitioner.load_partition(k)["position"] for k in range(partitioner.num_partitions)]
        except ValueError:
            return None

    compared = 0
    rng = np.random.default_rng(0)
    for seed in range(60):
        classes, count = int(rng.integers(1, 12)), int(rng.integers(1, 12))
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 300)])
        rng.shuffle(labels)
        alpha = float(rng.choice([0.1, 0.4, 1.0, 10.0]))
        handed = int(labels.size * rng.choice([0.3, 0.8, 1.0]))
        sizes = rng.multinomial(handed, rng.dirichlet(np.ones(count))).tolist()
        inner = theirs(partitioner.InnerDirichletPartitioner(sizes, "label", alpha=alpha, seed=seed), labels.tolist())
        assert positions(per_device(labels, sizes, alpha, seed=seed)) == inner
        names = [f"class {label}" for label in labels]
        least, balancing = int(rng.integers(0, 6)), bool(seed % 2)
        outer = theirs(partitioner.DirichletPartitioner(count, "label", alpha, least, balancing, seed=seed), names)
        if outer is not None:  # it gives up earlier
            found = per_class(names, count, alpha, seed=seed, min_size=least, self_balancing=balancing)
            assert positions(found) == outer
            compared += 1
    assert compared > 40


@pytest.mark.parametrize(
    "labels", [NUMBERS, NAMES, np.array(NAMES, object), np.array(NUMBERS) / 4, np.array(NUMBERS) > 1]
)
def test_counts_are_those_of_the_samples_handed_out(labels: Any) -> None:
    for found in (
        per_device(labels, [5, 0, 7], 0.5, seed=3),
        per_class(labels, 3, 0.5, seed=3, min_size=1),
        per_class(labels, 3, 0.5, seed=3, min_size=1, self_balancing=True),
    ):
        held = [[np.asarray(labels)[k] for k in own] for own in found.indices]
        assert found.classes.tolist() == sorted(set(np.asarray(labels).tolist()))
        assert found.class_counts.tolist() == [[own.count(name) for name in found.classes] for own in held]
        assert found.local_samples.tolist() == [len(own) for own in held]
        assert len(set(found.positions.tolist())) == found.positions.size


def test_sizes_are_as_asked_and_a_split_leaves_nothing_over() -> None:
    assert per_device(NAMES, [5, 0, 7], 0.5, seed=3).local_samples.tolist() == [5, 0, 7]
    assert sorted(per_class(NAMES, 5, 0.5, seed=3, min_size=0).positions) == list(range(24))


def test_every_class_and_every_device_can_have_its_own_concentration() -> None:
    mixed = per_device(NUMBERS * 40, [60] * 3, [1e-6, 1e6, 1e6, 1e-6], seed=0)
    assert mixed.class_counts[:, [0, 3]].sum() == 0
    assert mixed.class_counts[:, [1, 2]].min() > 15  # of 30; 1 in 1e5 draws has less
    split = per_class(NAMES * 40, 3, [1e6, 1e-6, 1e6], seed=0, min_size=0)
    assert split.local_samples.tolist()[1] == 0


def test_more_devices_than_samples_leave_some_empty() -> None:
    assert per_device(["a", "b"], [0, 1, 0, 1], 1.0, seed=0).local_samples.tolist() == [0, 1, 0, 1]
    assert per_class(["a", "b"], 5, 1.0, seed=0, min_size=0).local_samples.sum() == 2
    assert per_device(["a"], [0, 0], 1.0, seed=0).indices[1].size == 0


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not() -> None:
    first, again, other = (per_device(NAMES, [6, 6, 6], 0.5, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert pickle.loads(pickle.dumps(first)) == first
    assert len(first) == 3
    assert repr(first) == "Partition(3 devices, 4 classes, 18 samples)"


def test_a_partition_cannot_be_changed() -> None:
    found = per_class(NAMES, 3, 1.0, seed=0, min_size=1)
    for array in (found.positions, found.classes, found.class_counts, found.local_samples, *found.indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_devices_take_the_counts() -> None:
    found = per_device(NAMES * 30, [60, 80], 0.1, seed=1)
    devices = fo.Devices(found.local_samples, 5e-27, 1.5e9, 1e-10, 0.2, class_counts=found.class_counts)
    assert devices.class_counts is not None
    assert devices.class_counts.tolist() == found.class_counts.tolist()


def test_the_page_does_what_it_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    assert len(names["devices"]) == 20
    sizes = names["split"].local_samples
    assert f"{sizes.min()} to {sizes.max()} samples, {sizes.mean():g} on average" in text


def test_a_mix_of_used_up_classes_alone_is_refused() -> None:
    # With so small an alpha each device has one class: with this seed both have the same, with the other not.
    labels = ["a"] * 5 + ["b"] * 5
    assert sorted(per_device(labels, [5, 5], 1e-6, seed=2).class_counts.tolist()) == [[0, 5], [5, 0]]
    with pytest.raises(ValueError, match=r"sizes of device [01] cannot be filled: class '[ab]' is used up"):
        per_device(labels, [5, 5], 1e-6, seed=0)


def test_a_draw_that_cannot_be_had_ends_and_says_what_can() -> None:
    with pytest.raises(ValueError, match=r"min_size is 8, but in 40 draws .* min_size=(\d+) would do") as caught:
        per_class(NAMES, 3, 0.05, seed=1, min_size=8, attempts=40)
    reached = int(str(caught.value).partition("min_size=")[2].split(" ")[0])
    found = per_class(NAMES, 3, 0.05, seed=1, min_size=reached, attempts=40)
    assert found.local_samples.min() == reached


def test_balancing_that_leaves_a_class_to_full_devices_is_drawn_anew_and_then_refused() -> None:
    # One device takes the first class whole, and for most draws it alone has a share of the second.
    labels = ["a"] * 9 + ["b"]
    found = per_class(labels, 2, [1e6, 1e-6], seed=0, min_size=0)
    assert found.class_counts.tolist() == [[9, 1], [0, 0]]
    with pytest.raises(ValueError, match="every draw gave a class to full devices alone: self_balancing=False can do"):
        per_class(labels, 2, [1e6, 1e-6], seed=0, min_size=0, self_balancing=True)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([np.str_("cat"), "dog", "cat"], ["cat", "dog"]),
        ([np.float32(0.1), 0.5, 2], [float(np.float32(0.1)), 0.5, 2.0]),
        ([True, 0, 2], [0, 1, 2]),
        ([10**30, 1, 10**30], [1, 10**30]),
    ],
)
def test_labels_of_equal_kinds_are_taken(labels: list[Any], classes: list[Any]) -> None:
    assert per_device(labels, [1, 2], 0.5, seed=0).classes.tolist() == classes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": []}, r"labels must have one value per sample, shape \(N,\), got shape \(0,\)"),
        ({"labels": [[1, 2], [3, 4]]}, r"labels must have one value per sample"),
        ({"labels": [[1], [3, 4]]}, r"labels must be a regular array"),
        ({"labels": [1, "cat"]}, "labels must be of one kind, but NumPy makes '1' of 1"),
        ({"labels": ["cat", float("nan")]}, "labels must be of one kind, but NumPy makes 'nan' of nan"),
        ({"labels": ["cat", "cat\0"]}, r"labels must be of one kind, but NumPy makes 'cat' of 'cat\\x00'"),
        ({"labels": [-1, 2**63, 2**63 + 1]}, r"NumPy makes 9\.22\d+e\+18 of 9223372036854775809"),
        ({"labels": [Decimal("NaN"), Decimal(1)]}, "labels must be values that can be told apart and sorted"),
        ({"labels": np.array([1, "cat", None], object)}, "labels must be values that can be told apart and sorted"),
        ({"labels": [0.0, float("nan")]}, "labels must be values that equal themselves, got nan"),
        ({"labels": np.array(["2020", "NaT"], "M8[Y]")}, "labels must be values that equal themselves, got NaT"),
        ({"labels": np.ma.masked_equal([1, 2], 2)}, "labels has masked values"),
        ({"alpha": 0.0}, "alpha must be between 1e-06 and 1e.06, got 0"),
        ({"alpha": -1.0}, "alpha must be between .*, got -1"),
        ({"alpha": float("nan")}, "alpha must be between .*, got nan"),
        ({"alpha": float("inf")}, "alpha must be between .*, got inf"),
        ({"alpha": "0.4"}, "alpha must be real numbers"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"seed": None}, "seed must be a whole number of at least 0, got None"),
    ],
)
def test_what_both_refuse(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"labels": NAMES, "alpha": 0.5, "seed": 0} | changed
    with pytest.raises(fo.InvalidInputError, match=message):
        per_device(sizes=[1, 1], **given)
    with pytest.raises(fo.InvalidInputError, match=message):
        per_class(devices=2, min_size=1, **given)


@pytest.mark.parametrize(
    ("sizes", "alpha", "message"),
    [
        ([5, -1], 1.0, "sizes of device 1 must be whole and not negative, got -1"),
        ([5.5, 1], 1.0, "sizes of device 0 must be whole and not negative, got 5.5"),
        ([5, float("nan")], 1.0, "sizes of device 1 must be whole and not negative, got nan"),
        ([20, 5], 1.0, "sizes sum to 25, but labels has only 24 samples"),
        ([], 1.0, "sizes must have one value per device"),
        (5, 1.0, "sizes must have one value per device"),
        ([5, 5], [1.0, 2.0], r"alpha must be one number, or one per class: 4; got shape \(2,\)"),
        ([5, 5], [1.0, 2.0, -3.0, 1.0], "alpha of class 2 must be between .*, got -3"),
    ],
)
def test_what_a_mix_per_device_refuses(sizes: Any, alpha: Any, message: str) -> None:
    with pytest.raises(fo.InvalidInputError, match=message):
        per_device(NAMES, sizes, alpha, seed=0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"devices": 0}, "devices must be a whole number of at least 1, got 0"),
        ({"devices": 2.0}, "devices must be a whole number of at least 1, got 2.0"),
        ({"min_size": -1}, "min_size must be a whole number of at least 0, got -1"),
        ({"min_size": 9}, "min_size is 9 for 3 devices, but labels has only 24 samples"),
        ({"devices": 25, "min_size": 1}, "min_size is 1 for 25 devices, but labels has only 24 samples"),
        ({"self_balancing": "no"}, "self_balancing must be True or False, got 'no'"),
        ({"attempts": 0}, "attempts must be a whole number of at least 1, got 0"),
        ({"alpha": [1.0, 1.0]}, r"alpha must be one number, or one per device: 3; got shape \(2,\)"),
        ({"alpha": [1.0, 0.0, 1.0]}, "alpha of device 1 must be between .*, got 0"),
    ],
)
def test_what_a_split_per_class_refuses(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"labels": NAMES, "devices": 3, "alpha": 0.5, "seed": 0, "min_size": 1} | changed
    with pytest.raises(fo.InvalidInputError, match=message):
        per_class(**given)
