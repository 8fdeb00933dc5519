"""Signatures as the source writes them: an alias of NumPy's types by its name, not by all that it stands for."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import _MockObject
from sphinx.util.typing import stringify_annotation

_MODES = ("smart", "fully-qualified-except-typing")
_SHORT = {
    stringify_annotation(kind, mode): name
    for mode in _MODES
    for kind, name in (
        (ArrayLike, "ArrayLike"),
        (NDArray[np.float64], "ndarray"),
        (NDArray[np.int64], "ndarray"),
        (NDArray[np.bool_], "ndarray"),
    )
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Follow autodoc's signatures and members."""
    # Packages that are not installed are imitated; without this, `Imitated | None` in an annotation would fail.
    _MockObject.__or__ = _MockObject.__ror__ = lambda self, other: self
    app.connect("autodoc-process-signature", _shorten)
    app.connect("autodoc-skip-member", _skip_fields)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _shorten(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    if isinstance(obj, type) and hasattr(obj, "scheme"):
        return "", None  # planners make plans, whose fields stand below
    return _replaced(signature), _replaced(returned)


def _replaced(text: str | None) -> str | None:
    for long, short in _SHORT.items() if text else ():
        text = (text or "").replace(long, short)
    return text


def _skip_fields(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the fields of NamedTuples, which the class's docstring explains."""
    return True if type(obj).__name__ == "_tuplegetter" else None
