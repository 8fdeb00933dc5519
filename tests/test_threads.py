"""Many threads that plan at once, and answers that travel: the same bits, whoever forms them and wherever they go."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from workload import JOBS, SIZES, bits, do, do_all, fleet, found

import fimi_opt as fo

THREADS = 16
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def test_the_jobs_are_what_they_are_called() -> None:
    kinds = [type(found(job)) for job in JOBS]
    assert kinds[:3] == [fo.Plan] * 3
    assert kinds[3:7] == [fo.InfeasibleError, fo.InfeasibleError, fo.InvalidInputError, fo.Plan]
    assert kinds[7:] == [fo.NumericalError, fo.Plan, fo.Plan]
    assert len({do(job) for job in JOBS}) == len(JOBS) - 1  # "many" ends with the fleet of 40,000
    assert do("many") == do("40000")


@pytest.mark.slow
def test_sixteen_threads_find_what_one_does() -> None:
    together = threading.Barrier(THREADS)

    def work(turn: int) -> str:
        together.wait()
        return do_all(turn)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = set(pool.map(work, range(THREADS)))
    assert answers == {do_all()}


@pytest.mark.parametrize("count", SIZES[:2])
def test_sixteen_threads_read_one_plan(count: int) -> None:
    expected = do(str(count))
    for _ in range(20):
        plan, together = fo.solve(*fleet(count)), threading.Barrier(THREADS)

        def read(plan: fo.Plan = plan, together: threading.Barrier = together) -> str:
            together.wait()
            return bits(plan)

        with ThreadPoolExecutor(THREADS) as pool:
            done = [pool.submit(read) for _ in range(THREADS)]
            assert {one.result() for one in done} == {expected}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_answers_pickle(job: str, protocol: int) -> None:
    answer = found(job)
    again = pickle.loads(pickle.dumps(answer, protocol))
    assert type(again) is type(answer)
    assert bits(again) == bits(answer)
    if isinstance(answer, fo.Plan | fo.InfeasibleError):
        assert again == answer
    if isinstance(again, fo.Plan) and isinstance(answer, fo.Plan):
        assert again.status is answer.status
        assert not again.power.flags.writeable
        assert not again.devices.channel_gain.flags.writeable
        assert fo.verify(again) == fo.verify(answer)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_answers_copy(job: str, duplicate: type) -> None:
    answer = found(job)
    again = duplicate(answer)
    assert again is not answer
    assert bits(again) == bits(answer)
    if isinstance(answer, fo.Plan):
        with pytest.raises(ValueError, match="read-only"):
            again.power[0] = 0.0


def test_plans_that_differ_are_not_equal() -> None:
    plan, other = fo.solve(*fleet(20)), fo.solve(*fleet(1000))
    assert plan != other
    assert plan != "a plan"
    power = plan.power.copy()
    power[7] = np.nextafter(power[7], 0.0)
    changed = copy.copy(plan)
    object.__setattr__(changed, "power", power)
    assert changed != plan
    with pytest.raises(TypeError, match="unhashable"):
        hash(plan)


def test_an_error_is_what_it_was_after_pickling_with_its_attributes() -> None:
    error = found("infeasible")
    assert isinstance(error, fo.InfeasibleError)
    again = pickle.loads(pickle.dumps(error))
    assert again.min_bandwidth == error.min_bandwidth is not None
    assert again.devices == error.devices
    assert (again == error, hash(again) == hash(error)) == (True, True)
    assert again != fo.InfeasibleError(str(error))
