"""The test bed's pure pieces, its protocol over loopback, and, before a release, itself: it measures and cleans up."""

import contextlib
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from testbed import __main__ as command
from testbed import commands, device, messages, model, names, network, plans, preflight, quotas, report, running, server
from testbed.server import Timing, Work
from testbed.stopping import stoppable

if sys.platform != "linux":
    pytest.skip("the test bed is for Linux", allow_module_level=True)

ROOT = Path(__file__).parents[1]
CORES = 2
# The plan for a tenth of the time, but for whole units of the model: they change its size by a thousandth at most.
SCALED = 2e-3
# Differences of the loss in float64 against its gradient.
SLOPE = 1e-6
# Float32 sums in another order.
SINGLE = 1e-6
# Waits of the tests for what takes seconds.
PATIENCE = 90.0
# No device is faster than its quota and its link by more than a bucket or a period: 17 of 1200 ms and 5 of 290 kB.
FASTEST = 0.95
# How much slower says what else the machine does; beyond this the quotas and links are not what was planned.
SLOWEST = 1.5


@pytest.fixture(scope="module")
def setup() -> plans.Setup:
    return plans.set_up(20, 6.0, CORES, seed=1)


# --- The model --------------------------------------------------------------------------------------------------------


def test_gradient_is_the_losses_slope() -> None:
    rng = np.random.default_rng(1)
    data = model.Data(rng.standard_normal((12, model.FEATURES)), rng.integers(0, model.CLASSES, 12))  # type: ignore[arg-type]
    at: Any = rng.standard_normal(model.size(3)) / 10
    _, gradient = model.loss_and_gradient(at, data)
    for k in rng.choice(at.size, 40, replace=False):
        step = np.zeros(at.size)
        step[k] = SLOPE
        rise = model.loss_and_gradient(at + step, data)[0] - model.loss_and_gradient(at - step, data)[0]
        assert rise / (2 * SLOPE) == pytest.approx(gradient[k], rel=1e-4, abs=1e-7)


def test_parameters_are_what_the_size_says() -> None:
    assert sum(part.size for part in model.parts(model.start(7, 0))) == model.size(7) == model.start(7, 0).size
    for bits in (1e4, 1.17e7, 1e8):
        hidden = model.hidden_for(bits)
        assert 32 * model.size(hidden) <= bits < 32 * model.size(hidden + 1)
    assert model.hidden_for(1.0) == 1


def test_a_step_goes_down_the_gradient_of_its_batch() -> None:
    data, parameters = model.draw([1] * model.BATCH + [0] * (model.CLASSES - model.BATCH), 1, 0), model.start(5, 1)
    trained, steps = model.train(parameters, data, 1, seed=1)
    _, gradient = model.loss_and_gradient(parameters, data)
    assert steps == 1
    assert trained == pytest.approx(parameters - model.RATE * gradient, rel=SINGLE, abs=SINGLE)


def test_training_is_the_seeds_and_learns() -> None:
    data, test = model.draw([100] * 10, 1, 0), model.draw([50] * 10, 1, 1)
    parameters = model.start(20, 1)
    before = parameters.copy()
    trained, steps = model.train(parameters, data, 1000, seed=1)
    assert steps == 1000
    assert (parameters == before).all()
    assert (model.train(parameters, data, 1000, seed=1)[0] == trained).all()
    assert (model.train(parameters, data, 1000, seed=2)[0] != trained).any()
    assert model.accuracy(parameters, test) < 0.3 < 0.6 < model.accuracy(trained, test)


def test_training_ends_with_its_processor_time() -> None:
    data, parameters = model.draw([30] * 10, 1, 0), model.start(20, 1)
    assert model.train(parameters, data, 10, 1, seconds=0.0)[1] == 0
    trained, steps = model.train(parameters, data, 10**9, 1, seconds=0.05)
    assert steps > 0
    assert (trained == model.train(parameters, data, steps, 1)[0]).all()


def test_data_has_the_classes_asked_for() -> None:
    counts = [3, 0, 5, 0, 0, 0, 0, 0, 0, 1]
    data, other = model.draw(counts, 1, 0), model.draw(counts, 1, 1)
    assert np.bincount(data.labels, minlength=10).tolist() == counts
    assert (data.points != other.points).all()
    many, more = (model.draw([4000] + [0] * 9, 1, index).points.mean(axis=0) for index in (0, 1))
    # The same centre: means of 4000 points along 256 axes differ by standard errors.
    assert np.abs(many - more).max() < 5 * math.sqrt(2 / 4000)


def test_fedavg_is_the_weighted_mean() -> None:
    rng = np.random.default_rng(1)
    updates = [np.asarray(rng.standard_normal(9), np.float32) for _ in range(3)]
    mean = [sum(w * float(update[k]) for w, update in zip((0.5, 0.3, 0.2), updates, strict=True)) for k in range(9)]
    assert model.average(updates, np.array([0.5, 0.3, 0.2])) == pytest.approx(mean, rel=SINGLE, abs=SINGLE)


# --- What is planned, and asked of the machine ------------------------------------------------------------------------


def test_the_plan_is_the_papers_on_a_faster_clock(setup: plans.Setup) -> None:
    slow = plans.set_up(20, 60.0, CORES, seed=1).plan
    fast = setup.plan
    for name in ("compute_time", "upload_time", "compute_energy", "upload_energy"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name) / 10, rel=SCALED), name
    for name in ("frequency", "bandwidth", "power", "rate"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=SCALED), name
    assert fast.latency <= 6.0 * (1 + 1e-9)
    assert fast.task.update_bits == 8 * messages.update_bytes(model.size(setup.hidden))


@pytest.mark.parametrize(("devices", "cores"), [(1, 1), (1, 64), (4, 2), (20, 2)])
def test_shares_fit_the_cores(devices: int, cores: int) -> None:
    setup = plans.set_up(devices, 2.0, cores, seed=1)
    assert setup.shares.sum() <= plans.CORES_PART * cores * (1 + 1e-12)
    assert setup.shares.max() <= 1.0
    assert setup.shares == pytest.approx(setup.plan.frequency / setup.core_hz)


def test_more_devices_than_quotas_give_shares_for_are_refused() -> None:
    words = r"100 devices are too many for 2 cores: one would get 0\.01\d of a core, and the least quota is 0\.02"
    with pytest.raises(commands.TestbedError, match=words):
        plans.set_up(100, 2.0, 2, seed=1)


def test_work_is_the_plans_time_at_its_share(setup: plans.Setup) -> None:
    seconds = setup.plan.compute_time * setup.shares
    by_steps, by_cycles = setup.work(1e-3, by_cycles=False), setup.work(1e-3, by_cycles=True)
    assert [work.steps for work in by_steps] == [round(x) for x in (seconds / 1e-3).tolist()]
    assert {work.seconds for work in by_steps} == {math.inf}
    assert [work.seconds for work in by_cycles] == pytest.approx(seconds.tolist())
    assert all(b.steps > 10 * a.steps for a, b in zip(by_steps, by_cycles, strict=True))


def test_devices_hold_their_own_and_the_planned_samples(setup: plans.Setup) -> None:
    assert [sum(row) for row in setup.counts()] == setup.plan.samples.tolist()


@pytest.mark.parametrize("share", [quotas.LEAST_SHARE, 0.0571, 0.3, 1.0])
def test_quotas_keep_the_kernels_bounds(share: float) -> None:
    quota, period = quotas.quota(share)
    assert quota >= 1000
    assert 5000 <= period <= 50_000
    assert abs(quota - share * period) <= 0.5


@pytest.mark.parametrize("share", [0.0, 0.019, 1.01, math.nan])
def test_shares_that_no_quota_gives_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must be in"):
        quotas.quota(share)


def test_links_carry_the_rate_and_the_headers() -> None:
    words = network.shaping(1e6)
    rate = int(words[words.index("rate") + 1].removesuffix("bit"))
    assert 1.03 <= rate / 1e6 <= 1.05
    assert words[words.index("limit") + 1] == "400kb"


# --- Names, groups, what is missing -----------------------------------------------------------------------------------


def test_runs_know_whether_they_are_alive() -> None:
    run = names.own()
    assert names.alive(run)
    assert not names.alive(f"{names.PREFIX}-{os.getpid()}-1")  # an earlier process with this id
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        start = names.started(child.pid)
        assert names.alive(f"{names.PREFIX}-{child.pid}-{start}")
        child.communicate(b"\n")
    assert not names.alive(f"{names.PREFIX}-{child.pid}-{start}")


def test_only_our_names_are_ours() -> None:
    run = names.own()
    assert names.run_of(network.hub(run)) == names.run_of(network.device(run, 7)) == names.run_of(run) == run
    for other in ("web-1-2", names.PREFIX, f"{names.PREFIX}-x-1", f"my-{run}", f"{run}-d1-x"):
        assert names.run_of(other) is None


def test_the_cpu_controller_is_found(tmp_path: Path) -> None:
    both = f"cgroup /c/cpu cgroup rw,relatime,cpu,cpuacct 0 0\ncgroup2 {tmp_path} cgroup2 rw 0 0\n"
    assert quotas.find(both) == quotas.Groups(Path("/c/cpu"), 1)
    second = f"cgroup /c/cpuset cgroup rw,cpuset 0 0\ncgroup2 {tmp_path} cgroup2 rw 0 0\n"
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")
    assert quotas.find(second) == quotas.Groups(tmp_path, 2)
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")
    assert quotas.find(second) == "no cgroup file system has the cpu controller"
    assert quotas.find("proc /proc proc rw 0 0\n") == "no cgroup file system is mounted"


def test_groups_of_version_1(tmp_path: Path) -> None:
    groups = quotas.Groups(tmp_path, 1)
    groups.make("run", [0.5, 0.1])
    groups.enter("run", 1, 123)
    texts = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.*")}
    assert texts.pop("run/cpu.shares") == str(2**18)
    assert texts == {
        "run/d000/cpu.cfs_period_us": "5000",
        "run/d000/cpu.cfs_quota_us": "2500",
        "run/d001/cpu.cfs_period_us": "10000",
        "run/d001/cpu.cfs_quota_us": "1000",
        "run/d001/cgroup.procs": "123",
    }


def test_groups_of_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **options: Any) -> None:
        make(path, *arguments, **options)
        (path / "cgroup.subtree_control").write_text("")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    (tmp_path / "cgroup.subtree_control").write_text("io cpu memory\n")
    quotas.Groups(tmp_path, 2).make("run", [0.5])
    assert (tmp_path / "cgroup.subtree_control").read_text() == "io cpu memory\n"
    assert (tmp_path / "run" / "cgroup.subtree_control").read_text() == "+cpu"
    assert (tmp_path / "run" / "cpu.weight").read_text() == "10000"
    assert (tmp_path / "run" / "d000" / "cpu.max").read_text() == "2500 5000"


def test_groups_that_are_gone_need_no_removal(tmp_path: Path) -> None:
    groups = quotas.Groups(tmp_path, 1)
    assert groups.take_down("run") == []
    dead = f"{names.PREFIX}-1-1"  # process 1 did not start with the first tick and this id's run
    for path in (tmp_path / dead / "d000", tmp_path / names.own(), tmp_path / "other"):
        path.mkdir(parents=True)
    assert groups.runs() == {dead, names.own()}
    assert groups.abandoned() == {dead}
    assert groups.take_down(dead) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([names.own(), "other"])


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command.main(["--check"]) == command.SKIPPED
    assert capsys.readouterr().err == "skipped: it needs root, for network namespaces and cgroups\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "tc" else tool)
    assert preflight.facilities() == "tc not found: install iproute2"
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(quotas, "find", lambda mounts: "no cgroups")
    assert preflight.facilities() == "no cgroups"


def test_a_trial_that_fails_is_a_reason_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    removed: list[str] = []

    def refuse(run: str, rates: list[float]) -> None:
        raise commands.TestbedError("ip: Operation not permitted")

    def take_down(run: str) -> list[str]:
        removed.append(run)
        return []

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(quotas, "find", lambda mounts: quotas.Groups(tmp_path, 1))
    monkeypatch.setattr(network, "lay_out", refuse)
    monkeypatch.setattr(network, "take_down", take_down)
    assert preflight.facilities() == "a trial failed: ip: Operation not permitted"
    assert removed == [names.own()]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"), [("devices", "0"), ("devices", "201"), ("rounds", "0"), ("seconds", "nan"), ("seed", "-1")]
)
def test_bad_arguments_are_refused(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main([f"--{name}", value])
    assert stopped.value.code == 2
    assert re.search(rf"--{name} must be .* got {value}", capsys.readouterr().err)


def test_a_command_that_fails_says_why() -> None:
    python = [sys.executable, "-c"]
    assert commands.call([*python, "print(input())"], ["word"]) == "word\n"
    with pytest.raises(commands.TestbedError, match="no such thing"):
        commands.call([*python, "import sys; sys.exit('no such thing')"])
    with pytest.raises(commands.TestbedError, match="ended with 3"):
        commands.call([*python, "import sys; sys.exit(3)"])
    with pytest.raises(commands.TestbedError, match="missing-tool"):
        commands.call(["missing-tool"])


def test_the_first_signal_stops_and_others_wait() -> None:
    done = []

    def work(first: signal.Signals | None) -> None:
        with stoppable() as closing:
            try:
                if first is not None:
                    signal.raise_signal(first)
            finally:
                closing()
                signal.raise_signal(signal.SIGINT)
                done.append(first)

    with pytest.raises(SystemExit) as stopped:
        work(signal.SIGTERM)
    assert stopped.value.code == 128 + signal.SIGTERM
    with pytest.raises(KeyboardInterrupt):
        work(None)
    assert done == [signal.SIGTERM, None]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- Rounds over loopback ---------------------------------------------------------------------------------------------

HIDDEN, SEED = 4, 1
DATA = [model.draw([3 + index] * model.CLASSES, SEED, index) for index in range(3)]


@pytest.fixture
def served() -> Iterator[tuple[server.Server, list[threading.Thread]]]:
    """A server, and three devices as threads."""

    def part(index: int) -> None:
        with socket.create_connection(listening.getsockname()[:2], timeout=PATIENCE) as connection:
            device.take_part(connection, index, DATA[index], HIDDEN, SEED)

    listening = socket.create_server(("127.0.0.1", 0))
    threads = [threading.Thread(target=part, args=(index,)) for index in (2, 0, 1)]
    with server.Server(listening, len(threads), lambda: None) as serving:
        for thread in threads:
            thread.start()
        serving.gather(PATIENCE)
        yield serving, threads
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_rounds_train_what_was_asked(served: tuple[server.Server, list[threading.Thread]]) -> None:
    serving, _ = served
    parameters = model.start(HIDDEN, SEED)
    asked = [Work(5, math.inf), Work(7, math.inf), Work(9, 0.0)]
    for number in range(2):
        updates, timings = serving.play(parameters, asked, PATIENCE)
        for index, (update, timing) in enumerate(zip(updates, timings, strict=True)):
            steps = (5, 7, 0)[index]
            expected, _ = model.train(parameters, DATA[index], steps, SEED + number)
            assert (update == expected).all()
            assert timing.steps == steps
            # The server's clock is read after the device's: nothing takes less than nothing.
            assert timing.compute >= 0
            assert timing.upload >= 0
            assert timing.finish >= timing.compute
        parameters = model.average(updates, np.array([0.2, 0.3, 0.5]))
    serving.finish()


def test_a_round_that_takes_too_long_ends(served: tuple[server.Server, list[threading.Thread]]) -> None:
    serving, _ = served
    with pytest.raises(commands.TestbedError, match="updates did not arrive in time"):
        serving.play(model.start(HIDDEN, SEED), [Work(10**9, 0.6)] * 3, seconds=0.1)
    serving.finish()


def test_a_device_that_is_lost_ends_the_wait() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def gone() -> None:
        raise commands.TestbedError("device 0 ended with 1: words")

    with (
        server.Server(listening, 1, gone) as serving,
        pytest.raises(commands.TestbedError, match="ended with 1: words"),
    ):
        serving.gather(PATIENCE)
    listening = socket.create_server(("127.0.0.1", 0))
    with (
        server.Server(listening, 1, lambda: None) as serving,
        socket.create_connection(listening.getsockname()[:2]) as connection,
    ):
        connection.sendall(messages.HELLO.pack(0))
        serving.gather(PATIENCE)
        connection.close()
        with pytest.raises(commands.TestbedError, match="device"):
            serving.play(model.start(HIDDEN, SEED), [Work(1, math.inf)], PATIENCE)
    with (
        server.Server(socket.create_server(("127.0.0.1", 0)), 1, lambda: None) as serving,
        pytest.raises(commands.TestbedError, match="1 of 1 devices did not connect in time"),
    ):
        serving.gather(0.3)


def test_a_device_whose_server_is_gone_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.close()
        with pytest.raises((EOFError, OSError)):
            device.take_part(theirs, 0, DATA[0], HIDDEN, SEED)


# --- The table --------------------------------------------------------------------------------------------------------


def outcome(setup: plans.Setup, slower: float) -> running.Outcome:
    plan = setup.plan
    times = [
        Timing(slower * t, slower * u, slower * (t + u), slower * t * q, 100)
        for t, u, q in zip(plan.compute_time, plan.upload_time, setup.shares, strict=True)
    ]
    return running.Outcome(True, 1e-3, [times] * 3, [0.1, 0.5, 0.6, 0.7])


def test_the_table_holds_the_ratios(setup: plans.Setup) -> None:
    measured = outcome(setup, 1.25)
    table = report.rows(setup, measured)
    assert len(table) == 20
    for row in table:
        assert len(row) == len(report.HEADER)
        assert [row[k] for k, word in enumerate(report.HEADER) if word in ("ratio", "both")] == ["1.250"] * 3
    assert report.ratios(setup, measured) == pytest.approx([1.25] * 3)
    assert report.text(table).count("\n") == 20
    for line in report.summary(setup, measured)[:4]:
        assert line.endswith("1.250 to 1.250, median 1.250")


def test_only_what_lies_between_the_marks_is_replaced(setup: plans.Setup) -> None:
    page = command.PAGE.read_text(encoding="utf-8")
    block = report.markdown(setup, outcome(setup, 1.0))
    changed = report.replaced(page, block)
    assert report.replaced(changed, block) == changed
    assert (
        changed.replace(block, "")
        == page[: page.index(report.BEGIN)] + page[page.index(report.END) + len(report.END) :]
    )
    with pytest.raises(ValueError, match="the page has no"):
        report.replaced("nothing", block)


# --- The whole, before a release --------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "benchmarks.testbed"]
SMALL = ["--devices", "4", "--seconds", "2", "--cycles"]


@pytest.fixture(scope="module")
def groups() -> quotas.Groups:
    found = preflight.facilities()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def left(groups: quotas.Groups, pid: int) -> list[str]:
    """Namespaces, groups and devices' processes of the run of a process."""
    known = {*network.namespaces(), *(path.name for path in groups.root.iterdir())}
    return [name for name in known if name.startswith(f"{names.PREFIX}-{pid}-")] + devices_of(pid)


def devices_of(pid: int) -> list[str]:
    """Devices' processes that still are, by the parent that they were told."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if f'"parent": {pid},' in path.read_text(errors="replace"):
                found.append(path.parent.name)
    return found


def begun(arguments: list[str], until: str) -> subprocess.Popen[str]:
    """Start a run; return when it has said so."""
    child = subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith(until):
            return child
    raise AssertionError(f"it ended with {child.wait(PATIENCE)} and never said {until!r}")


@pytest.mark.release
def test_measured_times_are_the_planned_ones(groups: quotas.Groups) -> None:
    with subprocess.Popen([*COMMAND, *SMALL, "--rounds", "2"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        said, _ = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0
    assert left(groups, child.pid) == []
    lines = [line for line in said.splitlines() if line.startswith("measured over planned")]
    assert len(lines) == 5
    for line in lines:
        low, high, median = (float(x) for x in re.findall(r"\d+\.\d+", line))
        assert low >= FASTEST, line
        assert median <= SLOWEST, line
        assert high < math.inf


@pytest.mark.release
@pytest.mark.parametrize("until", ["waiting", "rehearsal 1", "round 1"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_leaves_nothing(
    groups: quotas.Groups, number: signal.Signals, code: int, until: str
) -> None:
    with begun([*SMALL, "--rounds", "1000"], until) as child:
        child.send_signal(number)
        child.send_signal(number)
        child.communicate(timeout=PATIENCE)
    assert child.returncode == code
    assert left(groups, child.pid) == []


@pytest.mark.release
def test_the_next_run_removes_what_a_killed_one_left(groups: quotas.Groups) -> None:
    with begun([*SMALL, "--rounds", "1000"], "round 1") as child:
        child.kill()
        child.communicate(timeout=PATIENCE)
    until = time.monotonic() + PATIENCE
    while devices_of(child.pid) and time.monotonic() < until:
        time.sleep(0.05)  # they end with their parent
    assert devices_of(child.pid) == []
    (run,) = {names.run_of(name) for name in left(groups, child.pid)}
    done = subprocess.run([*COMMAND, "--check"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert f"removed what {run} had left\n" in done.stderr
    assert left(groups, child.pid) == []


@pytest.mark.release
def test_a_device_that_is_killed_ends_the_run(groups: quotas.Groups) -> None:
    with begun([*SMALL, "--rounds", "1000"], "round 1") as child:
        run = f"{names.PREFIX}-{child.pid}-{names.started(child.pid)}"
        (pid,) = groups.group(run, 2).joinpath("cgroup.procs").read_text().split()
        os.kill(int(pid), signal.SIGKILL)
        _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == 1
    assert "failed: " in said
    assert "device" in said
    assert left(groups, child.pid) == []
