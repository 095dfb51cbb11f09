"""Processes that do pieces of work side by side, and stop, or die, together with the run that hired them.

Small models do not keep many threads busy: what a second thread adds to one training, a second training adds several
times over. So a run has few threads a process, and as many processes as the machine allows.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar

from pipeline.errors import InputError

MOST = 4
"""Processes at most, however many processors there are: each holds a model, and the ladder has four arms."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What numerical libraries read, once, when they are loaded."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def usual() -> int:
    """How many processes suit this machine: one a processor, but one alone where they would share a GPU."""
    return 1 if Path("/dev/nvidiactl").exists() else min(MOST, _processors())


def share_processors(jobs: int) -> None:
    """Give each of ``jobs`` processes its part of the processors, unless the user has said how many threads.

    The part does not depend on how much there is to do: another number of threads rounds otherwise, and a run that is
    taken up again must end in the same bytes.
    """
    if jobs > 1:
        for name in THREADS:
            os.environ.setdefault(name, str(max(1, _processors() // jobs)))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Up to ``jobs`` processes, hired when there are two tasks or more, dismissed at the end of the ``with``."""

    def __init__(self, jobs: int, settle_in: Callable[[], None] | None = None) -> None:
        self.jobs, self.settle_in = jobs, settle_in
        self.pool: ProcessPoolExecutor | None = None
        self.stopping: Any = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.pool is None:
            return
        if kind is not None:
            self.stopping.set()
            for process in multiprocessing.active_children():
                process.terminate()  # a training saves its checkpoint first
        self.pool.shutdown(cancel_futures=True)

    def do(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Results in the order of the tasks; the first failure of any ends it all.

        With one job, or one task, it is done here and now, task by task as results are asked for.

        Raises:
            InputError: a process was killed.
        """
        if self.jobs < 2 or len(tasks) < 2:
            yield from map(work, tasks)
            return
        if self.pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks, held or not
            self.stopping = context.Event()
            start = (self.stopping, context.Value("i", 0), self.settle_in)
            self.pool = ProcessPoolExecutor(self.jobs, context, _arrive, start)
        futures = [self.pool.submit(_do, work, task) for task in tasks]
        try:
            for future in futures:
                while not future.done():
                    _raise_failures(wait([each for each in futures if not each.done()], None, FIRST_COMPLETED).done)
                yield future.result()
        except BrokenProcessPool:
            raise InputError(
                "a process was killed, perhaps for want of memory; free some, or run fewer side by side with JOBS=1"
            ) from None


def _raise_failures(done: set[Future[Any]]) -> None:
    for future in done:
        future.result()


_stopping: Any = None
"""In a process of a crew: the event that says that no more work is to be begun."""


def _arrive(stopping: Any, count: Any, settle_in: Callable[[], None] | None) -> None:
    """What a process does first: its bars get a line of their own, and it will not outlive its employer."""
    global _stopping
    _stopping = stopping
    with count.get_lock():
        os.environ["TQDM_POSITION"] = str(count.value)
        count.value += 1
    _idle()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if settle_in is not None:
        settle_in()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # also after kill -9 of the parent: its lock is free, and nobody may go on writing


def _do(work: Callable[[Task], Result], task: Task) -> Result:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if _stopping.is_set():  # only now, when a signal that comes after it would be heard
            raise SystemExit(1)
        return work(task)
    finally:
        _idle()


def _idle() -> None:
    """Between tasks signals are the parent's affair: a process killed there would take the queue's lock with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)  # unwinds like Ctrl-C, so that a stage can save what it has
