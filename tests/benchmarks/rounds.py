"""Measuring: every side of a case once a round, each time in a process of its own, the order turned round by round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks import arithmetic
from tests.benchmarks.arithmetic import Count, Shape
from tests.benchmarks.cases import LINEAR, MAKE_ALL, Case
from tests.benchmarks.workload import MAX_LENGTH

ROOT = Path(__file__).parents[2]
LINEAR_MEGABYTES = 64
"""Memory for states in ``linear``: less than the fewest texts take, so that all of it shows what lies beyond."""

Record = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How much is measured, and how."""

    rounds: int = 3
    texts: int = 1000
    epochs: int = 2
    batch_size: int = 32
    precision: str = "auto"
    threads: int = 1
    toy: bool = False
    against: str | None = None
    """Another checkout of this project, which ``make all`` is held against."""


def child(folder: Path, threads: int, **asked: Any) -> dict[str, Any]:
    """What ``tests.benchmarks.measured`` answers.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    quiet = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    quiet |= {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true", "HF_DATASETS_CACHE": str(folder)}
    command = [sys.executable, "-m", "tests.benchmarks.measured", str(folder), json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{asked} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def turned(sides: tuple[str, ...], number: int) -> tuple[str, ...]:
    """The sides in the order of a round: each comes first in turn, so that none always meets a warm machine."""
    start = number % len(sides)
    return sides[start:] + sides[:start]


def measure(case: Case, folder: Path, work: dict[str, Any], options: Options, say: Say, **more: Any) -> Record:
    """A case's record: its figures, and what they were measured on."""
    reason = missing(case, options)
    sides = tuple(side for side in case.sides if side != "a" or reason is None)
    shape, counts = Shape(*work["shape"]), work["counts"]
    frozen = int(case.frozen * shape.layers)
    spec = {"task": case.task, "counts": counts, "frozen": frozen, "max_length": MAX_LENGTH}
    spec |= {name: getattr(options, name) for name in ("epochs", "batch_size", "precision")} | more
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(options.rounds):
        for side in turned(sides, number):
            asked = spec | {"side": side, "seed": number, "checkout": options.against if side == "a" else None}
            run = child(folder, options.threads, spec=asked, shape=work["shape"])
            runs[side].append(run | {"tokens": tokens(case, counts, options.epochs)})
            say(f"{case.name}, round {number + 1}, {side}: {run['cpu_seconds']:.2f} CPU seconds")
    record = arithmetic.summary(runs, operations(case, shape, frozen, counts, options.epochs))
    peers = {"a": case.a, "b": case.b, "skipped": [f"a: {reason}"] if reason else []}
    peers |= {"per": case.per, "rows": counts[case.task]["rows"] if case.per else None}
    return {"name": case.name, **record, **peers, "bf16": runs["ours"][0]["bf16"], **asdict(options)} | {
        key: work[key] for key in ("model", "source")
    }


def missing(case: Case, options: Options) -> str | None:
    """Why a case has to do without its peer ``a``, if it has."""
    if case.a == "minicons" and not find_spec("minicons"):
        return "minicons is not installed"
    if case.task == "tasks" and not find_spec("ray"):
        return "Ray is not installed"
    return "no other version is named by --against" if case is MAKE_ALL and not options.against else None


def tokens(case: Case, counts: dict[str, dict[str, int]], epochs: int) -> int:
    """Tokens that the work reads, padding not counted: trained on in all epochs, hidden copies, or lines."""
    parts = {"tune": "reviews_train", "ranks": "reviews_train", "dapt": "informal_train", "tokenise": "lines"}
    part = case.task if case.task in counts else parts.get(case.task)
    return counts[part]["tokens"] * (epochs if case.task in ("tune", "ranks", "dapt") else 1) if part else 0


def operations(case: Case, shape: Shape, frozen: int, counts: dict[str, dict[str, int]], epochs: int) -> float:
    """Operations that the work needs (see ``arithmetic``); 0 where it has no matrix products, or nobody counts."""
    count = {name: Count(**part) for name, part in counts.items()}
    if case.task in ("tune", "ranks"):
        return arithmetic.tune_operations(shape, frozen, epochs, count["reviews_train"], count["reviews_dev"])
    if case.task == "dapt":
        return arithmetic.dapt_operations(shape, epochs, count["informal_train"], count["informal_dev"])
    if case.task == "predict":
        return arithmetic.labelling_operations(shape, count["predict"])
    return arithmetic.pairs_operations(shape, count["pairs"]) if case.task == "pairs" else 0.0


def workload(folder: Path, options: Options, count: int) -> dict[str, Any]:
    """Have the work written to a folder."""
    return child(folder, options.threads, count=count, toy=options.toy)


def linear(options: Options, smallest: int, say: Say) -> Record:
    """Tuning above a frozen prefix on twice as many texts each time, and a straight line through what it costs."""
    points: list[dict[str, float]] = []
    record: Record = {}
    count = smallest
    while count <= max(options.texts, 2 * smallest):
        with TemporaryDirectory() as place:
            work = workload(Path(place), options, count)
            record = measure(LINEAR, Path(place), work, options, say, memory_megabytes=LINEAR_MEGABYTES)
        ours, found = record["sides"]["ours"], work["counts"]["reviews_train"]
        if points and found["rows"] == points[-1]["texts"]:
            break  # the corpora hold no more
        points.append(
            {
                "texts": found["rows"],
                "tokens": found["tokens"],
                "cpu_seconds": ours["cpu_seconds"]["median"],
                "peak_mb": ours["peak_mb"],
                "own_mb": ours["own_mb"],
            }
        )
        count *= 2
    fit = arithmetic.line([point["tokens"] for point in points], [point["cpu_seconds"] for point in points])
    return record | {"points": points, "fit": fit, "memory_megabytes": LINEAR_MEGABYTES}
