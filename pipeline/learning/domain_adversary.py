"""Domain-adversarial training (DANN): features by which nobody can tell the target's texts from the source's.

Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks", sections 4.2 and 5.2.2. A small classifier learns
to tell the domains apart by the pooled [CLS]; what it asks of the features is turned round on its way back to them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.common.errors import InputError
from pipeline.corpora.stored_rows import Rows
from pipeline.learning.general_text import in_turn
from pipeline.learning.loop import Term
from pipeline.learning.options import Options
from pipeline.measuring.domains import alarm
from pipeline.models.batches import Feed, Ids
from pipeline.models.reader import Reader

HIDDEN, SMOOTHING = 100, 0.05
"""Units of the domain classifier (figure 4a); what a batch counts in the running figures."""
log = logging.getLogger(__name__)


def reversed_gradient(features: Tensor, scale: float) -> Tensor:
    """The features, of which ``-scale`` times the gradient goes back (section 4.2, equations 16 and 17)."""
    return (1 + scale) * features.detach() - scale * features


def strength(progress: float) -> float:
    """Lambda, from 0 to 1, by the share of the updates that are made (section 5.2.2)."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


class DomainClassifier(nn.Module):
    """The logit of a text's being the target's, of pooled states; and running figures, which checkpoints keep."""

    running: Tensor
    """Loss in nats, its lowest, the features' variance, and that of the first batch."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(hidden, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
        self.register_buffer("running", torch.tensor([math.log(2), math.log(2), math.nan, math.nan]))

    def loss(self, source: Tensor, target: Tensor, scale: float) -> Tensor:
        """Nats a text of telling two domains' pooled states [texts, hidden] apart, both domains counting the same."""
        logits = [self.layers(reversed_gradient(part, scale))[:, 0].float() for part in (source, target)]
        nats = [binary_cross_entropy_with_logits(one, torch.full_like(one, own)) for own, one in enumerate(logits)]
        return torch.stack(nats).mean()

    @torch.no_grad()
    def note(self, nats: Tensor, features: Tensor) -> None:
        """Keep a batch's loss and its features' variance, summed over dimensions, in mind."""
        loss, lowest, variance, first = self.running.unbind()
        spread, loss = features.float().var(dim=0).sum(), loss.lerp(nats.float(), SMOOTHING)
        first, variance = (torch.where(first.isnan(), spread, old) for old in (first, variance.lerp(spread, SMOOTHING)))
        self.running.copy_(torch.stack([loss, torch.minimum(lowest, loss), variance, first]))

    def figures(self) -> dict[str, float]:
        """For the history: the running loss in nats, its lowest, and the share of the variance that is left."""
        loss, lowest, variance, first = self.running.tolist()
        return {"domain_loss": loss, "lowest_domain_loss": lowest, "variance_left": variance / first}


@dataclass(frozen=True)
class Adversary:
    """The domain classifier, and the target's texts that each batch is joined by."""

    classifier: DomainClassifier
    texts: Sequence[Ids]
    weight: float
    batch_size: int
    seed: int

    def batch(self, place: int, steps: int, feed: Feed) -> dict[str, Any]:
        """What ``term`` asks of a batch by its place among all ``steps``: as many target texts, and the strength."""
        rows = in_turn(place, self.batch_size, len(self.texts), self.seed, 6)
        return {"target": feed([self.texts[row] for row in rows]), "reversal": self.weight * strength(place / steps)}

    def term(self, model: Callable[..., Any]) -> Term:
        """What the domain classifier learns by, and the features against."""

        def term(outputs: Any, batch: dict[str, Any]) -> Tensor:
            source, target = outputs.pooled, model(**batch["extra"]["target"]).pooled
            loss = self.classifier.loss(source, target, batch["extra"]["reversal"])
            self.classifier.note(loss, torch.cat([source, target]))
            return loss

        return term

    def told(self, model: Any) -> dict[str, Any]:
        """The figures at the end and what alarms in them, aloud; the classifier is taken out of the model."""
        del model.domain_classifier
        figures = self.classifier.figures()
        if (found := alarm(**figures)) is not None:
            log.warning("finetune.domain_adversary: no success: %s", found)
        return {**figures, "alarm": found}


def adversary_of(asked: Options, model: Any, target: Rows, reader: Reader, seed: int) -> Adversary | None:
    """The one that is asked for, if any; its classifier learns as one of the model's modules, until ``told``.

    Args:
        target: the target's training texts.
    """
    if not asked.domain_adversary.weight:
        return None
    if not target:
        raise InputError("finetune.domain_adversary: finetune.target has no training texts; set the weight to 0")
    model.domain_classifier = DomainClassifier(model.config.hidden_size)
    ids = reader.ids(row["text"] for row in target)
    return Adversary(model.domain_classifier, ids, asked.domain_adversary.weight, asked.batch_size, seed)
