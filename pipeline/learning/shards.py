"""A rank's shard of a planned batch: every so manieth row, and what it counts for in each mean over the batch.

The whole batch is made on every rank, so that what is drawn for it (masks, tokens that are held) is what one process
draws. Rows of a batch are of rising length: dealt in turn, each rank has as much to do. Batches differ in rows, and
rows in hidden tokens: so a rank's mean is multiplied by its ``share`` of what the mean is of, and the sum over ranks is
the mean over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.models.batches import BatchPlan
from pipeline.models.masked_lm import IGNORED


def share(batch: Mapping[str, Any], counted: str) -> float:
    """Which part of a mean over the batch this rank's mean is: of its ``rows``, ``labels``, ``weights``, ``held``."""
    shares = batch.get("extra", {}).get("shares")
    return 1.0 if shares is None else shares[counted]


def sharded(plan: BatchPlan, rank: int, size: int) -> BatchPlan:
    """The plan of one of so many ranks; of one alone as it is."""
    if size == 1:
        return plan
    return BatchPlan(plan.batches, lambda rows, place: shard(plan.make(rows, place), rank, size))


def shard(batch: Mapping[str, Any], rank: int, size: int) -> dict[str, Any]:
    """What one of so many ranks reads of a batch, its padding cut.

    A rank for which there is no row reads the first one, and all its shares are 0.
    """
    mask: Tensor = batch["attention_mask"]
    own = torch.arange(rank, len(mask), size) if rank < len(mask) else torch.zeros(1, dtype=torch.int64)
    length = int(mask[own].sum(dim=1).max())
    moved = torch.full((len(mask),), -1)  # where each row has come to
    moved[own] = torch.arange(len(own))
    found: dict[str, Any] = {
        name: value[own][:, :length] if value.dim() > 1 else value[own]
        for name, value in batch.items()
        if isinstance(value, Tensor)
    }
    extra: dict[str, Any] = dict(batch.get("extra", {}))
    counts: dict[str, tuple[float, float]] = {"rows": (len(own), len(mask))}
    if "labels" in batch:
        counts["labels"] = _labelled(found), _labelled(batch)
    if "weights" in extra:
        whole, extra["weights"] = extra["weights"], extra["weights"][own]
        counts["weights"] = float(extra["weights"].sum()), float(whole.sum())
    if "emoji" in extra:
        rows, ids = extra["emoji"]
        mine = moved[rows] >= 0
        extra["emoji"] = moved[rows[mine]], ids[mine]
        counts["emoji"] = len(set(rows[mine].tolist())), len(set(rows.tolist()))
    if "places" in batch:
        kept, found["places"] = batch["places"].shard(moved)
        at = kept.cumsum(dim=0) - 1  # where each place has come to
        parts = batch.get("parts", ())
        found |= {"parts": tuple(at[part[kept[part]]] for part in parts)} if parts else {}
        for name in extra.keys() & {"held", "answers"}:  # one each of the places in the second part
            whole, extra[name] = extra[name], extra[name][kept[parts[1]]]
            counts[name] = len(extra[name]), len(whole)
        if "taught" in extra:
            answers, extra["taught"] = extra["taught"], extra["taught"].shard(own, moved, at)
            counts["taught"] = len(extra["taught"].last), len(answers.last)
    extra |= {name: shard(value, rank, size) for name, value in extra.items() if isinstance(value, dict)}
    there = rank < len(mask)
    extra["shares"] = {name: mine / whole if there and whole else 0.0 for name, (mine, whole) in counts.items()}
    return {**batch, **found, "extra": extra}


def _labelled(batch: Mapping[str, Any]) -> int:
    return int((batch["labels"] != IGNORED).sum())
