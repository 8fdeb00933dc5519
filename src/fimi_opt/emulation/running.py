"""emulate(): round after round of a plan on the virtual clock."""

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from fimi_opt._checks import RANGES, brief, real, whole
from fimi_opt.emulation.clock import Floats, Late, Planned, Round, gains, play
from fimi_opt.emulation.conditions import CALM, Conditions
from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.plan import FIMI, Plan, Status
from fimi_opt.solve import solve
from fimi_opt.types import Constraints, Devices, Task

Planner: TypeAlias = Callable[[Devices, Constraints, Task, Plan], Plan]
"""Plans a round: the devices with the round's channels, the limits, the task, and the last plan to start from."""

Member = TypeVar("Member", "Late", "Infeasible")

# The counter's words have 64 bits; no run gets there.
_MOST_ROUNDS = 2**53
# What a longer deadline is longer than the least that admits a plan: at the least itself, energies know no bound.
_EXTENSION = 0.01


class Infeasible(enum.Enum):
    """What to do where a round's channels admit no plan."""

    KEEP = "keep"
    """The devices go by the last plan there was."""
    EXTEND = "extend"
    """The round gets the least deadline that admits a plan, and 1 % more."""
    SKIP = "skip"
    """No device works; the round passes, as long as its deadline."""
    RAISE = "raise"
    """The error ends the run."""


class _Options(NamedTuple):
    conditions: Conditions
    seed: int
    deadline: float
    late: Late
    power_control: bool
    planner: Planner | None
    infeasible: Infeasible


def emulate(
    plan: Plan,
    rounds: int | None = None,
    conditions: Conditions = CALM,
    *,
    seed: int = 0,
    deadline: float | None = None,
    late: Late | str = Late.CUT,
    power_control: bool = False,
    replan: bool | Planner = False,
    infeasible: Infeasible | str = Infeasible.KEEP,
) -> Iterator[Round]:
    """Rounds of a plan as they go where channels fade, devices straggle and some drop out, one after another.

    Nothing is kept between rounds but the last plan, so that as many as wished can be looked at one by one.

    Parameters
    ----------
    plan
        What the devices go by, of any method or scheme. It stands for the mean channels (for the median, with
        shadowing).
    rounds
        How many; by default those of the plan's limits, rounded up.
    conditions
        What the plan does not know; by default nothing: then every round is the plan's own.
    seed
        A whole number >= 0: the same one gives the same rounds.
    deadline
        Seconds after which a device is late; by default the plan's own limit. A plan for a shorter one leaves devices
        room for a bad round.
    late
        "cut" or "wait", :class:`Late`.
    power_control
        Whether a device follows the channel with its transmit power, so that its rate stays as planned, as far as its
        own limit P_max lets it; else it sends at the planned power.
    replan
        Whether each round gets a plan for its own channels (stragglers and drop-outs are not known before): the exact
        method's, warm-started from the last one; or what makes it, a :data:`Planner`.
    infeasible
        What to do where there is none: "keep", "extend", "skip" or "raise", :class:`Infeasible`. Where the search for
        one fails (NumericalError), "extend" raises.

    Yields
    ------
    Round
        One after another.

    Raises
    ------
    ValueError
        If an argument is not what it must be, at once; if a channel leaves the range of :class:`fimi_opt.Devices`, when
        its round comes.
    InfeasibleError, NumericalError
        As `infeasible` says.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> from fimi_opt.emulation import Conditions, emulate
    >>> plan = fo.solve(fo.Devices([900.0, 800.0], 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> [int(r.arrived.sum()) for r in emulate(plan, 4, Conditions(drop_out=0.5))]
    [0, 2, 0, 0]
    """
    if not isinstance(plan, Plan):
        raise InvalidInputError(f"plan must be a fimi_opt.Plan, got {type(plan).__name__}")
    if not isinstance(conditions, Conditions):
        raise InvalidInputError(f"conditions must be Conditions, got {type(conditions).__name__}")
    for name, value in (("power_control", power_control), ("replan", replan)):
        if not isinstance(value, bool | np.bool_) and not (name == "replan" and callable(value)):
            raise InvalidInputError(f"{name} must be True or False, got {brief(value)}")
    count = math.ceil(plan.constraints.rounds) if rounds is None else whole("rounds", rounds, 1)
    if count > _MOST_ROUNDS:
        raise InvalidInputError(f"rounds must be at most {_MOST_ROUNDS}, got {count}")
    if replan is True and plan.scheme != FIMI:
        raise InvalidInputError(
            f"replan=True makes plans of FIMI's, this one is of {plan.scheme.name}: give its planner"
        )
    conditions.check(len(plan.devices), count)
    options = _Options(
        conditions,
        whole("seed", seed, 0),
        plan.constraints.max_latency if deadline is None else _deadline(deadline),
        _member("late", late, Late),
        bool(power_control),
        (_again if replan is True else replan) if replan else None,
        _member("infeasible", infeasible, Infeasible),
    )
    return _rounds(plan, count, options)


def _rounds(given: Plan, count: int, options: _Options) -> Iterator[Round]:
    plan, planned, deadline = given, Planned.ONCE, options.deadline
    for number in range(1, count + 1):
        draw = options.conditions.draw(options.seed, number, len(given.devices))
        gain = gains(number, given.devices.channel_gain, draw.gain_factor)
        if options.planner is not None:
            plan, planned = _plan_for(gain, given, plan, options.planner, options.infeasible)
            longer = planned is Planned.EXTENDED
            deadline = max(options.deadline, plan.constraints.max_latency) if longer else options.deadline
        yield play(number, plan, planned, gain, draw, deadline, options.late, options.power_control)


def _plan_for(gain: Floats, given: Plan, last: Plan, planner: Planner, infeasible: Infeasible) -> tuple[Plan, Planned]:
    """Plan of a round with these gains within the limits of the first plan, or what the policy puts in its place."""
    devices, limits = replace(given.devices, channel_gain=gain), given.constraints

    def ask(within: Constraints) -> Plan:
        made: object = planner(devices, within, given.task, last)
        if isinstance(made, Plan) and len(made.devices) == len(devices):
            return made
        raise InvalidInputError(f"replan must give a fimi_opt.Plan for {len(devices)} devices, got {brief(made)}")

    try:
        return ask(limits), Planned.AGAIN
    except (InfeasibleError, NumericalError) as error:
        if infeasible is Infeasible.KEEP:
            return last, Planned.KEPT
        if infeasible is Infeasible.SKIP:
            return last, Planned.SKIPPED
        least = getattr(error, "min_latency", None)
        if infeasible is Infeasible.RAISE or least is None:
            raise
    return ask(replace(limits, max_latency=(1 + _EXTENSION) * least)), Planned.EXTENDED


def _again(devices: Devices, constraints: Constraints, task: Task, last: Plan) -> Plan:
    return solve(devices, constraints, task, integer=last.status is Status.INTEGER, warm_start=last)


def _deadline(value: float) -> float:
    limits = RANGES["max_latency"]
    if not limits.least <= real("deadline", value) <= limits.greatest:
        raise InvalidInputError(f"deadline must be in [{limits.least:g}, {limits.greatest:g}] s, got {brief(value)}")
    return float(value)


def _member(name: str, value: object, kind: type[Member]) -> Member:
    try:
        return kind(value)
    except ValueError:
        words = ", ".join(repr(member.value) for member in kind)
        raise InvalidInputError(f"{name} must be one of {words}, got {brief(value)}") from None
