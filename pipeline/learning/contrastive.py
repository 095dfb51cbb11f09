"""Texts of one class drawn together, those of others apart, whatever corpus they come from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.learning.loop import Term


def contrastive_term(temperature: float) -> Term:
    """Supervised contrastive loss [nats] of what the pooler makes of a batch's texts, by their labels.

    Khosla et al. 2020, "Supervised Contrastive Learning", equation 2; without a projection: the classifier reads the
    same vectors. The mean over texts that share their class with another; 0 where none does.
    """

    def term(outputs: Any, batch: dict[str, Any]) -> Tensor:
        labels, vectors = batch["labels"], normalize(outputs.pooled.float(), dim=-1)
        other = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        alike = (labels[:, None] == labels) & other
        likeness = (vectors @ vectors.T / temperature).masked_fill(~other, -torch.inf)
        nats = (likeness.logsumexp(dim=1, keepdim=True) - likeness).masked_fill(~alike, 0.0).sum(dim=1)
        paired = alike.any(dim=1)
        return (nats[paired] / alike.sum(dim=1)[paired]).mean() if paired.any() else vectors.sum() * 0.0

    return term
