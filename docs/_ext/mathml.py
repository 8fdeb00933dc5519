"""Formulas as MathML, which browsers draw themselves: no script, no font and no network when a page is read.

The converter is docutils' own. A command that it does not know is an error of the build.
"""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

# TeX's thin spaces around the names of functions, which MathML does not make by itself: b ln x, but ln(x).
_BEFORE = re.compile(r"(?<=[\w})])\s*(\\(?:ln|log|exp)(?![A-Za-z]))")
_AFTER = re.compile(r"(\\(?:ln|log)(?![A-Za-z])(?:_\w)?)\s*(?=[A-Za-z0-9]|\\(?!bigl|Bigl|left|,))")

# docutils' bar over a letter is a macron, which runs through tall ones such as delta: an overline stands above them.
_MACRON = re.compile('<mover accent="true">(\\s*<mi>[^<]*</mi>\\s*<mo[^>]*>)\u02c9')


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_display, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _visit_inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_convert(node, as_block=False))
    raise nodes.SkipNode


def _visit_display(translator: Any, node: nodes.math_block) -> None:
    """Put the formula into a block that scrolls sideways where the window is narrow, its number beside it."""
    names = " ".join(f'id="{name}"' for name in node.get("ids", [])[:1])
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    translator.body.append(f'<div class="math" {names}>{number}{_convert(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def _convert(node: nodes.Element, *, as_block: bool) -> str:
    try:
        return convert(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning("cannot draw %r: %s", node.astext(), error, location=node)
        return ""


def convert(formula: str, *, as_block: bool) -> str:
    """MathML of a formula in TeX."""
    spaced = _AFTER.sub(r"\1\\,", _BEFORE.sub(r"\\,\1", formula))
    return _MACRON.sub("<mover>\\1\u203e", str(tex2mathml(spaced, as_block=as_block)))
