"""The check of what every planner takes, for those that look into it before they call solve()."""

from fimi_opt.errors import InvalidInputError
from fimi_opt.types import Constraints, Devices, Task


def check(devices: Devices, constraints: Constraints, task: Task) -> None:
    """Refuse arguments of the wrong type.

    Raises
    ------
    ValueError
        If one is; it names the argument.
    """
    for name, value, kind in (
        ("devices", devices, Devices),
        ("constraints", constraints, Constraints),
        ("task", task, Task),
    ):
        if not isinstance(value, kind):
            raise InvalidInputError(f"{name} must be a fimi_opt.{kind.__name__}, got {type(value).__name__}")
