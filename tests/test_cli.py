"""The main job from a shell: what is printed, what is refused and with which status."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

import fimi_opt as fo
from fimi_opt import __main__ as program
from fimi_opt.reading import read_devices, read_limits
from fimi_opt.report import table
from fimi_opt.scenarios import paper

ROOT = Path(__file__).resolve().parents[1]
DEVICES, LIMITS = str(ROOT / "examples" / "devices.csv"), str(ROOT / "examples" / "limits.toml")
COMMAND = [sys.executable, "-m", "fimi_opt"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
# A process that hangs fails; it is not timed.
PATIENCE = 300

Captured = pytest.CaptureFixture[str]


def changed(tmp_path: Path, original: str, old: str, new: str) -> str:
    """Return the path of a copy of a file with one thing changed."""
    text = Path(original).read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / Path(original).name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def refusal(capsys: Captured, arguments: list[str], status: int) -> str:
    """Check the status, that nothing is printed and that one line is said; return that."""
    assert program.main(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


def test_without_arguments_the_papers_fleet_is_planned(capsys: Captured) -> None:
    assert program.main([]) == 0
    out, err = capsys.readouterr()
    title, _, text = out.partition("\n\n")
    assert title == "20 devices of the FIMI paper's section V-A, seed 0"
    assert text == table(fo.solve(*paper(0))) + "\n"
    assert err == ""


def test_seed_chooses_another_drop(capsys: Captured) -> None:
    assert program.main(["--seed", "5"]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("20 devices of the FIMI paper's section V-A, seed 5\n")
    assert table(fo.solve(*paper(5))) in out


def test_own_fleet_is_planned_and_written(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert program.main([DEVICES, "--limits", LIMITS, "--out", str(path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"8 devices of {DEVICES}, limits of {LIMITS}\n\n")
    assert out.endswith(f"\n\nplan written to {path}\n")
    fleet = read_devices(DEVICES)
    plan = fo.solve(fleet.devices, *read_limits(LIMITS))
    assert table(plan) in out
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["classes"] == ["deer", "fox", "boar", "empty"]
    assert written["devices"]["sensor-pond"]["cpu_hz"] == plan.frequency[7]


def test_all_shows_every_device(capsys: Captured, tmp_path: Path) -> None:
    lines = Path(DEVICES).read_text(encoding="utf-8").splitlines()
    row = lines[-1].partition(",")[2]
    many = tmp_path / "many.csv"
    many.write_text("\n".join([*lines, *(f"sensor-{k},{row}" for k in range(50))]), encoding="utf-8")
    limits = changed(tmp_path, LIMITS, "5e6 ", "4e7 ")
    assert program.main([str(many), "--limits", limits]) == 0
    assert "\n... 38 more devices (--all shows them) ...\n" in capsys.readouterr().out
    assert program.main([str(many), "--limits", limits, "--all"]) == 0
    assert "\nsensor-25 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("original", "old", "new", "words"),
    [
        (DEVICES, ",max_power,", ",power,", "line 15: unknown column 'power': did you mean 'max_power'?"),
        (
            DEVICES,
            "board-gate,2100",
            "board-gate,viele",
            "line 20: local_samples must be a number (samples), got 'viel",
        ),
        (
            DEVICES,
            "4.4e-11",
            "-103.6",
            "line 17: channel_gain must be positive, got -103.6 (is it in dB? It must be a li",
        ),
        (DEVICES, "610,80", "611,80", "line 16: the class_ columns sum to 1251, but its local_samples is 1250"),
        (LIMITS, "max_latency = 60", "max_latency = 0", "line 6: max_latency must be positive, got 0"),
        (
            LIMITS,
            "bandwidth = 5e6 ",
            "bandwith = 5e6 ",
            "line 7: unknown key 'bandwith' in [constraints]: did you mean",
        ),
        (LIMITS, "beta = 0.25\n", "", "line 18: [task.learning] lacks beta"),
    ],
)
def test_bad_files_are_status_2(
    capsys: Captured, tmp_path: Path, original: str, old: str, new: str, words: str
) -> None:
    path = changed(tmp_path, original, old, new)
    files = [path, "--limits", LIMITS] if original == DEVICES else [DEVICES, "--limits", path]
    assert refusal(capsys, files, 2).startswith(f"error: {path}, {words}")


def test_unreadable_and_unwritable_files_are_status_2(capsys: Captured, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.csv")
    assert refusal(capsys, [missing, "--limits", LIMITS], 2).startswith(f"error: cannot read {missing}: ")
    assert refusal(capsys, [DEVICES, "--limits", missing], 2).startswith(f"error: cannot read {missing}: ")
    assert refusal(capsys, ["--out", str(tmp_path)], 2).startswith(f"error: cannot write {tmp_path}: ")
    nowhere = str(tmp_path / "no" / "plan.json")
    assert refusal(capsys, ["--out", nowhere], 2).startswith(f"error: cannot write {nowhere}: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fleet.csv"], "the limits for fleet.csv are missing: add --limits LIMITS.toml"),
        (["--limits", "limits.toml"], "--limits needs a devices file before it"),
        (
            ["fleet.csv", "--limits", "limits.toml", "--seed", "1"],
            "--seed is for the built-in fleet, not for a devices",
        ),
        (["--seed", "-1"], "argument --seed: must be a whole number of at most 18 digits, got '-1'"),
        (["--seed", "1.5"], "argument --seed: must be a whole number of at most 18 digits, got '1.5'"),
        (["--seed", "9" * 5000], "argument --seed: must be a whole number of at most 18 digits"),
        (["fleet.csv", "limits.toml"], "unrecognized arguments: limits.toml"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_wrong_arguments_are_status_2(capsys: Captured, arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {words}")
    assert err.endswith("; see python -m fimi_opt --help\n")
    assert err.count("\n") == 1


def test_infeasible_limits_are_status_3_with_the_cure(capsys: Captured, tmp_path: Path) -> None:
    limits = changed(tmp_path, LIMITS, "bandwidth = 5e6 ", "bandwidth = 2e4 ")
    said = refusal(capsys, [DEVICES, "--limits", limits], 3)
    assert said.startswith("infeasible: no plan meets all limits")
    fleet = read_devices(DEVICES)
    with pytest.raises(fo.InfeasibleError) as caught:
        fo.solve(fleet.devices, *read_limits(limits))
    assert f"bandwidth = {caught.value.min_bandwidth:.7g} Hz instead of 20000" in said
    # The cure as it is printed, rounded up in the last digit, cures.
    assert caught.value.min_bandwidth is not None
    text = Path(limits).read_text(encoding="utf-8").replace("2e4 ", f"{caught.value.min_bandwidth * 1.000001:.17g} ")
    Path(limits).write_text(text, encoding="utf-8")
    assert program.main([DEVICES, "--limits", limits]) == 0


def test_implausible_input_warns_on_one_line_and_goes_on(capsys: Captured, tmp_path: Path) -> None:
    devices = changed(tmp_path, DEVICES, "3.1e-10,0.2,", "3.1e-10,23,")
    assert program.main([devices, "--limits", LIMITS]) == 0
    out, err = capsys.readouterr()
    assert err == f"warning: {devices}, line 16: max_power is 23: is it in dBm? It must be in W\n"
    assert "phone-anna" in out


def test_a_failed_search_is_status_1(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> NoReturn:
        raise fo.NumericalError("no room\nat all")

    monkeypatch.setattr(program, "solve", fail)
    assert refusal(capsys, [], 1) == "error: no room at all\n"


def test_version_and_help(capsys: Captured) -> None:
    for arguments, words in ((["--version"], f"fimi_opt {fo.__version__}\n"), (["--help"], "exit status: 0 planned")):
        with pytest.raises(SystemExit) as caught:
            program.main(arguments)
        assert caught.value.code == 0
        assert words in capsys.readouterr().out


def test_an_encoding_without_an_ids_letters_is_survived(tmp_path: Path) -> None:
    devices = changed(tmp_path, DEVICES, "sensor-pond", "sensor-étang")
    done = subprocess.run(
        [*COMMAND, devices, "--limits", LIMITS],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"sensor-\xe9tang" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals are those of POSIX")
def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            COMMAND, env=ENVIRONMENT, stdout=writer, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            COMMAND, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"error: standard output: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals are those of POSIX")
def test_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "devices.csv"
    os.mkfifo(pipe)
    command = [*COMMAND, str(pipe), "--limits", LIMITS]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Opening waits until the program has opened its end: from then on it waits for devices.
    with process, pipe.open("wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, b"", b"")
