"""One measurement in a process of its own: ``python -m tests.benchmarks.measured <folder> '<json>'`` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import ours, peers, workload
from tests.benchmarks.spec import Spec, Work

SIDES: dict[tuple[str, str], Callable[[Spec], Work]] = {
    ("tune", "ours"): ours.tune,
    ("tune", "a"): peers.tune,
    ("tune", "b"): peers.tune,
    ("dapt", "ours"): ours.dapt,
    ("dapt", "a"): peers.dapt,
    ("dapt", "b"): peers.dapt,
    ("pairs", "ours"): ours.pairs,
    ("pairs", "a"): peers.minicons_pairs,
    ("pairs", "b"): peers.plain_pairs,
    ("predict", "ours"): ours.predict,
    ("predict", "a"): peers.predict,
    ("tokenise", "ours"): ours.tokenise,
    ("tokenise", "a"): peers.tokenise,
    ("tokenise", "b"): peers.tokenise,
    ("ranks", "ours"): ours.tune,
    ("ranks", "a"): ours.tune_shared,
    ("prepare", "ours"): ours.prepare,
    ("tasks", "ours"): ours.local_tasks,
    ("tasks", "a"): ours.ray_tasks,
    ("all", "ours"): ours.story,
    ("all", "a"): ours.story,
}
RATE_TOKENS, RATE_SECONDS, RATE_BLOCKS = 1024, 0.05, 5


def cpu_seconds() -> float:
    """Of this process and the children it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_mb() -> float:
    """The most memory that this process, or one child of it, held at once [MB]; mapped files count."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit


def own_mb() -> float | None:
    """What the process holds now apart from mapped files [MB]; None where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), None)


def rate(hidden: int, intermediate: int, bf16: bool) -> float:
    """Operations a CPU second of the products of one layer (four square, two of the feed-forward), median of blocks."""
    import torch

    kind = torch.bfloat16 if bf16 else torch.float32
    narrow, wide = (torch.randn(RATE_TOKENS, size).to(kind) for size in (hidden, intermediate))
    square, up, down = (
        torch.randn(shape).to(kind) for shape in ((hidden, hidden), (hidden, intermediate), (intermediate, hidden))
    )
    layer = 2.0 * RATE_TOKENS * hidden * (4 * hidden + 2 * intermediate)
    found = []
    for _ in range(RATE_BLOCKS + 1):
        done, start = 0, time.process_time()
        while time.process_time() - start < RATE_SECONDS:
            for _ in range(4):
                torch.matmul(narrow, square)
            torch.matmul(narrow, up)
            torch.matmul(wide, down)
            done += 1
        found.append(layer * done / (time.process_time() - start))
    return median(found[1:])  # the first block meets cold caches


def measure(spec: Spec, shape: list[int]) -> dict[str, Any]:
    """Do the work once; what it cost without imports, and what this machine's matrix products reach beside it."""
    from pipeline.learning.loop import use_bf16

    work = SIDES[spec.task, spec.side](spec)
    cpu, wall = cpu_seconds(), time.perf_counter()
    told = work()
    cost = {"cpu_seconds": cpu_seconds() - cpu, "wall_seconds": time.perf_counter() - wall}
    memory = {"peak_mb": peak_mb(), "own_mb": own_mb()}
    bf16 = spec.task in ("tune", "dapt") and use_bf16(spec.precision)  # scoring is always in float32
    return (
        {"updates": None, "dev_macro_recall": None}
        | cost
        | memory
        | told
        | {"rate": rate(shape[1], shape[2], bf16), "bf16": bf16}
    )


def answer(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Write a workload to the folder, or measure one side on the one that is there."""
    if "count" in asked:
        return workload.write(folder, **asked)
    return measure(Spec(folder=folder, **asked["spec"]), asked["shape"])


if __name__ == "__main__":
    print(json.dumps(answer(Path(sys.argv[1]), json.loads(sys.argv[2]))))
