"""Which tests stand for which module: those that are quick without JIT; `-x` ends a run at the first that fails."""

# Imported once, before any process is forked.
PREPARED = ("casadi", "clarabel", "hypothesis", "mpmath", "numba", "pytest", "scipy.optimize", "scipy.special")

_COMMON = (
    "-x",
    "-q",
    "-m",
    "not slow",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:cov",
    "--assert=plain",
    "--hypothesis-profile=few",
)
_SOLVE = "tests/test_solve.py"
_SPLIT = (f"{_SOLVE}::test_degenerate_fleets", f"{_SOLVE}::test_time_splits_that_are_a_single_point")
_PLANS = (
    *_SPLIT,
    f"{_SOLVE}::test_frequency_branch",
    f"{_SOLVE}::test_power_branch",
    f"{_SOLVE}::test_frequency_and_data_cap_at_once",
)
_MODELS = ("tests/test_small_gaps.py", "tests/test_models.py")
_CERTIFICATE = ("tests/test_small_gaps.py", "tests/test_certificate.py", *_PLANS)
_DEVICE = ("tests/test_thorough.py", "tests/test_kernels.py", *_PLANS)
_LANES = ("tests/test_small_blocks.py", "tests/test_lanes.py", "tests/test_warm_start.py", *_PLANS)
_CRITICAL = "tests/test_feasibility.py::test_critical_values"
_FEASIBILITY = (
    "tests/test_feasibility.py",
    "--deselect",
    f"{_CRITICAL}[",
    "--deselect",
    f"{_CRITICAL}_of_random_fleets",
)

TESTS: dict[str, tuple[str, ...]] = {
    "models._domain": _MODELS,
    "models.compute": _MODELS,
    "models.learning": _MODELS,
    "models.radio": _MODELS,
    "models.rounds": _MODELS,
    "certificate.limits": _CERTIFICATE,
    "certificate.bound": _CERTIFICATE,
    "certificate.extended": _CERTIFICATE,
    "certificate.planes": _CERTIFICATE,
    "certificate.lanes": _CERTIFICATE,
    "solve": (_SOLVE, "tests/test_warm_start.py"),
    "solvers.instance": (*_PLANS, f"{_SOLVE}::test_bad_input"),
    "solvers.data_amounts": ("tests/test_small_gaps.py", "tests/test_kernels.py"),
    "solvers.bandwidth": ("tests/test_small_gaps.py", "tests/test_kernels.py"),
    "solvers.smooth": _LANES,
    "solvers.joint": _DEVICE,
    "solvers.large": ("tests/test_small_blocks.py",),
    "solvers.cross_entropy": ("tests/test_cross_entropy.py",),
    "_kernels.exponential": ("tests/test_kernels.py",),
    "_kernels.subproblems": ("tests/test_kernels.py",),
    "_kernels.search": ("tests/test_search.py", *_DEVICE),
    "_kernels.device": _DEVICE,
    "_kernels.fleet": _DEVICE,
    "_kernels.joint": _DEVICE,
    "_kernels.lanes": _LANES,
    "_kernels.settling": _LANES,
    "_kernels.smooth": _LANES,
    "_kernels.feasibility": _FEASIBILITY,
    "feasibility.critical": _FEASIBILITY,
    "feasibility.diagnosis": _FEASIBILITY,
    "feasibility.roots": _FEASIBILITY,
    "feasibility.wording": _FEASIBILITY,
}


def tests_of(module: str) -> list[str]:
    """Arguments of pytest for a module: its tests, after the examples of its docstrings."""
    return [*_COMMON, f"src/fimi_opt/{module.replace('.', '/')}.py", *TESTS[module]]
