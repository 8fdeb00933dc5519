"""Packages that only an extra brings."""

import importlib.util


def require(package: str, extra: str) -> None:
    """Refuse to go on where a package of an extra is not installed.

    Parameters
    ----------
    package
        Name under which it is imported.
    extra
        Name of the extra of fimi-opt that brings it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; it gives the line that installs it.

    Examples
    --------
    >>> require("numpy", "flower")
    """
    if importlib.util.find_spec(package) is None:
        message = f"{package} is not installed; it comes with an extra: pip install 'fimi-opt[{extra}]'"
        raise ModuleNotFoundError(message, name=package)
