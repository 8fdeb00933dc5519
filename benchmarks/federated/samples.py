"""A picture of what the generators make, as the paper's Fig. 5(d)."""

import numpy as np
from matplotlib.figure import Figure

from .campaign import Found
from .digits import CLASSES, split
from .kinds import generator

_SIDE = 8


def draw_samples(found: Found, figure: Figure) -> None:
    """Two images of each class: public ones, and what each generator of the first seed makes."""
    public = split(0).public
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 2)
    rows = {"public": public.images[[np.flatnonzero(public.labels == k)[j] for k in range(CLASSES) for j in (0, 1)]]}
    for kind in found.mixed:
        rows[kind] = generator(kind, public, 0).make(labels, rng)
    panels = figure.subplots(len(rows), 1)
    for axes, (name, images) in zip(panels, rows.items(), strict=True):
        strip = np.concatenate([np.pad(image.reshape(_SIDE, _SIDE), 1) for image in images], axis=1)
        axes.imshow(strip, cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[], ylabel=name)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.yaxis.label.set(rotation=0, ha="right", va="center")
