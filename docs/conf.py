"""Sphinx configuration of the documentation: `make docs` builds it with every warning an error."""

import sys
from pathlib import Path

import fimi_opt

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "fimi_opt"
author = "The fimi_opt developers"
copyright = "2026, The fimi_opt developers"
version = release = fimi_opt.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_copybutton",
    "mathml",
    "offline",
    "readable",
    "root_pages",
]
exclude_patterns = ["_ext"]
nitpicky = True
# There is no network in a build, so names of other projects have no page to point to.
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|np|collections|typing|os|enum|pathlib|dataclasses|matplotlib|pandas|pd|flwr|nvflare)\..*"),
    # Letters that stand for types in annotations; each signature says what they are.
    (r"py:.*", r"(ArrayLike|NDArray|array|ndarray|Callable|Iterable|Sequence|Mapping|Path|Generator|PathLike|Any)"),
]

myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "dollarmath", "substitution"]
myst_substitutions = {"version": version}
myst_heading_anchors = 3
# Pages that hold code cells are run anew in every build, and a cell that fails ends it.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "no-value": True}
add_module_names = False
python_use_unqualified_type_names = True
python_display_short_literal_types = True
maximum_signature_line_length = 80
numpydoc_show_class_members = False  # autodoc lists them
# What the adapters stand on is not installed for the documentation.
autodoc_mock_imports = ["flwr", "nvflare"]

html_theme = "furo"
html_title = "fimi_opt"
html_static_path = ["_static"]
html_css_files = ["fimi.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"  # prompts and their answers stay behind
pygments_style = "friendly"
