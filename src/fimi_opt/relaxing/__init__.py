"""What to change where no plan exists: the least of several limits together."""

from fimi_opt.relaxing.suggesting import DEFAULT_WEIGHTS, Change, Relaxation, suggest_relaxation

__all__ = ["DEFAULT_WEIGHTS", "Change", "Relaxation", "suggest_relaxation"]
