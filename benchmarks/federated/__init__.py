"""From plan to training on real data, S1 to S4 of the paper: ``python -m benchmarks.federated``."""

import sys
from pathlib import Path

# Rows, means and progress are those of the paper's page: a folder beside this one, not a package.
sys.path.append(str(Path(__file__).parents[1]))
