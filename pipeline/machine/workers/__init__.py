"""Who makes arms and seeds side by side: what a run asks of any engine, and the engines there are.

local  processes of this machine
ray    tasks of a Ray cluster, each with the resources that are asked for: ray:cpus=2,gpus=1,memory=8

Small models do not keep many threads busy: what a second thread adds to one training, a second training adds several
times over. So a run has few threads a process, and as many processes as the machine allows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pipeline.common.errors import InputError

MAX_JOBS = 4
"""Processes at most, however many processors there are: each holds a model, and the ladder has four arms."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What numerical libraries read, once, when they are loaded."""

ENGINES = {
    "local": "pipeline.machine.workers.local:LocalProcesses",
    "ray": "pipeline.machine.workers.ray_tasks:RayTasks",
}
"""Module and class of each, imported only where it is asked for; called with ``jobs``, ``initializer`` and numbers by
name, which are what a task takes; and with ``lasting`` where processes end with their task unless told otherwise."""

Task = TypeVar("Task")
Result = TypeVar("Result")


class LostTaskError(InputError):
    """Whoever was to do ``task`` died of it, again and again; other tasks go on."""

    def __init__(self, task: Any, why: str) -> None:
        super().__init__(why)
        self.task = task


def default_jobs() -> int:
    """How many processes suit this machine: one a processor, but one alone where they would share a GPU."""
    return 1 if Path("/dev/nvidiactl").exists() else min(MAX_JOBS, processors())


def limit_threads(jobs: int) -> None:
    """Give each of ``jobs`` processes its part of the processors, unless the user has said how many threads.

    The part does not depend on how much there is to do: another number of threads rounds otherwise, and a run that is
    taken up again must end in the same bytes.
    """
    if jobs > 1:
        for name in THREADS:
            os.environ.setdefault(name, str(max(1, processors() // jobs)))


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers(Protocol):
    """What a run needs of whoever does its work. Entered for a run; what is left goes no further than its end.

    A task and what does it can be pickled: they may be sent to another process, or another machine.
    """

    @property
    def free(self) -> int:
        """How many more tasks can be begun now."""

    @property
    def pending(self) -> Sequence[Any]:
        """The tasks that were begun and have not been returned as finished, the oldest first."""

    def begin(self, work: Callable[[Task], Any], tasks: Sequence[Task]) -> None:
        """Hand out tasks, at most as many as are ``free``."""

    def finished(self) -> list[tuple[Any, Any]]:
        """Wait until a task is done; return what is done now with its results.

        Raises what a task has raised; LostTaskError, where whoever does one died and no other suffered.
        """

    def __enter__(self) -> Workers: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any, /) -> bool | None: ...


def in_order(workers: Workers, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """What ``work`` makes of each task, in their order: one that is done before an earlier one waits for it.

    A task is asked for when there is room. Twice as many as are done at a time are held at most, so memory does not
    grow with their number.
    """
    rest, results, told = enumerate(tasks), dict[int, Result](), 0
    while True:
        at_a_time = workers.free + len(workers.pending)
        room = min(workers.free, 2 * at_a_time - len(workers.pending) - len(results))
        if some := list(islice(rest, max(0, room))):  # before the next is told: nobody waits for what is done with it
            workers.begin(partial(_of_numbered, work), some)
        if told in results:
            yield results.pop(told)
            told += 1
        elif workers.pending:
            results.update((number, result) for (number, _), result in workers.finished())
        else:
            return


def _of_numbered(work: Callable[[Task], Result], task: tuple[int, Task]) -> Result:
    return work(task[1])


def engine(
    name: str, jobs: int | None = None, initializer: Callable[[], None] | None = None, *, lasting: bool = False
) -> Workers:
    """The engine of that name, to do up to ``jobs`` tasks at a time; ``initializer`` is called first in each process.

    Processes of this machine share its processors out (``limit_threads``).

    Args:
        name: with what a task takes, if the engine can be told: ``ray:gpus=1``.
        jobs: None: as many as suit the engine.
        lasting: tasks find what an earlier one left in its process, such as a model. Local processes last anyway.

    Raises:
        InputError: no engine has that name, or it cannot be told so, or is not installed.
    """
    plain, _, told = name.partition(":")
    if plain not in ENGINES:
        raise InputError(f"--engine {name}: no such engine; there are: {', '.join(ENGINES)}")
    module, kind = ENGINES[plain].split(":")
    found = getattr(import_module(module), kind)
    known = [each for each, what in signature(found).parameters.items() if what.kind is what.KEYWORD_ONLY]
    takes = re.findall(r"(\w+)=(\d+(?:\.\d+)?)(?:,|$)", told)
    if ",".join(f"{each}={number}" for each, number in takes) != told or not {each for each, _ in takes} <= set(known):
        ways = f"a number each for {', '.join(known)}, as in {plain}:{known[0]}=1" if known else "nothing"
        raise InputError(f"--engine {name}: {plain} can be told {ways}")
    if plain == "local":  # another engine says itself how many threads a task has
        limit_threads(jobs or default_jobs())
    more = {"lasting": lasting} if "lasting" in signature(found).parameters else {}
    return cast(Workers, found(jobs, initializer, **more, **{each: float(number) for each, number in takes}))
