"""Tasks done side by side: all or none, and never by a process that has nobody to work for."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.machine.workers import ENGINES, THREADS, Workers, engine, in_order, limit_threads
from pipeline.machine.workers.local import LocalProcesses

ROOT = Path(__file__).parents[3]


def square(number: int) -> tuple[int, int]:
    time.sleep(0.05 * (3 - number))
    return number * number, os.getpid()


def refuse_two(number: int) -> int:
    if number == 2:
        raise InputError("two: not wanted; take another")
    time.sleep(60)
    return number


def wait_for(place: str) -> None:
    """Until a file is there; with no place, not at all."""
    deadline = time.monotonic() + 30
    while place and not Path(place).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


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


def do(workers: Workers, work: Callable[[int], Any], tasks: list[int]) -> list[tuple[int, Any]]:
    """Begin tasks and wait for all of them; with the results."""
    workers.begin(work, tasks)
    found = []
    while workers.pending:
        found += workers.finished()
    return found


def test_tasks_are_done_by_processes_of_their_own() -> None:
    with LocalProcesses(2) as workers:
        found = []
        for tasks in ([0, 1], [2, 1]):
            found += do(workers, square, tasks)
    assert sorted((task, square) for task, (square, _) in found) == [(0, 0), (1, 1), (1, 1), (2, 4)]
    workers = {process for _, (_, process) in found}
    assert os.getpid() not in workers
    assert len(workers) == 2  # the same ones all along


def test_a_process_that_is_free_takes_on_more_while_the_other_goes_on(tmp_path: Path) -> None:
    with LocalProcesses(2) as workers:
        workers.begin(wait_for, [str(tmp_path / "let-go"), ""])
        assert workers.free == 0
        assert [task for task, _ in workers.finished()] == [""]
        assert workers.free == 1
        workers.begin(wait_for, [""])
        assert [task for task, _ in workers.finished()] == [""]
        (tmp_path / "let-go").touch()
        assert [task for task, _ in workers.finished()] == [str(tmp_path / "let-go")]


class LastFirst:
    """Three at a time, of which the one that was begun last is done first: ``Workers``."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, Callable[[], Any]]] = []

    @property
    def free(self) -> int:
        return 3 - len(self.begun)

    @property
    def pending(self) -> list[Any]:
        return [task for task, _ in self.begun]

    def begin(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        assert len(tasks) <= self.free
        self.begun += [(task, partial(work, task)) for task in tasks]

    def finished(self) -> list[tuple[Any, Any]]:
        task, doing = self.begun.pop()
        return [(task, doing())]

    def __enter__(self) -> LastFirst:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_results_come_in_the_order_of_tasks_which_are_asked_for_as_there_is_room() -> None:
    asked = told = most = 0

    def numbers() -> Iterator[int]:
        nonlocal asked, most
        for number in range(20):
            asked += 1
            most = max(most, asked - told)
            yield number

    for number, doubled in enumerate(in_order(LastFirst(), lambda number: 2 * number, numbers())):
        assert doubled == 2 * number
        told += 1
    assert (told, most) == (20, 2 * 3)  # as many wait for the first as are done at a time, and no more
    with LocalProcesses(2) as workers:
        assert [number for number, _ in in_order(workers, square, [0, 1, 2, 1, 0])] == [0, 1, 4, 1, 0]
        assert list(in_order(workers, square, [])) == []
        assert list(in_order(workers, str, range(200))) == list(map(str, range(200)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_with_none_beside_it_is_done_here(jobs: int) -> None:
    with LocalProcesses(jobs) as workers:
        for number in (1, 2):
            assert do(workers, square, [number]) == [(number, (number * number, os.getpid()))]
        assert workers.pool is None


def test_what_is_begun_beside_a_task_that_waits_to_be_done_here_is_not_lost() -> None:
    with LocalProcesses(2) as workers:
        workers.begin(square, [1])
        assert do(workers, square, [2])[0] == (1, (1, os.getpid()))
        workers.begin(square, [1])
        assert [task for task, _ in do(workers, square, [2])] == [1, 2]


def test_a_failure_ends_the_others_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="two: not wanted"), LocalProcesses(2) as workers:
        do(workers, refuse_two, [1, 2])
    assert time.monotonic() - began < 30


def test_a_failure_leaves_processes_of_the_caller_alone() -> None:
    foreign = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    foreign.start()
    try:
        with pytest.raises(InputError, match="two: not wanted"), LocalProcesses(2) as workers:
            do(workers, refuse_two, [1, 2])
        foreign.join(0.2)
        assert foreign.is_alive()
    finally:
        foreign.kill()
        foreign.join()


def test_a_process_that_was_killed_is_one_line() -> None:
    with pytest.raises(InputError, match=r"a process was killed.*JOBS=1"), LocalProcesses(2) as workers:
        do(workers, vanish, [1, 2])


@pytest.mark.parametrize(("number", "saved"), [(signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGKILL, False)])
def test_whatever_ends_the_parent_ends_the_children(tmp_path: Path, number: signal.Signals, saved: bool) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import signal, sys\n"
        "from pipeline.machine.workers.local import LocalProcesses\n"
        "from tests.pipeline.machine.test_workers import count_up\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "    with LocalProcesses(2) as workers:\n"
        "        workers.begin(count_up, sys.argv[1:])\n"
        "        workers.finished()\n"
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
    monkeypatch.setattr("pipeline.machine.workers.processors", lambda: 8)
    limit_threads(1)
    assert THREADS[0] not in os.environ
    monkeypatch.setenv(THREADS[1], "5")
    limit_threads(3)
    assert [os.environ[name] for name in THREADS] == ["2", "5", "2"]


class Counting(LocalProcesses):
    """An engine of one's own, as a module and a line in the table would add it."""


def test_an_engine_is_a_line_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "counting", f"{__name__}:Counting")
    with engine("counting", 1) as workers:
        assert isinstance(workers, Counting)
        assert [number for number, _ in do(workers, square, [1])] == [1]
    assert type(engine("local", 2)) is LocalProcesses


def test_an_engine_of_unknown_name_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^--engine spark: no such engine; there are: local, ray$"):
        engine("spark", 1)


class Told(LocalProcesses):
    def __init__(self, jobs: int | None, initializer: Callable[[], None] | None, *, gpus: float = 0) -> None:
        super().__init__(jobs, initializer)
        self.gpus = gpus


def test_an_engine_is_told_what_a_task_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "told", f"{__name__}:Told")
    assert [getattr(engine(name, 1), "gpus", None) for name in ("told", "told:gpus=0.5")] == [0, 0.5]
    for wrong in ("told:cpus=1", "told:gpus=x", "told:gpus=1,,", "told:gpus"):
        with pytest.raises(InputError, match=f"--engine {wrong}: told can be told a number each for gpus, as in told:"):
            engine(wrong, 1)
    with pytest.raises(InputError, match="--engine local:gpus=1: local can be told nothing"):
        engine("local:gpus=1", 1)


@pytest.mark.parametrize("asked", ["ray", "ray:gpus=1"])
def test_an_engine_that_is_not_installed(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"^--engine ray: needs ray; pip install '\.\[ray\]'$"):
        engine(asked)
