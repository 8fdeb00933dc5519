"""Plans in whole samples, certified against the continuous bound."""

from fimi_opt.rounding.plans import rounded

__all__ = ["rounded"]
