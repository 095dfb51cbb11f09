"""Emoji as labels that writers gave: the pooled [CLS] is to tell which emoji a text held, all of them hidden.

Felbo et al. 2017, "Using millions of emoji occurrences to learn any-domain representations for detecting sentiment,
emotion and sarcasm", section 3. The masked language model's own head guesses them, among the new emoji alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.learning.loop import Term
from pipeline.learning.shards import share


def hidden(batch: Mapping[str, Tensor], first_emoji: int) -> tuple[Tensor, Tensor]:
    """Rows and ids, int64 [emoji], of those that are to be guessed in a batch's texts that show none.

    Args:
        first_emoji: every id from here up is one.
    """
    silent = ~(batch["input_ids"] >= first_emoji).any(dim=1, keepdim=True)
    rows, columns = ((batch["labels"] >= first_emoji) & silent).nonzero(as_tuple=True)
    return (rows, batch["labels"][rows, columns])


def emoji_term(head: Callable[[Tensor], Tensor], first_emoji: int) -> Term:
    """Nats per text, the mean over its emoji, by what ``head`` makes of the pooled [CLS]; 0 without such texts."""

    def term(outputs: Any, batch: dict[str, Any]) -> Tensor:
        rows, ids = batch["extra"]["emoji"]
        if not len(rows):
            return outputs.pooled.sum() * 0.0
        nats = cross_entropy(head(outputs.pooled[rows]).float()[:, first_emoji:], ids - first_emoji, reduction="none")
        parts = 1.0 / torch.bincount(rows, minlength=len(outputs.pooled))[rows]
        return (nats * parts).sum() / parts.sum() * share(batch, "emoji")

    return term
