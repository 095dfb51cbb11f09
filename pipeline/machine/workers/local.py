"""Processes of this machine, which stop, or die, together with the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.processes import end_with_parent
from pipeline.machine.workers import default_jobs

Task = TypeVar("Task")
Result = TypeVar("Result")


class LocalProcesses:
    """Up to ``jobs`` processes of this machine, started when there are two tasks at a time: ``Workers``.

    ``initializer``, a function of a module, is called first in each of them.
    """

    def __init__(self, jobs: int | None = 1, initializer: Callable[[], None] | None = None) -> None:
        self.jobs, self.initializer = jobs or default_jobs(), initializer
        self.pool: ProcessPoolExecutor | None = None
        self.stopping: Any = None
        self.begun: list[tuple[Any, Any]] = []
        """Each pending task and its future; or, of one that is done here, what does it."""

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any, /) -> None:
        if self.pool is None:
            return
        if kind is not None:
            self.stopping.set()
            # Not all children: a program that calls Retone may have others. (`terminate_workers` is of Python 3.14.)
            for process in list((self.pool._processes or {}).values()):
                process.terminate()  # a training saves its checkpoint first
        self.pool.shutdown(cancel_futures=True)

    @property
    def free(self) -> int:
        """How many more tasks can be begun now."""
        return self.jobs - len(self.begun)

    @property
    def pending(self) -> list[Any]:
        """The tasks that were begun and are not finished, the oldest first."""
        return [task for task, _ in self.begun]

    def begin(self, work: Callable[[Task], Any], tasks: Sequence[Task]) -> None:
        """Hand out tasks, at most as many as are ``free``; one with none beside it is done here, when it is waited for.

        Raises:
            InputError: a process was killed.
        """
        if len(tasks) == 1 and not self.begun:
            self.begun.append((tasks[0], partial(work, tasks[0])))
            return
        if tasks and self.pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks, held or not
            self.stopping = context.Event()
            start = (self.stopping, context.Value("i", 0), self.initializer)
            self.pool = ProcessPoolExecutor(self.jobs, context, _initialize, start)
        with _killed_is_one_line():
            self.begun += [(task, self.pool.submit(_perform, work, task)) for task in tasks if self.pool]

    def finished(self) -> list[tuple[Any, Any]]:
        """Wait until one of the tasks is done; return what is done now with its results, in the order of the tasks.

        Raises:
            InputError: a process was killed. The first failure of any task is raised as it is.
        """
        task, doing = self.begun[0]
        if not isinstance(doing, Future):
            del self.begun[0]
            return [(task, doing())]
        done = wait([future for _, future in self.begun], None, FIRST_COMPLETED).done
        over = [(task, future) for task, future in self.begun if future in done]
        self.begun = [(task, future) for task, future in self.begun if future not in done]
        with _killed_is_one_line():
            return [(task, future.result()) for task, future in over]


@contextmanager
def _killed_is_one_line() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            "a process was killed, perhaps for want of memory; free some, or run fewer side by side with "
            f"{'--jobs 1' if program.installed() else 'JOBS=1'}"
        ) from None


_stopping: Any = None
"""In a worker process: the event that says that no more work is to be begun."""


def _initialize(stopping: Any, count: Any, initializer: Callable[[], None] | None) -> None:
    """What a process does first: its bars get a line of their own, and it will not outlive its parent."""
    global _stopping
    _stopping = stopping
    with count.get_lock():
        os.environ["TQDM_POSITION"] = str(count.value)
        count.value += 1
    _ignore_signals()
    end_with_parent()
    if initializer is not None:
        initializer()


def _perform(work: Callable[[Task], Result], task: Task) -> Result:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if _stopping.is_set():  # only now, when a signal that comes after it would be heard
            raise SystemExit(1)
        return work(task)
    finally:
        _ignore_signals()


def _ignore_signals() -> None:
    """Between tasks signals are the parent's affair: a process killed there would take the queue's lock with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)  # unwinds like Ctrl-C, so that a stage can save what it has
