"""Colours and marks of all pictures; drawing itself is the parts' own."""

from typing import TypeAlias

Line: TypeAlias = str | tuple[int, tuple[int, ...]]

# Okabe and Ito (2008), "Color Universal Design": told apart with any kind of colour blindness.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#666666"

# For curves of one panel, in this order; the line styles tell them apart without colour as well.
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE)
LINES: tuple[Line, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
