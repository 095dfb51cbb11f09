"""The arithmetic of a benchmark: operations that the work needs, medians, ratios, a straight line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression, median, stdev
from typing import Any

Run = Mapping[str, Any]
"""What one process measured: ``cpu_seconds``, ``wall_seconds``, ``peak_mb``, ``rate`` and what its work tells."""

MASKED = 0.15
"""Share of the pieces that is predicted in DAPT."""


@dataclass(frozen=True)
class Shape:
    """A BERT's sizes."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int


@dataclass(frozen=True)
class Count:
    """Texts, and their tokens with [CLS] and [SEP]."""

    rows: int
    tokens: int


def passes(shape: Shape, tokens: float, read: float, first: int, end: int, *, alone: bool = False) -> float:
    """Operations of one forward pass through layers ``first`` to ``end - 1``: 2 for each weight and token.

    Of the model's last layer only the ``read`` positions need query, output and feed-forward, and all tokens keys and
    values; but where a text is read at one position ``alone``, their matrices meet that position only (see
    ``pipeline.models.encoder``). Attention's own products are left out: at 30 tokens they are 1% of a layer that
    reads all of them, and as much as is counted of one read at a single position.
    """
    square, forward = shape.hidden**2, 2 * shape.hidden * shape.intermediate
    layers = 2.0 * (4 * square + forward) * tokens * (min(end, shape.layers - 1) - first)
    if end < shape.layers:
        return layers
    return layers + 2.0 * (2 * square * (read if alone else tokens) + (2 * square + forward) * read)


def tune_operations(shape: Shape, frozen: int, epochs: int, train: Count, dev: Count) -> float:
    """What tuning needs: the frozen layers once a text, the others in each epoch, with backward (2 x) in training."""
    total = sum(passes(shape, part.tokens, part.rows, 0, frozen) for part in (train, dev)) if frozen else 0.0
    for part, factor in ((train, 3), (dev, 1)):
        above = (
            passes(shape, part.tokens, part.rows, frozen, shape.layers, alone=True) + 2.0 * shape.hidden**2 * part.rows
        )
        total += epochs * factor * above
    return total


def dapt_operations(shape: Shape, epochs: int, train: Count, dev: Count) -> float:
    """What DAPT needs: last layer and vocabulary at the predicted positions alone."""
    total = 0.0
    for part, factor in ((train, 3), (dev, 1)):
        read = MASKED * (part.tokens - 2 * part.rows)
        total += epochs * factor * (passes(shape, part.tokens, read, 0, shape.layers) + _head(shape, read))
    return total


def pairs_operations(shape: Shape, queries: Count) -> float:
    """What scoring sentences needs: a forward pass for each hidden piece, and its one row of logits."""
    return passes(shape, queries.tokens, queries.rows, 0, shape.layers, alone=True) + _head(shape, queries.rows)


def labelling_operations(shape: Shape, texts: Count) -> float:
    """What telling classes needs: a forward pass read at [CLS], and the pooler."""
    return passes(shape, texts.tokens, texts.rows, 0, shape.layers, alone=True) + 2.0 * shape.hidden**2 * texts.rows


def _head(shape: Shape, rows: float) -> float:
    return 2.0 * rows * shape.hidden * (shape.hidden + shape.vocabulary)


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": median(values), "low": min(values), "high": max(values)}


def summary(runs: Mapping[str, Sequence[Run]], operations: float) -> dict[str, Any]:
    """One case's record: each side's figures over its runs, and how many times ours each peer's CPU seconds are.

    Args:
        runs: runs by side: ``ours``, and ``a`` and ``b`` where they were run.
        operations: what the work needs; 0: not counted.
    """
    rate = median(run["rate"] for each in runs.values() for run in each)  # of the case: one run's is a noisy measure
    sides = {side: _side(each, operations, rate) for side, each in runs.items()}
    seconds = {side: told["cpu_seconds"]["median"] for side, told in sides.items()}
    record: dict[str, Any] = {"ours_cpu_seconds": seconds["ours"]}
    record |= {f"peer_{side}_cpu_seconds": seconds.get(side) for side in ("a", "b")}
    record |= {f"ratio_{side}": seconds[side] / seconds["ours"] if side in seconds else None for side in ("a", "b")}
    told = [[run["dev_macro_recall"] for run in runs.get(side, ())] for side in ("ours", "a")]
    if all(some and None not in some for some in told):
        record["recall_ours_less_a"] = difference(*told)
    return record | {"sides": sides, "operations": operations}


def _side(runs: Sequence[Run], operations: float, rate: float) -> dict[str, Any]:
    told: dict[str, Any] = {name: middle([run[name] for run in runs]) for name in ("cpu_seconds", "wall_seconds")}
    told["peak_mb"] = max(run["peak_mb"] for run in runs)
    told["own_mb"] = runs[0]["own_mb"]
    told["tokens_per_cpu_second"] = median(run["tokens"] / run["cpu_seconds"] for run in runs)
    told["updates"] = runs[0]["updates"]
    told["rate"] = rate
    told["share_of_rate"] = operations / told["cpu_seconds"]["median"] / rate or None
    told["dev_macro_recall"] = [run["dev_macro_recall"] for run in runs]
    return told


def difference(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float | None]:
    """Mean of ours less theirs, seed by seed, and its standard error (None of a single seed)."""
    found = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    return {"mean": fmean(found), "error": stdev(found) / len(found) ** 0.5 if len(found) > 1 else None}


def line(tokens: Sequence[float], seconds: Sequence[float]) -> dict[str, float]:
    """The straight line through cost by tokens, and the furthest that a point lies from it, as a share of the point."""
    slope, start = linear_regression(tokens, seconds)
    off = max(abs(start + slope * x - y) / y for x, y in zip(tokens, seconds, strict=True))
    return {"seconds_per_1000_tokens": 1000 * slope, "seconds_at_0": start, "furthest_off": off}
