"""A plan as a data frame of pandas, which only the extra `frame` brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fimi_opt._extras import require
from fimi_opt.errors import InvalidInputError
from fimi_opt.plan.document import class_names

if TYPE_CHECKING:
    import pandas as pd

    from fimi_opt.plan.answer import Plan

# Columns by the names of Plan: the decision, then what follows from it.
UNITS = {
    "synthetic_samples": "samples",
    "frequency": "Hz",
    "bandwidth": "Hz",
    "power": "W",
    "samples": "samples, local and synthetic",
    "rate": "bit/s",
    "compute_time": "s",
    "upload_time": "s",
    "compute_energy": "J per round",
    "upload_energy": "J per round",
    "aggregation_weights": "share of the fleet's samples",
}


def to_frame(plan: Plan, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Plan as a pandas data frame of one row per device, indexed by id; needs the extra `frame`.

    Parameters
    ----------
    plan
        Any plan.
    classes
        Names of the classes, (C,), unique; by default "0", "1", ...

    Returns
    -------
    pandas.DataFrame
        Columns as the attributes of :class:`fimi_opt.Plan`, from `synthetic_samples` to `aggregation_weights`, then
        ``synthetic_by_class_<name>`` where the devices have class counts; their units in ``attrs["units"]``.

    Raises
    ------
    ModuleNotFoundError
        If pandas is not installed; it gives the line that installs it.
    ValueError
        If there are not as many names as classes, or two are the same.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> list(plan.to_frame())[:4]
    ['synthetic_samples', 'frequency', 'bandwidth', 'power']
    """
    require("pandas", "frame")
    import pandas as pd

    columns = {name: getattr(plan, name) for name in UNITS}
    units = dict(UNITS)
    names = class_names(plan, classes)
    table = plan.synthetic_by_class
    if table is not None:
        repeated = [name for name, times in Counter(names).items() if times > 1]
        if repeated:
            raise InvalidInputError(
                f"classes must be unique to name columns, but {repeated[0]!r} stands more than once"
            )
        labels = [f"synthetic_by_class_{name}" for name in names]
        columns |= dict(zip(labels, table.T, strict=True))
        units |= dict.fromkeys(labels, "samples")
    ids = plan.devices.ids
    # An id may be a tuple, which is one name and not the levels of several.
    index = pd.RangeIndex(len(ids)) if isinstance(ids, range) else pd.Index(list(ids), tupleize_cols=False)
    frame = pd.DataFrame(columns, index=index.rename("device"))
    frame.attrs["units"] = units
    return frame
