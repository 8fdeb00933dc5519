"""Whether any plan exists, and what would admit one: the least band, deadline, error, rounds and synthetic data.

P1 is feasible exactly when the least total bandwidth that meets the learning limit fits the band. That problem is
convex as well and splits per device at one price lambda (Hz per unit of error); tracing lambda gives the least
bandwidth for an error limit and the least error for a band, and a root search around it the least deadline.
"""

from fimi_opt.feasibility.critical import least_bandwidth_for
from fimi_opt.feasibility.diagnosis import check, diagnose

__all__ = ["check", "diagnose", "least_bandwidth_for"]
