"""Tasks of a Ray cluster (extra ``ray``): the one that ``RAY_ADDRESS`` names, or one of this machine alone.

The run stays where it was begun, with its report; machines of the cluster make artifacts in the store that all of them
see. They need Retone where Python finds it, and the folder in which the run was begun.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.common.errors import InputError
from pipeline.common.extras import need
from pipeline.machine.workers import THREADS, LostTaskError

Task = TypeVar("Task")
log = logging.getLogger(__name__)
TRIES = 4
"""How often a task is begun whose worker, or machine, dies."""
STOP_SECONDS = 60
"""How long tasks have to save what they have, when the run is stopped."""
PASSED_ON = (*THREADS, "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM", "TRANSFORMERS_VERBOSITY", "HF_HUB_OFFLINE")
"""Of the run's environment, what tasks have, too."""


class RayTasks:
    """Up to ``jobs`` tasks, by default as many as the cluster has room for: ``Workers``.

    A task whose worker dies is begun again, from its last checkpoint. ``initializer`` is called before each.
    ``lasting``, tasks are done by actors, which hold what they take, and what they have loaded, until the end.
    """

    def __init__(
        self,
        jobs: int | None = None,
        initializer: Callable[[], None] | None = None,
        lasting: bool = False,
        *,
        cpus: float = 1,
        gpus: float = 0,
        memory: float = 0,
    ) -> None:
        """See the class.

        Args:
            cpus: that a task takes, and as many threads.
            gpus: that a task takes; a part is a share of one.
            memory: GB that a task takes.
        """
        need("ray", "ray", who="--engine ray")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self.ray, self.jobs, self.initializer, self.lasting = ray, jobs, initializer, lasting
        self.each = {name: part for name, part in (("CPU", cpus), ("GPU", gpus), ("memory", memory * 1e9)) if part}
        self.begun: list[tuple[Any, Any, Callable[[], Any], int]] = []
        """Each pending task, its promised result, what begins it again, and how often it was begun."""
        self.idle: list[Any] = []
        self.busy: dict[Any, Any] = {}
        """Actors without a task; and of each promised result who makes it."""
        self.own = False

    def __enter__(self) -> RayTasks:
        self.own = not self.ray.is_initialized()
        if self.own:
            earlier = signal.getsignal(signal.SIGTERM)
            address = os.environ.get("RAY_ADDRESS") or "local"
            try:
                self.ray.init(address, include_dashboard=False if address == "local" else None, logging_level="ERROR")
            except Exception as error:  # of many kinds, a plain one among them
                told = (str(error).splitlines() or [type(error).__name__])[0]
                where = "could be started here" if address == "local" else f"at {address}"
                raise InputError(f"--engine ray: no cluster {where} ({told}); RAY_ADDRESS names one") from error
            finally:
                signal.signal(signal.SIGTERM, earlier)  # Ray puts its own in the place of ours
        if self.jobs is None and not self._room():
            self.__exit__(InputError, None, None)
            wanted = ", ".join(f"{part:g} {name}" for name, part in self.each.items())
            raise InputError(
                f"--engine ray: no machine of the cluster has {wanted}; ask for less, or say how many JOBS"
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any, /) -> None:
        promised = [promise for _, promise, *_ in self.begun]
        for actor in (*self.idle, *self.busy.values()):
            self.ray.kill(actor)
        for promise in promised:
            self.ray.cancel(promise)  # as Ctrl-C: a training saves its checkpoint first
        if promised:
            self.ray.wait(promised, num_returns=len(promised), timeout=STOP_SECONDS)
        for held in (self.begun, self.idle, self.busy):
            held.clear()
        if self.own:
            self.ray.shutdown()

    @property
    def free(self) -> int:
        """How many more tasks can be begun now."""
        return max(0, (self.jobs or max(1, self._room())) - len(self.begun))

    @property
    def pending(self) -> list[Any]:
        """The tasks that were begun and are not finished, the oldest first."""
        return [task for task, *_ in self.begun]

    def begin(self, work: Callable[[Task], Any], tasks: Sequence[Task]) -> None:
        """Hand out tasks, at most as many as are ``free``."""
        here = str(Path.cwd()), {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        for task in tasks:
            start = partial(self._start, work, task, here, self.initializer)
            self.begun.append((task, start(), start, 1))

    def _start(self, *what: Any) -> Any:
        """Have ``_perform`` called with that, and return the promise of its result."""
        names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
        takes = {name: self.each.get(part, 0) for name, part in names.items()}
        if not self.lasting:  # retries are made here, where they can be told
            return self.ray.remote(**takes, max_retries=0)(_perform).remote(*what)
        actor = self.idle.pop() if self.idle else self.ray.remote(**takes)(_Performer).remote()
        promise = actor.perform.remote(*what)
        self.busy[promise] = actor
        return promise

    def finished(self) -> list[tuple[Any, Any]]:
        """Wait until one of the tasks is done; return it with its result.

        Raises:
            LostTaskError: the workers of a task died again and again. The failure of a task is raised as it is.
        """
        while True:
            promised = [promise for _, promise, *_ in self.begun]
            (first,), _ = self.ray.wait(promised)
            task, promise, start, tries = self.begun.pop(promised.index(first))
            actor = self.busy.pop(promise, None)
            try:
                result = self.ray.get(promise)
                if actor is not None:
                    self.idle.append(actor)
                return [(task, result)]
            except self.ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, Exception) else error) from None
            except self.ray.exceptions.RayError as error:
                why = type(error).__name__
                if tries == TRIES:
                    raise LostTaskError(
                        task,
                        f"--engine ray: the workers of a task died {TRIES} times ({why}), perhaps for want of "
                        "memory; let it take more (memory=), or find the cause in Ray's logs",
                    ) from error
                log.warning("a worker died (%s); its task is begun again, from its last checkpoint", why)
                self.begun.append((task, start(), start, tries + 1))

    def _room(self) -> int:
        """How many tasks the machines of the cluster hold at a time."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return sum(int(min(node.get(name, 0) / part for name, part in self.each.items())) for node in nodes)


def _perform(
    work: Callable[[Task], Any], task: Task, here: tuple[str, dict[str, str]], initializer: Callable[[], None] | None
) -> Any:
    """What a machine of the cluster does, in the run's folder and environment."""
    folder, environment = here
    os.environ.update(environment)
    try:
        os.chdir(folder)
    except OSError as error:
        raise InputError(
            f"host {socket.gethostname()}: no folder {folder} there ({error.strerror}); "
            "begin the run in a folder that all machines share"
        ) from None
    if initializer is not None:
        initializer()
    return work(task)


class _Performer:
    """An actor's part: the same, task after task, in one process."""

    def perform(self, *what: Any) -> Any:
        return _perform(*what)
