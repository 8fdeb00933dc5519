"""A campaign of random instances from every corner: each ends in a verified plan or a confirmed refusal."""

import sys
from pathlib import Path

# Fleets and oracles are the tests' own, and stamps of code those of the paper's page: in folders, not in packages.
for _folder in ("tests", "benchmarks"):
    sys.path.append(str(Path(__file__).parents[2] / _folder))
