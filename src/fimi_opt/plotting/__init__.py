"""Pictures of a plan, drawn with matplotlib (extra `plot`): the fleet, its classes, the search.

Every function draws on the axes that it is given, or on those of a new figure, and returns them. No pyplot: nothing is
shown by itself, nothing stays in memory behind the caller's back, and no display is needed. ``axes.figure`` is what
``savefig`` and notebooks want.
"""

from fimi_opt._extras import require

require("matplotlib", "plot")

from fimi_opt.plotting.classes import class_counts  # noqa: E402 (matplotlib's absence is named first)
from fimi_opt.plotting.fleet import bandwidth_shares, energy, samples, time_split  # noqa: E402
from fimi_opt.plotting.overview import overview  # noqa: E402
from fimi_opt.plotting.search import convergence  # noqa: E402

__all__ = ["bandwidth_shares", "class_counts", "convergence", "energy", "overview", "samples", "time_split"]
