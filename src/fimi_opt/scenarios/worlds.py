"""The paper's world, and one that differs from it."""

from typing import NamedTuple

from numpy.typing import ArrayLike

from fimi_opt.errors import InvalidInputError
from fimi_opt.scenarios.drawing import NOISE_PER_HZ_DBM, Cell, DeviceClass, Spread, Uniform, draw_fleet
from fimi_opt.tasks import PAPER_TASK, PAPER_UPDATE_BITS
from fimi_opt.types import Constraints, Devices, LearningCurve, Task

# V-A prints -174 dBm/MHz. That figure is thermal noise per hertz (docs errata, V-A); as printed it is 60 dB less.
NOISE_AS_PRINTED_DBM = NOISE_PER_HZ_DBM - 60.0
# V-A prints 111.7 Mb, as decimal megabits; Table I implies 117.0 Mbit (docs errata, V-A).
UPDATE_BITS_DECIMAL = 111.7e6

# The paper does not give D_max: 2000 is ours, and its default fleet needs less.
PAPER_LIMITS = Constraints(max_global_error=0.2, rounds=200, max_latency=60.0, bandwidth=20e6, max_synthetic=2000.0)

# V-A's path loss is that of 3GPP TR 36.814, annex A.2.1.1, at 2 GHz; its shadowing has 8 dB.
SHADOWED_CELL = Cell(shadowing_db=8.0)

PAPER_DEVICE = DeviceClass("device", Uniform(1e9, 2e9), Uniform(4e-27, 6e-27), Uniform(20.0, 23.0), 1250)

# eps = (power of one busy core) / f^3 at the frequency where it was measured. Below that frequency the cube law of
# FIMI (5) is the model's, not a measurement: real chips save less, as part of their power does not fall with f. The
# numbers of samples are ours.

# AnandTech's review of the Kirin 960 (2017), "System Active Power: CPU Load": one more big core of Kirin 950, 955, 960
# and Exynos 7420 takes 0.744, 1.100, 1.033 and 1.350 W at 2.304, 2.516, 2.362 and 2.1 GHz. LTE power class 3: 23 dBm.
PHONE = DeviceClass("phone", Uniform(2.1e9, 2.5e9), Uniform(6.1e-29, 1.46e-28), 23.0, Uniform(800, 1600))

# Raspberry Pi 4 B, 1.5 GHz, four busy cores less idle: 3.7 W (Raspberry Pi Dramble: 6.4 and 2.7 W) or 2.8 W
# (chipwired.com, "How much power a Raspberry Pi uses": 5.1 and 2.3 W). LTE modem of power class 3: 23 dBm.
BOARD = DeviceClass("board", 1.5e9, Uniform(2.1e-28, 2.7e-28), 23.0, Uniform(1000, 2000))

# Teensy 4.0 (Cortex-M7, 600 MHz): about 100 mA (PJRC's product page), which is 0.33 W at 3.3 V and 0.5 W at 5 V. Radio
# of 3GPP TS 36.101 power class 5, 20 dBm.
MICROCONTROLLER = DeviceClass("microcontroller", 6e8, Uniform(1.5e-27, 2.3e-27), 20.0, Uniform(100, 300))


class Scenario(NamedTuple):
    """All that `solve` takes: ``fimi_opt.solve(*scenario)``.

    Attributes
    ----------
    devices, constraints, task
        The fleet, its limits, and what is trained.
    """

    devices: Devices
    constraints: Constraints
    task: Task


def paper(
    seed: int = 0,
    *,
    devices: int = 20,
    radius: float = 400.0,
    least_distance: float = 10.0,
    distance: Spread | None = None,
    path_loss_db: tuple[float, float] = (128.1, 37.6),
    shadowing_db: float = 0.0,
    rayleigh: bool = False,
    noise_density_dbm: float = NOISE_PER_HZ_DBM,
    max_power_dbm: Spread = PAPER_DEVICE.max_power_dbm,
    max_frequency: Spread = PAPER_DEVICE.max_frequency,
    energy_coefficient: Spread = PAPER_DEVICE.energy_coefficient,
    local_samples: Spread = PAPER_DEVICE.local_samples,
    classes: int = 10,
    concentration: float = 0.4,
    learning: LearningCurve = PAPER_TASK.learning,
    cycles_per_sample: float = PAPER_TASK.cycles_per_sample,
    local_epochs: float = PAPER_TASK.local_epochs,
    update_bits: float = PAPER_UPDATE_BITS,
    max_global_error: float = PAPER_LIMITS.max_global_error,
    rounds: float = PAPER_LIMITS.rounds,
    max_latency: float = PAPER_LIMITS.max_latency,
    bandwidth: float = PAPER_LIMITS.bandwidth,
    max_synthetic: ArrayLike = PAPER_LIMITS.max_synthetic,
) -> Scenario:
    """Fleet, limits and task of the paper's section V-A, every parameter of which can be changed.

    A :data:`Spread` is a rule (:class:`Uniform`, :class:`Arithmetic`) or given, as one number for all or as (I,).

    Parameters
    ----------
    seed
        Chooses the drop, an integer >= 0; the same seed gives the same fleet.
    devices
        I, how many.
    radius, least_distance
        Metres: devices lie uniformly in the disc of `radius`, but not nearer than `least_distance`, which the paper
        does not give: 10 m is ours.
    distance
        Metres, a spread; None draws positions in the disc.
    path_loss_db
        Loss in dB at 1 km, and by how much it grows per tenfold distance.
    shadowing_db
        Standard deviation of log-normal shadowing, dB, >= 0; the paper has none.
    rayleigh
        Whether one draw of Rayleigh fading multiplies each gain; the paper has none.
    noise_density_dbm
        dBm/Hz; :data:`NOISE_AS_PRINTED_DBM` is the paper's "-174 dBm/MHz" taken at its word.
    max_power_dbm, max_frequency, energy_coefficient, local_samples
        dBm, Hz, J s^2 / cycle^3 and samples, spreads; drawn samples are rounded to whole ones.
    classes, concentration
        Classes C, and the parameter of the Dirichlet distribution of each device's class mix, > 0: each device has a
        mix of its own and a fixed number of samples. The paper uses 0.4 and 0.6. With ``classes=0`` classes are not
        planned.
    learning, cycles_per_sample, local_epochs, update_bits
        The task; :data:`UPDATE_BITS_DECIMAL` is the other reading of "111.7 Mb".
    max_global_error, rounds, max_latency, bandwidth, max_synthetic
        The limits, as for :class:`fimi_opt.Constraints`. The paper does not give D_max: 2000 is ours, and the default
        fleet stays below it.

    Returns
    -------
    Scenario
        Devices, constraints and task.

    Raises
    ------
    ValueError
        If an argument is outside its range; it names the argument and the value.

    Examples
    --------
    >>> paper(seed=1).devices
    Devices(20 devices, 10 classes)
    >>> from fimi_opt.scenarios import Arithmetic
    >>> int(paper(devices=5, distance=Arithmetic(100.0, 300.0)).devices.channel_gain.argmax())
    0
    """
    kind = DeviceClass("device", max_frequency, energy_coefficient, max_power_dbm, local_samples)
    cell = Cell(radius, least_distance, distance, path_loss_db, shadowing_db, rayleigh, noise_density_dbm)
    fleet = draw_fleet(seed, [(kind, devices)], cell, classes=classes, concentration=concentration, named=False)
    limits = Constraints(max_global_error, rounds, max_latency, bandwidth, max_synthetic)
    return Scenario(fleet, limits, Task(learning, cycles_per_sample, local_epochs, update_bits))


def mixed(
    seed: int = 0,
    *,
    phones: int = 10,
    boards: int = 6,
    microcontrollers: int = 4,
    cell: Cell = SHADOWED_CELL,
    classes: int = 10,
    concentration: float = 0.4,
    constraints: Constraints = PAPER_LIMITS,
    task: Task = PAPER_TASK,
) -> Scenario:
    """Phones, single-board computers and microcontrollers in one shadowed cell; their numbers are measured ones.

    Parameters
    ----------
    seed
        Chooses the drop, an integer >= 0.
    phones, boards, microcontrollers
        How many of :data:`PHONE`, :data:`BOARD` and :data:`MICROCONTROLLER`; the sources stand with them.
    cell
        By default the paper's, with 8 dB of log-normal shadowing.
    classes, concentration
        As for :func:`paper`.
    constraints
        The limits; by default the paper's.
    task
        What is trained. The paper's VGG-9 is too large for a microcontroller's memory: this is about energy and time.

    Returns
    -------
    Scenario
        Devices named after their class, constraints and task.

    Raises
    ------
    ValueError
        If an argument is outside its range; it names the argument and the value.

    Examples
    --------
    >>> mixed(phones=1, boards=1, microcontrollers=2).devices.ids
    ('phone-1', 'board-1', 'microcontroller-1', 'microcontroller-2')
    """
    groups = [(PHONE, phones), (BOARD, boards), (MICROCONTROLLER, microcontrollers)]
    if not isinstance(cell, Cell):
        raise InvalidInputError(f"cell must be a fimi_opt.scenarios.Cell, got {type(cell).__name__}")
    fleet = draw_fleet(seed, groups, cell, classes=classes, concentration=concentration)
    return Scenario(fleet, constraints, task)
