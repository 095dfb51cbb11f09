import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.machine.lock import hold, holder, holders

HOLD = """
import sys, time
from pathlib import Path
from pipeline.machine.lock import hold
with hold(Path(sys.argv[1]), "make all"):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(store: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(store)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_waits_and_is_told_who_holds_it_doing_what_since_when(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work, other = tmp_path / "locks" / "grow-ab", tmp_path / "locks" / "grow-cd"
    process = holding(work)
    assert holders(work.parent) == [holder(work)]
    with hold(other, "beside it"):  # another piece of work waits for nobody
        assert not caplog.records
        assert len(holders(work.parent)) == 2
    threading.Timer(0.5, process.kill).start()
    with hold(work, "second"):
        assert process.wait() == -signal.SIGKILL
    (record,) = caplog.records
    assert f"waiting for grow-ab, which is made by PID {process.pid}, command make all, since 20" in record.getMessage()
    assert holders(work.parent) == []


def test_a_lock_left_by_kill_9_is_free_again(tmp_path: Path) -> None:
    work = tmp_path / "locks" / "grow-ab"
    process = holding(work)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert work.with_suffix(".json").exists()
    assert holder(work) is None
    with hold(work, "next"):
        assert json.loads(work.with_suffix(".json").read_text())["pid"] == os.getpid()
        assert holder(work)
    assert holder(work) is None


def test_what_another_host_has_noted_is_held_until_the_note_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.machine.lock.POLL_SECONDS", 0.01)
    work = tmp_path / "locks" / "grow-ab"
    note = work.with_suffix(".json")
    note.parent.mkdir()
    elsewhere = {"host": "far-away", "pid": 1, "command": "make all", "since": "2026-01-01 10:00:00"}
    note.write_text(json.dumps(elsewhere))
    said = f"PID 1 on host far-away, command make all, since 2026-01-01 10:00:00 (if that host is gone, delete {note})"
    assert holders(work.parent) == [said]
    removed: list[float] = []
    threading.Timer(0.3, lambda: (removed.append(time.monotonic()), note.unlink())).start()
    with hold(work, "second"):
        assert time.monotonic() >= removed[0]
        assert json.loads(note.read_text())["host"] == socket.gethostname()
    assert [record.getMessage() for record in caplog.records] == [f"waiting for grow-ab, which is made by {said}"]
    assert not note.exists()


def test_what_a_dead_worker_of_the_same_run_has_noted_on_another_host_is_taken_over(tmp_path: Path) -> None:
    work = tmp_path / "locks" / "grow-ab"
    run = {"host": "where-the-run-is", "pid": 7, "begun": "1"}
    work.parent.mkdir()
    work.with_suffix(".json").write_text(json.dumps({**run, "command": "make all", "since": "before"}))
    with hold(work, "make all", run):
        assert json.loads(work.with_suffix(".json").read_text())["since"] != "before"
    assert holders(work.parent) == []


def test_a_lock_file_that_is_removed_while_it_is_held_lets_nobody_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.machine.lock.POLL_SECONDS", 0.01)
    work = tmp_path / "locks" / "grow-ab"
    process = holding(work)
    work.with_suffix(".lock").unlink()
    killed: list[float] = []
    threading.Timer(0.5, lambda: (killed.append(time.monotonic()), process.kill())).start()
    with hold(work, "second"):
        assert time.monotonic() >= killed[0]
    assert f"made by PID {process.pid}, command make all" in caplog.text
    process.wait()


def test_the_note_of_a_process_whose_number_was_given_again_holds_nothing(tmp_path: Path) -> None:
    note = tmp_path / "locks" / "grow-ab.json"
    note.parent.mkdir()
    told = {"host": socket.gethostname(), "pid": os.getppid(), "begun": "1", "command": "make", "since": "before"}
    note.write_text(json.dumps(told))
    with hold(note.with_suffix(""), "next"):
        assert json.loads(note.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    "note",
    [
        *("[" * 100_000, "[1]", "7", '{"host": [], "pid": "x"}', '{"pid": 1e400}', '{"pid": 99999999999999999999}'),
        *('{"pid": -1, "command": 1, "since": {}}', '{"host": {}, "pid": {}}'),
    ],
)
def test_a_foreign_note_is_no_note(tmp_path: Path, note: str) -> None:
    path = tmp_path / "locks" / "grow-ab.json"
    path.parent.mkdir()
    path.write_text(note)
    assert holders(path.parent) == []


def test_a_link_in_place_of_a_note_or_a_lock_costs_its_target_nothing(tmp_path: Path) -> None:
    work, precious = tmp_path / "locks" / "grow-ab", tmp_path / "precious"
    precious.write_text("kept")
    work.parent.mkdir()
    work.with_suffix(".json").symlink_to(precious)
    with hold(work, "run"):
        assert holder(work)
    work.with_suffix(".lock").unlink()
    work.with_suffix(".lock").symlink_to(precious)
    with pytest.raises(InputError, match="cannot be written"), hold(work, "run"):
        pass
    assert precious.read_text() == "kept"


def test_a_pipe_in_place_of_a_note_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "grow-ab.json")
    assert holder(tmp_path / "grow-ab") is None


def test_asking_who_holds_it_never_takes_it(tmp_path: Path) -> None:
    before = time.monotonic()
    assert holder(tmp_path / "nowhere") is None
    (tmp_path / "grow-ab.json").write_text("broken")
    assert holder(tmp_path / "grow-ab") is None
    (tmp_path / "grow-ab.json").write_text("[1]")
    assert holders(tmp_path) == []
    assert time.monotonic() - before < 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(InputError, match=r"cannot be written .* write permission, or choose another place"),
        hold(tmp_path / "file" / "locks" / "grow-ab", "run"),
    ):
        pass


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from pipeline.common.errors import InputError
from pipeline.machine.lock import hold
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    with hold(Path(sys.argv[1]) / "locks" / "grow-ab", "run"):
        print("held")
except InputError as error:
    print(error)
"""


def test_a_read_only_store_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"store {tmp_path}: cannot be written (Permission denied)")
