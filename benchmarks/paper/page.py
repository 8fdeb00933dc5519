"""The page of the documentation: a template, filled with what the rows say."""

from pathlib import Path
from string import Template

TEMPLATE = Template(Path(__file__).with_name("page.md").read_text(encoding="utf-8"))


def fill(texts: dict[str, str]) -> str:
    """Return the page.

    Raises
    ------
    ValueError
        If a text is missing, or one is not quoted; it names them.
    """
    wanted = set(TEMPLATE.get_identifiers())
    if wanted != set(texts):
        raise ValueError(
            f"page.md lacks {sorted(wanted - set(texts))} and does not quote {sorted(set(texts) - wanted)}"
        )
    return TEMPLATE.substitute(texts)
