"""A plan from the JSON file that it was written to."""

from collections.abc import Iterable

from fimi_opt.plan import Plan, Scheme
from fimi_opt.reading.text import FilePath, located, read_text


def read_plan(path: FilePath, schemes: Iterable[Scheme] = ()) -> Plan:
    """Read a plan that :func:`fimi_opt.exporting.write_plan` wrote, equal to it bit for bit.

    Parameters
    ----------
    path
        The file, UTF-8.
    schemes
        As for :meth:`fimi_opt.Plan.from_json`.

    Returns
    -------
    Plan
        The plan.

    Raises
    ------
    ValueError
        As :meth:`fimi_opt.Plan.from_json`, with the file's name.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> read_plan("plan.json")  # doctest: +SKIP
    """
    text = read_text(path)
    with located(lambda message: f"{path}: {message}"):
        return Plan.from_json(text, schemes)
