"""Tuning a classifier on reviews: its batches, class weights, loss, and logits on dev texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pipeline.common.labels import LABELS
from pipeline.learning import ranks
from pipeline.learning.held_states import HeldStates
from pipeline.learning.shards import share
from pipeline.models.batches import FORWARD_TOKENS, Batch, BatchPlan, Feed, Ids, Ragged, epoch_batches, length_buckets


def class_weights(labels: Sequence[int]) -> Tensor:
    """Weights inverse to class frequency, mean 1 over the rows: float32 [3]; a class without rows weighs 0."""
    counts = np.bincount(np.asarray(labels), minlength=len(LABELS))
    weights = np.divide(len(labels), len(LABELS) * counts, out=np.zeros(len(LABELS)), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def row_weights(labels: Sequence[int], corpora: Sequence[str]) -> NDArray[np.float32]:
    """Weights [rows] with which every class counts the same within its corpus; mean 1 over a corpus's rows.

    Over all rows together it would not do: a corpus that is two thirds complaints would teach that texts of its kind
    are complaints, whatever they say.
    """
    tables = {
        corpus: class_weights([label for label, own in zip(labels, corpora, strict=True) if own == corpus]).tolist()
        for corpus in dict.fromkeys(corpora)
    }
    found = (tables[corpus][label] for label, corpus in zip(labels, corpora, strict=True))
    return np.fromiter(found, np.float32, len(labels))


def plan(
    epochs: Sequence[Sequence[Ids]],
    labels: Sequence[int],
    feed: Feed,
    *,
    weights: NDArray[np.float32] | None = None,
    held: HeldStates | None = None,
    beside: Callable[[int], dict[str, Any]] | None = None,
    batch_size: int,
    tokens_per_batch: int,
    seed: int,
) -> BatchPlan:
    """All batches of a tuning run, in order: what ``feed`` makes of their texts, their labels and weights.

    Args:
        epochs: the texts of each epoch; augmentation may give other ones each time, in the same order.
        held: the states that the model is to keep of each text; None: none.
        beside: what else objectives read of a batch, by its place; None: nothing.
    """
    batches = Ragged.of(
        (
            epoch * len(labels) + np.array(batch)
            for epoch, ids in enumerate(epochs)
            for batch in epoch_batches([len(row) for row in ids], tokens_per_batch, seed, epoch, max_rows=batch_size)
        ),
        np.int64,
    )

    def make(rows: Batch, place: int) -> dict[str, Any]:
        places = [divmod(int(row), len(labels)) for row in rows]
        own, texts = [row for _, row in places], [epochs[epoch][row] for epoch, row in places]
        batch = feed(texts) | {"labels": torch.tensor([labels[row] for row in own])}
        batch |= held.batch(texts, seed, place) if held is not None else {"extra": {}}
        if beside is not None:
            batch["extra"] |= beside(place)
        if weights is not None:
            batch["extra"]["weights"] = torch.from_numpy(weights[own])
        return batch

    return BatchPlan(batches, make)


def weighted_loss(label_smoothing: float) -> Callable[[Any, dict[str, Any]], Tensor]:
    """Cross-entropy [nats], the mean over a batch's rows by their weights, if it has any; of outputs and batch."""

    def loss(outputs: Any, batch: dict[str, Any]) -> Tensor:
        logits, labels, weights = outputs.logits.float(), batch["labels"], batch.get("extra", {}).get("weights")
        surprise = cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
        if weights is None:
            return surprise.mean() * share(batch, "rows")
        return (surprise * weights).sum() / weights.sum() * share(batch, "weights")

    return loss


@torch.inference_mode()
def dev_logits(model: nn.Module, ids: Sequence[Ids], feed: Feed) -> NDArray[np.float64]:
    """Logits [texts, 3] in the texts' order; ranks read some batches each."""
    device = next(model.parameters()).device
    logits = np.zeros((len(ids), len(LABELS)))
    for rows in length_buckets([len(row) for row in ids], FORWARD_TOKENS[device.type])[ranks.rank() :: ranks.size()]:
        batch = feed([ids[row] for row in rows])
        placed = {name: part.to(device) if isinstance(part, Tensor) else part for name, part in batch.items()}
        logits[rows] = model(**placed).logits.double().cpu().numpy()
    ranks.total(torch.from_numpy(logits))
    return logits
