"""Tasks done side by side: in order, all or none, and never by a process that has nobody to work for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.crew import THREADS, Crew, share_processors
from pipeline.errors import InputError

ROOT = Path(__file__).parents[2]


def square(number: int) -> tuple[int, int]:
    time.sleep(0.05 * (3 - number))
    return number * number, os.getpid()


def refuse_two(number: int) -> int:
    if number == 2:
        raise InputError("two: not wanted; take another")
    time.sleep(60)
    return number


def vanish(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def count_up(place: str) -> None:
    """Until it is stopped; says so when it is asked to stop."""
    try:
        while True:
            Path(place).write_text(str(time.monotonic()))
            time.sleep(0.01)
    finally:
        Path(f"{place}.ended").write_text("saved")


def test_results_come_in_the_order_of_the_tasks_from_processes_of_their_own() -> None:
    with Crew(2) as crew:
        found = list(crew.do(square, [0, 1, 2]))
        again = list(crew.do(square, [2, 2]))
    assert [number for number, _ in found + again] == [0, 1, 4, 4, 4]
    workers = {process for _, process in found + again}
    assert os.getpid() not in workers
    assert len(workers) == 2  # the same ones all along


@pytest.mark.parametrize(("jobs", "tasks"), [(1, [1, 2]), (2, [1])])
def test_one_job_or_one_task_is_done_here(jobs: int, tasks: list[int]) -> None:
    with Crew(jobs) as crew:
        assert list(crew.do(square, tasks)) == [(number * number, os.getpid()) for number in tasks]
        assert crew.pool is None


def test_a_failure_ends_the_others_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="two: not wanted"), Crew(2) as crew:
        list(crew.do(refuse_two, [1, 2]))
    assert time.monotonic() - began < 30


def test_a_process_that_was_killed_is_one_line() -> None:
    with pytest.raises(InputError, match=r"a process was killed.*JOBS=1"), Crew(2) as crew:
        list(crew.do(vanish, [1, 2]))


@pytest.mark.parametrize(("number", "saved"), [(signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGKILL, False)])
def test_whatever_ends_the_parent_ends_the_children(tmp_path: Path, number: signal.Signals, saved: bool) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import signal, sys\n"
        "from pipeline.crew import Crew\n"
        "from tests.pipeline.test_crew import count_up\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "    with Crew(2) as crew:\n"
        "        list(crew.do(count_up, sys.argv[1:]))\n"
    )
    places = [tmp_path / name for name in ("a", "b")]
    parent = subprocess.Popen(
        [sys.executable, str(script), *map(str, places)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not all(place.exists() for place in places):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.send_signal(number)
    assert parent.wait(30) != 0
    time.sleep(0.5)
    last = [place.read_text() for place in places]
    time.sleep(0.3)
    assert [place.read_text() for place in places] == last
    assert [Path(f"{place}.ended").exists() for place in places] == [saved, saved]


def test_threads_are_shared_out_unless_the_user_has_said_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pipeline.crew._processors", lambda: 8)
    share_processors(1)
    assert THREADS[0] not in os.environ
    monkeypatch.setenv(THREADS[1], "5")
    share_processors(3)
    assert [os.environ[name] for name in THREADS] == ["2", "5", "2"]
