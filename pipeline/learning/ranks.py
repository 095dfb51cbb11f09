"""One training by several processes, its ranks: each reads a shard of every planned batch, all make the same update.

Data-parallel training (Li et al. 2020, "PyTorch Distributed", section 3.2) without DistributedDataParallel, which knows
neither weights that begin to learn later nor updates of several forward passes, and averages means: here gradients are
summed, of losses that are parts of one mean (``shards``). On each rank Trainer believes itself alone: it counts steps
and reads the plan as it always does. Rank 0 is the process that asked for the training: it alone decides, writes and
hears signals; what others make is dropped.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # if later, its defaults hold the group and its threads for good
from torch import Tensor, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from pipeline.common.errors import InputError
from pipeline.common.processes import end_with_parent
from pipeline.learning import ray_ranks

T = TypeVar("T")
FOREVER = timedelta(days=1000)
"""Ranks wait for each other: a dead one is seen by its closed connection, a slow one is no error."""
LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells; processes that rank 0 starts, and libraries, are not to believe that it is meant for them."""

_size = 1
Other = BaseProcess | ray_ranks.Placed


def size() -> int:
    """How many ranks share the training that is under way; 1 outside of one."""
    return _size


def rank() -> int:
    """Which of them this process is."""
    return dist.get_rank() if _size > 1 else 0


def total(part: Tensor) -> Tensor:
    """The sum over ranks, in its place; the same bits on each."""
    if _size > 1:
        dist.all_reduce(part)
    return part


def agreed(said: T) -> T:
    """What rank 0 says. Each rank waits here for it."""
    if _size == 1:
        return said
    told = [said]
    dist.broadcast_object_list(told, 0, device=torch.device("cpu"))
    return told[0]


def same_weights(model: nn.Module) -> None:
    """Have all ranks start from rank 0's weights and buffers."""
    for part in model.state_dict().values() if _size > 1 else ():
        dist.broadcast(part, 0)


def sum_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Put in the place of each gradient its sum over ranks; a weight that has none on any of them still has none."""
    if _size == 1:
        return
    learn = [weight for weight in weights if weight.requires_grad]
    parts = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in learn]
    there = learn[0].new_tensor([weight.grad is not None for weight in learn])
    summed = total(torch.cat([*(part.flatten() for part in parts), there]))
    gradients = torch.split(summed, [*(part.numel() for part in parts), len(learn)])
    for weight, gradient, any_rank in zip(learn, gradients[:-1], gradients[-1].tolist(), strict=True):
        weight.grad = gradient.view_as(weight) if any_rank else None


def together(processes: int, work: Callable[..., T], *given: Any) -> T:
    """``work(*given)`` by so many ranks, this process and others like it; returns what it gives here.

    The others are those that torchrun has begun, or tasks of a Ray cluster where this is one (``ray_ranks``), or are
    started on this machine, each on a GPU of its own where there are any. ``work`` is a function of a module, and what
    it is given can be pickled.

    Raises:
        InputError: there are not as many processes, or GPUs; or one was killed. What ``work`` raises is raised here.
    """
    if processes == 1:
        return work(*given)
    started = [] if dist.is_initialized() else _start(processes)
    global _size
    threads = torch.get_num_threads()
    try:
        if dist.get_world_size() != processes:
            raise InputError(
                f"compute.processes: {processes} are asked for, and torchrun has begun {dist.get_world_size()}; let "
                "the two numbers be the same, or leave out torchrun"
            )
        torch.set_num_threads(_threads(processes))
        _size = processes
        agreed((work, given))
        return work(*given)
    except InputError:
        raise
    except Exception as error:
        if not started:
            dist.destroy_process_group()  # or those of torchrun would wait for what rank 0 was about to say
        if _one_failed(started):
            raise _explained(started) from error
        raise
    finally:
        _size = 1
        torch.set_num_threads(threads)
        for process in started:
            process.kill()
            process.join()
        if started:
            dist.destroy_process_group()


def _threads(processes: int) -> int:
    """Of each rank: tasks of Ray have processors of their own, processes of one machine share them."""
    return torch.get_num_threads() if ray_ranks.inside() else max(1, torch.get_num_threads() // processes)


def _one_failed(started: Sequence[Other]) -> bool:
    """Whether another rank has ended by a fault; that it no longer answers may be seen before that."""
    until = time.monotonic() + (10 if ray_ranks.inside() else 5)
    while started and all(process.exitcode is None for process in started) and time.monotonic() < until:
        time.sleep(0.05)
    return any(process.exitcode for process in started)


def _explained(started: Iterable[Other]) -> Exception:
    if any((process.exitcode or 0) < 0 for process in started):
        return InputError(
            "a process of the training was killed, perhaps for want of memory; free some, or lower compute.processes"
        )
    return RuntimeError("a process of the training has failed; its traceback is above")


def _start(processes: int) -> list[Other]:
    """Start the other ranks and join them."""
    host = ray_ranks.address() if ray_ranks.inside() else "127.0.0.1"
    store = TCPStore(host, 0, processes, True, FOREVER, wait_for_workers=False)
    start = partial(ray_ranks.start, beside) if ray_ranks.inside() else _start_here
    started: list[Other] = [*start(processes, store.port, _threads(processes))]
    try:
        while not store.check([f"up {place}" for place in range(1, processes)]):
            if any(process.exitcode is not None for process in started):
                raise _explained(started)
            time.sleep(0.05)
        dist.init_process_group(store=store, rank=0, world_size=processes, timeout=FOREVER)
    except BaseException:
        for process in started:
            process.kill()
        raise
    return started


def _start_here(processes: int, port: int, threads: int) -> list[BaseProcess]:
    """Start ranks 1 and up on this machine."""
    gpus = torch.cuda.device_count()
    if 0 < gpus < processes:
        raise InputError(f"compute.processes: {processes} need a GPU each, and there are {gpus}; lower it")
    context, started = multiprocessing.get_context("spawn"), []
    signals = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # signals are rank 0's affair, from the first moment on
    try:
        for place in range(1, processes):
            start = (place, processes, "127.0.0.1", port, threads)
            started.append(context.Process(target=_beside_here, args=start, daemon=True))
            started[-1].start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return list(started)


def _beside_here(place: int, *rest: Any) -> None:
    end_with_parent()
    _take_gpu(place)
    try:
        beside(place, *rest)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # gloo's threads would outlive the interpreter, and end it by an abort, which looks like a kill


def beside(place: int, processes: int, host: str, port: int, threads: int) -> None:
    """A rank above 0, until rank 0 has nothing more for it to do, or ends it."""
    torch.set_num_threads(threads)
    store = TCPStore(host, port, processes, False, FOREVER)
    store.set(f"up {place}", "")
    dist.init_process_group(store=store, rank=place, world_size=processes, timeout=FOREVER)
    _serve()


def _take_gpu(place: int) -> None:
    """Have this process see one GPU of those that it may see, if there are any."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(place)
    elif place < len(seen.split(",")):
        os.environ["CUDA_VISIBLE_DEVICES"] = seen.split(",")[place]


def _serve() -> None:
    """Do what rank 0 says until it says nothing more; keep silent."""
    global _size
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.disable(logging.WARNING)
    _size = dist.get_world_size()
    while (task := agreed(None)) is not None:
        work, given = task
        with suppress(KeyboardInterrupt, InputError):  # rank 0 raises the same
            work(*given)


def launched(command: Callable[[], int]) -> int:
    """What a process of torchrun does: rank 0 the ``command``, others what it asks of them; returns the exit code."""
    global _size
    _take_gpu(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(timeout=FOREVER)
    for name in LAUNCHED:
        os.environ.pop(name, None)
    os.environ["RETONE_JOBS"] = "1"  # arms side by side would be in processes that have no part in this
    try:
        if dist.get_rank():
            _serve()
            return 0
        try:
            return command()
        finally:
            if dist.is_initialized():
                _size = dist.get_world_size()
                agreed(None)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()  # gloo's threads must not outlive the interpreter: that ends in an abort
