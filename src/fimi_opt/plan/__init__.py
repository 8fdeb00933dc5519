"""What fimi_opt answers with: a plan, how good it is, and what its limits cost; the same as a file."""

from fimi_opt.plan.answer import Plan
from fimi_opt.plan.terms import FIMI, ClassTable, Floats, Iteration, Prices, Scheme, Status

__all__ = ["FIMI", "ClassTable", "Floats", "Iteration", "Plan", "Prices", "Scheme", "Status"]
