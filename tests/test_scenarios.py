"""Seeded fleets: the paper's numbers, the draws' distributions, and comparability of fleets."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fimi_opt as fo
from fimi_opt import scenarios
from fimi_opt.scenarios import Arithmetic, Cell, Uniform, mixed, paper

MANY = 20_000
# A mean over MANY draws is off by this many standard errors with probability 6e-7; the seeds are fixed anyway.
SIGMAS = 5.0
# Formulas in another order differ by rounding.
ROUNDING = 1e-12
QUANTITIES = ("local_samples", "energy_coefficient", "max_frequency", "channel_gain", "max_power", "class_counts")


def metres(devices: fo.Devices) -> NDArray[np.float64]:
    """Distances, from the paper's path loss."""
    return 1000 * np.asarray(10 ** ((-10 * np.log10(devices.channel_gain) - 128.1) / 37.6))


def assert_mean(draws: NDArray[Any], mean: float, deviation: float) -> None:
    assert abs(float(draws.mean()) - mean) <= SIGMAS * deviation / math.sqrt(draws.size)


def test_default_is_section_v_a() -> None:
    devices, limits, task = paper()
    assert len(devices) == 20
    assert (devices.local_samples == 1250).all()
    assert ((devices.max_frequency >= 1e9) & (devices.max_frequency <= 2e9)).all()
    assert ((devices.energy_coefficient >= 4e-27) & (devices.energy_coefficient <= 6e-27)).all()
    assert ((devices.max_power >= 0.1) & (devices.max_power <= 10**2.3 / 1000)).all()
    assert devices.noise_density == pytest.approx(fo.THERMAL_NOISE_DENSITY, rel=ROUNDING)
    assert ((metres(devices) >= 10) & (metres(devices) <= 400)).all()
    assert devices.class_counts is not None
    assert devices.class_counts.shape == (20, 10)
    assert task == fo.PAPER_TASK
    assert limits == fo.Constraints(0.2, 200, 60.0, 20e6, 2000.0)
    assert list(devices.ids) == list(range(20))


def test_same_seed_same_fleet() -> None:
    assert paper(7).devices == paper(7).devices
    assert paper(7).devices != paper(8).devices
    assert mixed(7).devices == mixed(7).devices


def test_draws_are_even_over_their_ranges() -> None:
    devices = paper(3, devices=MANY, classes=0).devices
    third = 1 / math.sqrt(12)
    assert_mean((devices.max_frequency - 1e9) / 1e9, 0.5, third)
    assert_mean((devices.energy_coefficient - 4e-27) / 2e-27, 0.5, third)
    assert_mean((10 * np.log10(1000 * devices.max_power) - 20) / 3, 0.5, third)
    area = (metres(devices) ** 2 - 10**2) / (400**2 - 10**2)
    assert_mean(area, 0.5, third)
    assert_mean(area**2, 1 / 3, math.sqrt(1 / 5 - 1 / 9))


def test_path_loss_is_the_papers() -> None:
    gains = paper(devices=2, distance=[100.0, 400.0]).devices.channel_gain
    assert gains == pytest.approx([10**-9.05, 10 ** (-(128.1 + 37.6 * math.log10(0.4)) / 10)], rel=ROUNDING)
    flat = paper(devices=1, distance=100.0, path_loss_db=(90.0, 0.0)).devices
    assert flat.channel_gain == pytest.approx([1e-9], rel=ROUNDING)


def test_noise_as_printed_is_sixty_decibels_less() -> None:
    printed = paper(noise_density_dbm=scenarios.NOISE_AS_PRINTED_DBM).devices
    assert printed.noise_density * 1e6 == pytest.approx(paper().devices.noise_density, rel=ROUNDING)


def test_both_readings_of_the_update_size() -> None:
    assert paper().task.update_bits == 111.7 * 2**20
    assert paper(update_bits=scenarios.UPDATE_BITS_DECIMAL).task.update_bits == 111.7e6


@pytest.mark.parametrize("concentration", [0.4, 0.6])
def test_class_mix_is_dirichlet(concentration: float) -> None:
    counts = paper(5, devices=MANY, concentration=concentration).devices.class_counts
    assert counts is not None
    assert (counts == np.rint(counts)).all()
    assert (counts.sum(axis=1) == 1250).all()
    # Shares of n samples whose probabilities are Dirichlet: variance p (1 - p) (1/n + (1 - 1/n) / (C c + 1)).
    variance = 0.1 * 0.9 * (1 / 1250 + (1 - 1 / 1250) / (10 * concentration + 1))
    squares = (counts / 1250 - 0.1) ** 2
    for k in range(10):
        assert_mean(counts[:, k] / 1250, 0.1, math.sqrt(variance))
        assert_mean(squares[:, k], variance, float(squares[:, k].std()))


def test_one_argument_leaves_the_other_draws() -> None:
    base, other = paper(1).devices, paper(1, energy_coefficient=5e-27, concentration=0.6, rayleigh=True).devices
    assert (other.energy_coefficient == 5e-27).all()
    assert (other.max_power == base.max_power).all()
    assert (other.max_frequency == base.max_frequency).all()
    ratio = other.channel_gain / base.channel_gain
    assert ratio.max() > 1 > ratio.min()


@pytest.mark.parametrize("options", [{}, {"shadowing_db": 8.0, "rayleigh": True}])
def test_larger_fleet_starts_with_the_smaller_one(options: dict[str, Any]) -> None:
    small, large = paper(2, devices=5, **options).devices, paper(2, devices=50, **options).devices
    for name in QUANTITIES:
        assert (getattr(large, name)[:5] == getattr(small, name)).all(), name


def test_shadowing_and_fading_have_their_distributions() -> None:
    base = paper(4, devices=MANY, classes=0).devices.channel_gain
    decibels = 10 * np.log10(paper(4, devices=MANY, classes=0, shadowing_db=6.0).devices.channel_gain / base)
    assert_mean(decibels, 0.0, 6.0)
    assert_mean(decibels**2, 36.0, 36.0 * math.sqrt(2))
    fading = paper(4, devices=MANY, classes=0, rayleigh=True).devices.channel_gain / base
    assert_mean(fading, 1.0, 1.0)
    assert_mean(fading**2, 2.0, math.sqrt(20))


def test_arithmetic_sequences_of_figure_5b() -> None:
    spread = paper(devices=5, energy_coefficient=Arithmetic(4e-27, 6e-27), distance=Arithmetic(400.0, 200.0)).devices
    assert spread.energy_coefficient == pytest.approx([4e-27, 4.5e-27, 5e-27, 5.5e-27, 6e-27], rel=ROUNDING)
    assert metres(spread) == pytest.approx([400, 350, 300, 250, 200], rel=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"energy_coefficient": Arithmetic(4e-27, 6e-27), "distance": 200.0},
        {"energy_coefficient": 5e-27, "distance": Arithmetic(100.0, 400.0)},
    ],
)
def test_cheaper_and_nearer_devices_get_more_synthetic_data(options: dict[str, Any]) -> None:
    plan = fo.solve(*paper(max_power_dbm=23.0, max_frequency=2e9, **options))
    assert (np.diff(plan.synthetic_samples) < 0).all()


def test_drawn_samples_are_whole_and_given_ones_are_kept() -> None:
    drawn = paper(local_samples=Uniform(100, 200)).devices.local_samples
    assert (drawn == np.rint(drawn)).all()
    assert np.unique(drawn).size > 1
    assert paper(devices=2, local_samples=[10.5, 20.0], classes=0).devices.local_samples.tolist() == [10.5, 20.0]


def test_classes_can_be_left_out() -> None:
    assert paper(classes=0).devices.class_counts is None


def test_mixed_fleet_is_named_and_can_be_planned() -> None:
    scenario = mixed(0, phones=2, boards=1, microcontrollers=1)
    assert scenario.devices.ids == ("phone-1", "phone-2", "board-1", "microcontroller-1")
    assert fo.solve(*scenario).status is fo.Status.OPTIMAL
    assert len(mixed(phones=0, boards=2, microcontrollers=0).devices) == 2


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [  # watts of one busy core, as the comments beside the classes cite them
        (scenarios.PHONE, 0.5, 2.5),
        (scenarios.BOARD, 0.7, 0.93),
        (scenarios.MICROCONTROLLER, 0.32, 0.5),
    ],
)
def test_device_classes_burn_the_measured_power(kind: scenarios.DeviceClass, least: float, most: float) -> None:
    devices = scenarios.draw_fleet(0, [(kind, 200)], Cell(), classes=0, concentration=0.4)
    watts = devices.energy_coefficient * devices.max_frequency**3
    assert least <= watts.min() <= watts.max() <= most


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": -1}, "seed must be a whole number, at least 0, got -1"),
        ({"seed": 1.5}, "seed must be a whole number, at least 0, got 1.5"),
        ({"devices": 0}, "devices must be at least 1, got 0"),
        ({"devices": True}, "devices must be a whole number, at least 0, got True"),
        ({"radius": 5.0}, "least_distance must be positive and below radius, and that at most 1e+09 m; got 10 and 5"),
        ({"radius": math.nan}, "radius must be finite, got nan"),
        ({"radius": "far"}, "radius must be a real number, got 'far'"),
        ({"least_distance": 0.0}, "least_distance must be positive and below radius"),
        ({"distance": -1.0}, "distance must be positive, at most 1e+09 m, got -1"),
        ({"distance": math.nan}, "distance must be positive, at most 1e+09 m, got nan"),
        ({"distance": [1.0, 2.0]}, "distance must be one number or 20, one per device; got shape (2,)"),
        ({"shadowing_db": -1.0}, "shadowing_db must be at least 0, got -1"),
        ({"shadowing_db": math.inf}, "shadowing_db must be finite, got inf"),
        ({"path_loss_db": (math.nan, 0.0)}, "path_loss_db must be finite, got nan"),
        ({"path_loss_db": (128.1,)}, "path_loss_db must be the loss at 1 km and per decade, got (128.1,)"),
        ({"path_loss_db": (1e6, 0.0)}, "path_loss_db with shadowing must give between -1000 and 1000 dB, got -1e+06"),
        ({"max_power_dbm": 1e9}, "max_power_dbm must give between -1000 and 1000 dB, got 1e+09"),
        ({"noise_density_dbm": math.inf}, "noise_density_dbm must be finite, got inf"),
        ({"energy_coefficient": "low"}, "energy_coefficient must be real numbers"),
        ({"energy_coefficient": -1.0}, "energy_coefficient of device 0 must be positive, got -1"),
        ({"local_samples": 10.5}, "local_samples must be whole, positive and below 2^53 to be split over classes"),
        ({"local_samples": 1e17}, "below 2^53 to be split over classes, got 1e+17"),
        ({"local_samples": -3}, "to be split over classes, got -3"),
        ({"local_samples": math.nan}, "to be split over classes, got nan"),
        ({"classes": -1}, "classes must be a whole number, at least 0, got -1"),
        ({"concentration": 0.0}, "concentration must be between 0.001 and 1e+06, got 0"),
        ({"bandwidth": -1.0}, "bandwidth must be positive, got -1"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(fo.InvalidInputError) as caught:
        paper(**options)
    assert words in str(caught.value)


@pytest.mark.parametrize("concentration", [1e-3, 1e6])
def test_extreme_mixes_are_counts(concentration: float) -> None:
    counts = paper(devices=500, concentration=concentration).devices.class_counts
    assert counts is not None
    assert (counts.sum(axis=1) == 1250).all()


@pytest.mark.parametrize("rule", [Uniform, Arithmetic])
@pytest.mark.parametrize("ends", [(math.nan, 1.0), (0.0, math.inf)])
def test_rules_need_finite_ends(rule: type[Uniform] | type[Arithmetic], ends: tuple[float, float]) -> None:
    with pytest.raises(fo.InvalidInputError, match="finite"):
        rule(*ends)


def test_uniform_needs_its_ends_in_order() -> None:
    with pytest.raises(fo.InvalidInputError, match="low <= high, got 2 and 1"):
        Uniform(2, 1)
