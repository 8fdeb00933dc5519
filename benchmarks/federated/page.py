"""The pages of the documentation: templates, filled with what the rows say."""

from pathlib import Path
from string import Template


def fill(name: str, texts: dict[str, str]) -> str:
    """Return the page of this name; the template may leave texts out, but not ask for others.

    Raises
    ------
    KeyError
        If a text is missing.
    """
    template = Template(Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8"))
    return template.substitute(texts)
