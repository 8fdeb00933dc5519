"""Which tests stand for which module: those that are quick without JIT; `-x` ends a run at the first that fails."""

# Imported once, before any process is forked.
PREPARED = (
    "casadi",
    "clarabel",
    "cvxpy",
    "hypothesis",
    "hypothesis.extra.numpy",
    "mpmath",
    "numba",
    "pytest",
    "scipy.optimize",
    "scipy.special",
)

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
_SOLVE_CHECKS = f"{_SOLVE}::test_bad_input"
_SEARCH_SETTINGS = tuple(
    f"tests/test_cross_entropy.py::{name}"
    for name in (
        "test_bad_settings_are_named",
        "test_bad_keywords_are_named",
        "test_one_device_and_single_threaded_generator_state",
    )
)
_MODELS = ("tests/test_small_gaps.py", "tests/test_models.py")
_CERTIFICATE = ("tests/test_small_gaps.py", "tests/test_small_bounds.py", "tests/test_certificate.py", *_PLANS)
_SEARCHES = "tests/test_small_searches.py"
_WORK = "tests/test_small_work.py"
_DEVICE = ("tests/test_small_steps.py", _WORK, _SEARCHES, "tests/test_thorough.py", "tests/test_kernels.py", *_PLANS)
_LANES = ("tests/test_small_lanes.py", "tests/test_small_blocks.py", "tests/test_lanes.py", "tests/test_warm_start.py")
_SUBPROBLEMS = (_SEARCHES, _WORK, "tests/test_small_gaps.py", "tests/test_kernels.py", *_PLANS)
_REFUSALS = "tests/test_feasibility.py"
_FEASIBILITY = (
    "tests/test_small_frontiers.py",
    _WORK,
    "tests/test_small_refusals.py",
    "tests/test_small_large_refusals.py",
    f"{_REFUSALS}::test_devices_are_told_by_what_keeps_them",
    f"{_REFUSALS}::test_what_devices_need",
    f"{_REFUSALS}::test_the_reason_is_told",
    f"{_REFUSALS}::test_many_devices_are_summarised",
    f"{_REFUSALS}::test_message_contains_the_numbers",
    f"{_REFUSALS}::test_no_single_limit_helps",
    f"{_REFUSALS}::test_no_band_helps_a_device_that_is_too_slow",
    f"{_REFUSALS}::test_no_time_or_band_helps_where_data_is_missing",
    f"{_REFUSALS}::test_least_bandwidth_of_two_devices",
    f"{_REFUSALS}::test_least_synthetic_data",
    *_PLANS,
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
    "exact": ("tests/test_exact.py", *_PLANS),
    "solve": (
        _SOLVE_CHECKS,
        f"{_SOLVE}::test_tolerance_decides_the_status",
        "tests/test_warm_start.py",
        "tests/test_exact.py",
        *_SEARCH_SETTINGS,
    ),
    "solvers.instance": ("tests/test_small_steps.py", *_PLANS, f"{_SOLVE}::test_bad_input"),
    "solvers.data_amounts": _SUBPROBLEMS,
    "solvers.bandwidth": _SUBPROBLEMS,
    "solvers.smooth": _LANES,
    "solvers.joint": (_SEARCHES, "tests/test_thorough.py", *_PLANS),
    "solvers.large": ("tests/test_small_blocks.py", _SEARCHES),
    "solvers.cross_entropy": (_SEARCHES, *_SEARCH_SETTINGS, "tests/test_cross_entropy.py"),
    "_kernels.exponential": ("tests/test_kernels.py::test_exponentials", *_DEVICE),
    "_kernels.lambertw": ("tests/test_lambertw.py",),
    "_kernels.subproblems": _SUBPROBLEMS,
    "_kernels.splits": (_SEARCHES,),
    "_kernels.search": ("tests/test_search.py", *_DEVICE),
    "_kernels.device": _DEVICE,
    "_kernels.fleet": _DEVICE,
    "_kernels.joint": (_WORK, _SEARCHES, "tests/test_thorough.py", *_PLANS),
    "_kernels.lanes": _LANES,
    "_kernels.settling": _LANES,
    "_kernels.smooth": (_WORK, "tests/test_small_steps.py", *_LANES),
    "_kernels.large": ("tests/test_small_blocks.py",),
    "_kernels.feasibility": _FEASIBILITY,
    "feasibility.critical": _FEASIBILITY,
    "feasibility.diagnosis": _FEASIBILITY,
    "feasibility.frontier": ("tests/test_small_large_refusals.py", "tests/test_small_frontiers.py"),
    "feasibility.roots": ("tests/test_small_refusals.py", "tests/test_small_frontiers.py"),
    "feasibility.wording": ("tests/test_small_refusals.py", *_FEASIBILITY[4:8]),
}


def tests_of(module: str) -> list[str]:
    """Arguments of pytest for a module: its tests, after the examples of its docstrings."""
    return [*_COMMON, f"src/fimi_opt/{module.replace('.', '/')}.py", *TESTS[module]]
