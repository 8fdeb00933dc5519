"""The schemes that keep the synthetic data at the server: beside the devices' training (SST), or instead of it (CLSD).

The data is what FIMI would make: its amounts, and for each device its classes. The paper gives no other number.
"""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimi_opt._checks import first_device, to_array
from fimi_opt._lazy import lazy
from fimi_opt.baselines.classes import uniform
from fimi_opt.baselines.traditional import TRADITIONAL, traditional
from fimi_opt.errors import InfeasibleError, InvalidInputError
from fimi_opt.plan import FIMI, ClassTable, Plan, Scheme, Status
from fimi_opt.solve import solve
from fimi_opt.tasks import PAPER_TASK
from fimi_opt.types import MOST_SYNTHETIC, ArrayEquality, Constraints, Devices, Task, check_instance

Floats = NDArray[np.float64]

SERVER_SIDE = Scheme(
    name="SST",
    problem=TRADITIONAL.problem,
    samples="none on the devices; FIMI's synthetic data stays at the server, which adds an update of its own",
    meets_error_limit=False,
    allocate=uniform,
)
CENTRALIZED = Scheme(
    name="CLSD",
    problem="none: no device trains or uploads, and the server's energy and time are not counted",
    samples="FIMI's synthetic data, at the server, which trains on nothing else",
    meets_error_limit=False,
    allocate=uniform,
)


@dataclass(frozen=True, eq=False)
class ServerData(ArrayEquality):
    """Synthetic data that the server keeps and trains on.

    Attributes
    ----------
    amounts
        Samples that would have gone to each device, (I,).
    class_counts
        Local samples of each class, (I, C); None where classes are not planned.
    """

    amounts: Floats
    class_counts: Floats | None

    @property
    def samples(self) -> float:
        """How many there are in all."""
        return float(np.sum(self.amounts))

    @lazy
    def by_class(self) -> NDArray[np.float64] | NDArray[np.int64] | None:
        """Samples of each class, (C,): the sum of what FIMI gives the devices (P8); None without class_counts."""
        if self.class_counts is None:
            return None
        table: ClassTable = FIMI.allocate(self.class_counts, self.amounts)
        total = np.asarray(table.sum(axis=0))
        total.flags.writeable = False
        return total


@dataclass(frozen=True, eq=False, repr=False)
class ServerSidePlan(Plan):
    """A plan for the devices beside a server that trains too; the rest is as for :class:`fimi_opt.Plan`.

    `mean_error` and `global_error` are the devices' own: the paper's (2)-(4) have no place for the server's update.

    Attributes
    ----------
    server
        The data that the server trains on in every round.
    """

    server: ServerData = field(kw_only=True)

    @lazy
    def aggregation_weights(self) -> Floats:
        """FedAvg weights of the devices, (I,): D_loc over all samples, the server's included (FIMI S4)."""
        weights = self.samples / (np.sum(self.samples) + self.server.samples)
        weights.flags.writeable = False
        return np.asarray(weights)

    @property
    def server_weight(self) -> float:
        """FedAvg weight of the server's own update: with the devices' weights it sums to 1."""
        return self.server.samples / (float(np.sum(self.samples)) + self.server.samples)


@dataclass(frozen=True, eq=False)
class CentralizedPlan(ArrayEquality):
    """The server alone trains, on synthetic data alone: not a :class:`fimi_opt.Plan`, for no device has a decision.

    What both have in common has the same names, so that tables need not tell them apart.

    Attributes
    ----------
    server
        The data that the server trains on.
    devices, constraints, task
        What it answers.
    scheme
        Centralized learning with synthetic data.
    """

    server: ServerData
    devices: Devices
    constraints: Constraints
    task: Task
    scheme: Scheme = CENTRALIZED

    @property
    def energy(self) -> float:
        """Joules of the fleet for one round: none."""
        return 0.0

    @property
    def latency(self) -> float:
        """Seconds that a round waits for devices: none. "We do not account for" the server's (FIMI III-A)."""
        return 0.0

    @property
    def uplink_bits(self) -> float:
        """Bits that the fleet uploads in one round: none."""
        return 0.0

    @property
    def lower_bound(self) -> float:
        """Energy (J) that no plan goes below."""
        return 0.0

    @property
    def gap(self) -> float:
        """Certified relative gap: the least energy is none, and none is taken."""
        return 0.0

    @property
    def status(self) -> Status:
        """How good the plan is."""
        return Status.OPTIMAL

    @property
    def synthetic_samples(self) -> Floats:
        """Synthetic samples that the devices get, (I,): none."""
        return np.zeros(len(self.devices))

    @property
    def synthetic_by_class(self) -> ClassTable | None:
        """Synthetic samples of each class that the devices get, (I, C): none. None without class_counts."""
        counts = self.devices.class_counts
        return None if counts is None else np.zeros(counts.shape, np.int64)

    @property
    def aggregation_weights(self) -> Floats:
        """Weights of the devices' updates, (I,): there are none."""
        return np.zeros(len(self.devices))

    @property
    def server_weight(self) -> float:
        """Weight of the server's update."""
        return 1.0


def server_side(
    devices: Devices, constraints: Constraints, task: Task = PAPER_TASK, *, synthetic: ArrayLike | None = None
) -> ServerSidePlan:
    """Plan of server-side training (SST): the devices do as in TFL, the server adds an update from synthetic data.

    "SST preserves the synthetic data at the server, and conducts model training to generate a complementary update
    every round" (FIMI V-B). That update is aggregated by its samples as a device's is (S4), so that
    ``sum(aggregation_weights) + server_weight = 1``. It is made where it is used and adds nothing to the uplink.
    Energy, limits and lower bound are those of :func:`fimi_opt.baselines.traditional`.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`.
    synthetic
        Samples made on behalf of each device, (I,), >= 0; by default FIMI's amounts.

    Returns
    -------
    ServerSidePlan
        A plan, with the server's data and weight.

    Raises
    ------
    InfeasibleError
        If deadline and band leave no plan for the local data; or none for FIMI, of which the amounts are asked.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If the limits leave so little room that rounding closes it.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> plan = server_side(*paper(seed=0))
    >>> round(plan.energy, 2), round(plan.server_weight, 3)
    (19.45, 0.21)
    """
    plan = traditional(devices, constraints, task)
    parts = {part.name: getattr(plan, part.name) for part in fields(plan)} | {"scheme": SERVER_SIDE}
    return ServerSidePlan(**parts, server=_server_data(devices, constraints, task, synthetic))


def centralized(
    devices: Devices, constraints: Constraints, task: Task = PAPER_TASK, *, synthetic: ArrayLike | None = None
) -> CentralizedPlan:
    """Centralized learning with synthetic data (CLSD): the server trains on its synthetic data, no device takes part.

    Nothing is optimised: the devices' energy, time and uplink are 0, and the server's are not counted.

    Parameters
    ----------
    devices, constraints, task
        As for :func:`fimi_opt.solve`; they say how much data FIMI would make.
    synthetic
        Samples made on behalf of each device, (I,), >= 0; by default FIMI's amounts.

    Returns
    -------
    CentralizedPlan
        The server's data, and zeros.

    Raises
    ------
    InfeasibleError
        If there is no plan for FIMI, of which the amounts are asked.
    ValueError
        If an argument is not what it must be; it names the argument.
    NumericalError
        If the limits leave so little room that rounding closes it.

    Examples
    --------
    >>> from fimi_opt.scenarios import paper
    >>> plan = centralized(*paper(seed=0))
    >>> plan.energy, plan.uplink_bits, round(plan.server.samples)
    (0.0, 0.0, 6657)
    """
    check_instance(devices, constraints, task)
    return CentralizedPlan(_server_data(devices, constraints, task, synthetic), devices, constraints, task)


def _server_data(devices: Devices, constraints: Constraints, task: Task, synthetic: ArrayLike | None) -> ServerData:
    if synthetic is None:
        try:
            amounts = solve(devices, constraints, task).synthetic_samples
        except InfeasibleError as error:
            error.add_note("FIMI's amounts are asked for here: `synthetic` gives others.")
            raise
    else:
        amounts = to_array("synthetic", synthetic, (len(devices),))
        bad = ~((amounts >= 0) & (amounts <= MOST_SYNTHETIC))
        if bad.any():
            raise InvalidInputError(
                f"synthetic{first_device(bad)} must be in [0, {MOST_SYNTHETIC:g}], got {amounts[bad][0]:g}"
            )
    return ServerData(amounts, devices.class_counts)
