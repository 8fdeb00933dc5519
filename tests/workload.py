"""What the tests of processes and threads compute: fleets of three sizes, and each answer as the bits that it holds."""

import functools
import hashlib
from dataclasses import replace

import numba
import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import Scenario, paper

BAND_EACH = 1e6  # Hz a device
# One block of steps, several, and one that ordinary threads share out.
SIZES = (20, 1000, 40_000)
SEARCH = fo.CrossEntropy(samples=200, elite=20, iterations=5)
JOBS = (
    *map(str, SIZES),
    "infeasible",
    "infeasible large",
    "invalid",
    "search",
    "search without luck",
    "integer",
    "many",
)


@functools.cache
def fleet(count: int) -> Scenario:
    if numba.config.DISABLE_JIT and count > 1000:  # type: ignore[attr-defined]
        count //= 100  # lines are counted then, and so many devices take minutes
    return paper(seed=count, devices=count, bandwidth=BAND_EACH * count)


@functools.cache
def repeated(count: int, times: int) -> Scenario:
    """Return that fleet, so often: large ones take long to draw."""
    devices, limits, task = fleet(count)
    tiled = (
        np.tile(column, times)
        for column in (
            devices.local_samples,
            devices.energy_coefficient,
            devices.max_frequency,
            devices.channel_gain,
            devices.max_power,
        )
    )
    samples, coefficient, frequency, gain, power = tiled
    return Scenario(
        fo.Devices(samples, coefficient, frequency, gain, power),
        replace(limits, bandwidth=limits.bandwidth * times),
        task,
    )


def narrow(count: int) -> Scenario:
    devices, limits, task = fleet(count)
    return Scenario(devices, replace(limits, bandwidth=0.02 * limits.bandwidth), task)


def nearly_infeasible(count: int) -> Scenario:
    """Return that fleet with a band so narrow that the quick search finds no plan."""
    devices, limits, task = fleet(count)
    [error] = fo.solve_many([narrow(count)])
    assert isinstance(error, fo.InfeasibleError)
    assert error.min_bandwidth is not None
    return Scenario(devices, replace(limits, bandwidth=1.001 * error.min_bandwidth), task)


def found(job: str) -> fo.Plan | fo.FimiError:
    """Do a job; an error is an answer too."""
    devices, limits, task = fleet(20)
    try:
        if job == "infeasible":
            return fo.solve(*narrow(20))
        if job == "infeasible large":
            return fo.solve(*narrow(40_000))
        if job == "invalid":
            return fo.solve(devices, limits, task, tol=-1.0)
        if job == "search":
            return fo.solve(devices, limits, task, "cross-entropy", search=SEARCH, rng=3)
        if job == "search without luck":
            few = fo.CrossEntropy(samples=2, elite=2, iterations=1)
            return fo.solve(*nearly_infeasible(20), "cross-entropy", search=few)
        if job == "integer":
            return fo.solve(devices, limits, task, integer=True)
        if job == "many":
            return fo.solve_many([fleet(20), fleet(1000), fleet(40_000)])[-1]
        return fo.solve(*fleet(int(job)))
    except fo.FimiError as error:
        return error


def bits(answer: fo.Plan | fo.FimiError) -> str:
    """Digest of all that the answer says, floats to the last bit."""
    if isinstance(answer, fo.FimiError):
        said = repr((type(answer).__name__, str(answer), sorted(vars(answer).items())))
        return hashlib.sha256(said.encode()).hexdigest()
    rows = (
        answer.synthetic_samples,
        answer.frequency,
        answer.bandwidth,
        answer.power,
        answer.upload_time,
        answer.aggregation_weights,
    )
    digest = hashlib.sha256(b"".join(row.tobytes() for row in rows))
    numbers = (answer.lower_bound, *answer.prices, answer.energy, answer.latency, answer.mean_error, answer.gap)
    digest.update(" ".join(float(number).hex() for number in numbers).encode() + answer.status.name.encode())
    return digest.hexdigest()


def do(job: str) -> str:
    """Return the bits of a job's answer."""
    return bits(found(job))


def do_all(first: int = 0) -> str:
    """Return the bits of every job's answer, one after another; which job comes first is the caller's choice."""
    order = [*JOBS[first % len(JOBS) :], *JOBS[: first % len(JOBS)]]
    done = {job: do(job) for job in order}
    return "\n".join(f"{job}: {done[job]}" for job in JOBS)
