"""How the schemes look in every picture: colours that are told apart with any colour blindness, and line styles."""

from typing import NamedTuple

from paper import style
from paper.style import Line

from .settings import SETTINGS


class Look(NamedTuple):
    """Colour, line and width of a scheme's curve."""

    colour: str
    line: Line
    width: float = 1.5


# Of Fig. 4, and the control that is nearest to it.
CURVES = {
    "TFL": Look(style.BLACK, "-"),
    "TFL, equal steps": Look(style.BLACK, "--"),
    "SEMI": Look(style.SKY, "-."),
    "HDC": Look(style.ORANGE, "-"),
    "SST": Look(style.GREEN, "--"),
    "GAN": Look(style.PURPLE, "-."),
    "FIMI": Look(style.BLUE, "-", 2.6),
}
# Where no device trains there is nothing to draw accuracies against: a level.
LEVELS = {"CLSD": Look(style.VERMILLION, ":"), "public alone": Look(style.GREY, (0, (5, 1, 1, 1)))}


def titles(setting: str) -> str:
    """Return what stands above a setting's panel."""
    shape = SETTINGS[setting]
    return f"{setting}: Dir({shape.concentration:g}), {shape.devices} devices of {shape.local} + {shape.added} samples"
