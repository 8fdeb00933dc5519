"""A plan as a JSON file, written whole or not at all."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from fimi_opt.plan import Plan


def write_plan(plan: Plan, path: str | os.PathLike[str], classes: Sequence[str] | None = None) -> None:
    """Write a plan as a JSON file; an existing file is replaced at once or, if anything fails, kept as it was.

    Parameters
    ----------
    plan
        Any plan.
    path
        Where to; what is not an ordinary file, as a pipe, is written to as it is.
    classes
        As for :meth:`fimi_opt.Plan.to_json`.

    Raises
    ------
    OSError
        If the file cannot be written, its folder takes no new files, or the file is write-protected.
    ValueError
        As :meth:`fimi_opt.Plan.to_json`.

    Examples
    --------
    >>> write_plan(plan, "plan.json")  # doctest: +SKIP
    """
    content = plan.to_json(classes).encode("utf-8")
    target = Path(os.path.realpath(path))  # the file that a link points to, not the link, is replaced
    if target.exists():
        with target.open("r+b" if target.is_file() else "wb") as stream:  # as open() would refuse, so is it refused
            if not target.is_file():
                stream.write(content)
                return
    draft = target.with_name(f".fimi-plan-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
