"""Where a Ray task makes a stage (``--engine ray``), the other ranks of its training are tasks, too, wherever is room.

They take what that task takes, and are placed all at once or not at all (a placement group). Rank 0 stays the task that
asked. Not Ray Train's TorchTrainer: docs/design/house.md says why.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError

ROOM_SECONDS = 600.0
"""How long there may be no room for them: other tasks end, a cluster may grow."""
PASSED_ON = ("OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM", "TRANSFORMERS_VERBOSITY", "HF_HUB_OFFLINE")
"""Of rank 0's environment, what the others have, too."""


def inside() -> bool:
    """Whether this process is doing a Ray task."""
    ray: Any = sys.modules.get("ray")
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().get_task_id() is not None


def address() -> str:
    """Of this machine, as the others of the cluster know it."""
    import ray

    return str(ray.util.get_node_ip_address())


class Placed:
    """A rank that is a Ray task, and what ``multiprocessing`` would tell of it as a process."""

    def __init__(self, promise: Any, group: Any) -> None:
        self._promise, self._group = promise, group

    @property
    def exitcode(self) -> int | None:
        """None while it runs; below 0 where whoever did it died."""
        import ray

        if not ray.wait([self._promise], timeout=0)[0]:
            return None
        try:
            ray.get(self._promise)
        except ray.exceptions.RayTaskError:
            return 1
        except ray.exceptions.RayError:
            return -signal.SIGKILL
        return 0

    def join(self) -> None:
        """Wait for its end."""
        import ray

        ray.wait([self._promise])

    def kill(self) -> None:
        """End it at once, and let go of the room that was kept for all of them."""
        import ray

        ray.cancel(self._promise, force=True)
        ray.util.remove_placement_group(self._group)


def start(work: Callable[..., None], processes: int, port: int, threads: int) -> list[Placed]:
    """Begin ranks 1 to ``processes`` - 1, which do ``work`` (``ranks.beside``) and find rank 0 here at ``port``.

    Raises:
        InputError: there was no room for them.
    """
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    takes = ray.get_runtime_context().get_assigned_resources()
    group = ray.util.placement_group([takes] * (processes - 1))
    if not group.wait(ROOM_SECONDS):
        ray.util.remove_placement_group(group)
        each = ", ".join(f"{part:g} {name}" for name, part in takes.items())
        raise InputError(
            f"compute.processes: {processes - 1} more with {each} each found no room in the cluster; lower it, or "
            "begin fewer arms side by side (JOBS)"
        )
    begin = ray.remote(
        num_cpus=takes.get("CPU", 0),
        num_gpus=takes.get("GPU", 0),
        memory=takes.get("memory"),
        max_retries=0,
        max_calls=1,  # its process ends with it: it has become deaf to signals
        scheduling_strategy=PlacementGroupSchedulingStrategy(group),
    )(_elsewhere).remote
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    there = str(Path.cwd()), environment, pickle.dumps(work)
    return [Placed(begin(*there, place, processes, address(), port, threads), group) for place in range(1, processes)]


def _elsewhere(folder: str, environment: dict[str, str], work: bytes, *given: Any) -> None:
    """Do what is pickled apart: as it is unpickled torch is imported, which reads the environment there and then."""
    os.environ.update(environment)
    os.chdir(folder)
    pickle.loads(work)(*given)
