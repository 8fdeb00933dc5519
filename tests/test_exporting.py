"""A plan as a JSON file: written whole or not at all."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fimi_opt as fo
from fimi_opt.exporting import write_plan
from fimi_opt.reading import read_plan
from fimi_opt.scenarios import mixed


@pytest.fixture(scope="module")
def plan() -> fo.Plan:
    return fo.solve(*mixed(1))


def test_file_is_replaced_and_keeps_its_mode(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(plan, path)
    assert json.loads(path.read_text(encoding="utf-8")) == plan.to_dict()
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    write_plan(plan, str(path))
    assert json.loads(path.read_text(encoding="utf-8")) == plan.to_dict()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_mode_of_open(plan: fo.Plan, tmp_path: Path) -> None:
    path, other = tmp_path / "plan.json", tmp_path / "other"
    old = os.umask(0o027)
    try:
        write_plan(plan, path)
        other.touch()
    finally:
        os.umask(old)
    assert path.stat().st_mode == other.stat().st_mode
    assert read_plan(path) == plan


def test_a_write_protected_file_is_kept(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write whatever the mode says")
    with pytest.raises(PermissionError, match=path.name):
        write_plan(plan, path)
    assert path.read_text(encoding="utf-8") == "old"


def test_a_name_as_long_as_the_system_takes(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)  # 240 bytes
    write_plan(plan, path)
    assert read_plan(path) == plan


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_process_that_is_killed_leaves_the_old_file(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(plan, path)
    before = path.read_bytes()
    # Before the new file is sure to be on the disk, and before it takes the old one's place.
    for place in ("fsync", "replace"):
        code = f"""
import os, signal, sys
from pathlib import Path
from fimi_opt.exporting import write_plan
from fimi_opt.reading import read_plan
plan = read_plan(sys.argv[1])
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = Path.replace = die
if {place!r} == "replace":
    os.fsync = lambda _: None
write_plan(plan, sys.argv[1], list("abcdefghij"))
"""
        done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL
        assert path.read_bytes() == before
    drafts = [left for left in tmp_path.iterdir() if left != path]
    assert len(drafts) == 2
    assert all(left.name.startswith(".fimi-plan-") for left in drafts)


def test_a_failure_leaves_the_old_file_and_nothing_else(
    plan: fo.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "plan.json"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_plan(plan, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(plan: fo.Plan, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("links need a privilege here")
    write_plan(plan, link)
    assert link.is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["schema"] == "fimi-plan/1"


def test_folders_are_refused(plan: fo.Plan, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=tmp_path.name):
        write_plan(plan, tmp_path)
    with pytest.raises(OSError, match="missing"):
        write_plan(plan, tmp_path / "missing" / "plan.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_to_not_replaced(plan: fo.Plan, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_plan(plan, path)  # shorter than a pipe's buffer, 64 KiB
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert json.loads(os.read(reader, 1 << 16)) == plan.to_dict()
    finally:
        os.close(reader)
