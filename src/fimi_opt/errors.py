"""One tree of errors: whatever fimi_opt refuses, it refuses with one of these."""

from typing import Any, NamedTuple


class FimiError(Exception):
    """Base of every error that fimi_opt raises of its own accord."""


class InvalidInputError(FimiError, ValueError):
    """An argument that no problem can be made of: the message names it, the first offending device and the value."""


class DeviceNeed(NamedTuple):
    """What a device lacks that misses the deadline even alone: each of these would do, with local data only.

    Attributes
    ----------
    device
        Its index.
    latency
        Least deadline (s) that it meets with the whole band.
    max_frequency
        Least CPU frequency (Hz) with which it meets the deadline, the whole band its own; None where none does: its
        upload alone takes as long.
    max_power
        Least transmit power (W) with which it does; None where none does: its training alone takes as long.
    """

    device: int
    latency: float
    max_frequency: float | None
    max_power: float | None


class InfeasibleError(FimiError, ValueError):
    """No plan meets all limits; the message says why, and what would admit one.

    Attributes
    ----------
    min_bandwidth
        Least band B (Hz) that admits a plan, the other limits kept; None where no band does.
    min_latency
        Least round deadline T (s) that admits a plan, the other limits kept; None where no deadline does.
    min_global_error
        Least Delta_max that admits a plan, the other limits kept; None where none below 1 does.
    min_rounds
        Least number of rounds N that admits a plan, the other limits kept; None where no number does.
    min_synthetic
        Least D_max (samples) that admits a plan, the other limits kept: every device must be allowed to add so many at
        least. None where no amount does.
    devices
        Indices of the devices that are infeasible whatever the others do: with the whole band and no synthetic data
        they miss the deadline.
    needs
        What each of these devices lacks, in the same order.
    reasons
        Why there is no plan, in a word each: "devices" (those above), "curve" (the error limit lies below what any
        amount of data reaches), "data" (below what D_max reaches), "time" (below what the deadline leaves time to train
        on, whatever the band), "band" (the band is too narrow). Empty where the error is about a part of the problem.
    """

    def __init__(
        self,
        message: str,
        *,
        min_bandwidth: float | None = None,
        min_latency: float | None = None,
        min_global_error: float | None = None,
        min_rounds: float | None = None,
        min_synthetic: float | None = None,
        devices: tuple[int, ...] = (),
        needs: tuple[DeviceNeed, ...] = (),
        reasons: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.min_bandwidth = min_bandwidth
        self.min_latency = min_latency
        self.min_global_error = min_global_error
        self.min_rounds = min_rounds
        self.min_synthetic = min_synthetic
        self.devices = devices
        self.needs = needs
        self.reasons = reasons

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the keyword-only fields, which Exception's own pickling would drop, and with what was added."""
        added = {name: value for name, value in vars(self).items() if name not in _CRITICAL}
        return (_restore, (str(self), self._critical()), added or None)

    def __eq__(self, other: object) -> bool:
        """Whether the other error says the same."""
        if not isinstance(other, InfeasibleError):
            return NotImplemented
        return str(self) == str(other) and self._critical() == other._critical()

    def __hash__(self) -> int:
        """Hash of the message, which equal errors share."""
        return hash(str(self))

    def _critical(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _CRITICAL}


_CRITICAL = (
    "min_bandwidth",
    "min_latency",
    "min_global_error",
    "min_rounds",
    "min_synthetic",
    "devices",
    "needs",
    "reasons",
)


def _restore(message: str, critical: dict[str, Any]) -> InfeasibleError:
    return InfeasibleError(message, **critical)


class NumericalError(FimiError, ArithmeticError):
    """The search ended without a plan that passes its own check; the message says what it had and what to try."""


class ImplausibleInputWarning(UserWarning):
    """An argument that is possible but looks like a wrong unit."""
