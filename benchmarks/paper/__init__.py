"""The paper's table and figures again, each beside the certified optimum: ``python -m benchmarks.paper``."""
