"""Check an answer from the instance alone: how far a plan misses its limits, and how low any plan's energy can be.

Nothing here is shared with the solvers or their kernels, so that checker and solver cannot share a bug.
"""

from fimi_opt.certificate.bound import Judgement, judge, lower_bound
from fimi_opt.certificate.extended import tightened
from fimi_opt.certificate.limits import Violations, verify
from fimi_opt.certificate.planes import Split

__all__ = ["Judgement", "Split", "Violations", "judge", "lower_bound", "tightened", "verify"]
