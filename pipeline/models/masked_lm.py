"""Masked language modelling: which tokens are hidden, and a BERT whose vocabulary logits are computed only there.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding, mse_loss
from transformers import BertConfig, BertForMaskedLM, BertModel
from transformers.modeling_outputs import MaskedLMOutput

from pipeline.models.encoder import Places, last_states, states_after, use_dropout

IGNORED = -100
"""Label of a position that is not predicted (the value torch's cross-entropy skips)."""


def token_mean(states: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Mean over a text's real tokens, [CLS] and [SEP] among them: [batch, hidden] of [batch, length, hidden]."""
    if attention_mask is None:
        return states.mean(dim=1)
    real = attention_mask.to(states.dtype)
    return torch.einsum("blh,bl->bh", states, real) / real.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Teaching:
    """How much a model heeds a teacher: weights of two losses, each the mean square over texts and dimensions."""

    cls_weight: float
    hold_weight: float
    centre: Tensor
    spread: Tensor

    def loss(self, targets: Tensor, states: Tensor, attention_mask: Tensor | None, pooled: Tensor | None) -> Tensor:
        """What to add to the masked loss.

        Args:
            targets: standardised, [batch, hidden].
            states: the model's own below its last layer, [batch, length, hidden].
            pooled: [batch, hidden], within -1 and 1, as are the targets that it is held against.
        """
        loss = states.new_zeros(())
        if self.cls_weight and pooled is not None:
            loss = loss + self.cls_weight * mse_loss(pooled.float(), targets.tanh())
        if self.hold_weight:
            centre, spread = self.centre.to(states.device), self.spread.to(states.device)
            own = (token_mean(states.float(), attention_mask) - centre) / spread
            loss = loss + self.hold_weight * mse_loss(own, targets)
        return loss


class MaskedLM(BertForMaskedLM):
    """``BertForMaskedLM`` that keeps the pooler and, given labels, looks only where a label stands.

    The loss equals the full head's; at the other 85% of positions the logits, which for a small BERT cost as much as
    its encoder, and most of the last layer are never computed (see ``encoder``). The pooler is carried along so that a
    classifier can start from it; here it is frozen, because nothing trains it. Saved files load as a plain
    ``BertForMaskedLM``.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=True)
        self.bag_weight = 0.0
        self.teaching: Teaching | None = None
        self.post_init()
        use_dropout(self)
        self.bert.pooler.requires_grad_(False)

    def train_pooler(self, weight: float) -> None:
        """In training add ``weight`` times the bag-of-words loss, which trains [CLS] and the pooler; 0: neither."""
        self.bag_weight = weight
        self.bert.pooler.requires_grad_(weight > 0 or (self.teaching is not None and self.teaching.cls_weight > 0))

    def learn_from(self, teaching: Teaching) -> None:
        """In training add what a batch's ``targets`` teach (see ``distillation``); the pooler learns if [CLS] does."""
        self.teaching = teaching
        self.train_pooler(self.bag_weight)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        places: Places | None = None,
        targets: Tensor | None = None,
        **rest: Any,
    ) -> MaskedLMOutput:
        """Without ``labels`` the full logits [batch, length, vocabulary]; with them the logits [masked, vocabulary].

        Asked for more (hidden states, inputs or a mask of another kind) it computes what its parent does.

        Args:
            places: where a label stands, if the caller knows; to look for it, a GPU would be waited for.
            targets: what the teacher makes of each text, [batch, hidden]; read in training alone.
        """
        of_its_own = attention_mask is not None and attention_mask.dim() != 2
        if labels is None or input_ids is None or rest or of_its_own:
            return super().forward(input_ids, attention_mask=attention_mask, labels=labels, **rest)
        bag = self.training and self.bag_weight > 0
        teaching = self.teaching if self.training and targets is not None else None
        with_cls = bag or (teaching is not None and teaching.cls_weight > 0)
        places = Places.where(labels != IGNORED) if places is None else places
        texts, last = len(input_ids), self.config.num_hidden_layers - 1
        read, order = places.with_first(texts) if with_cls else (places, None)
        inner = states_after(self.bert, self._embedded(input_ids), attention_mask, 0, last)
        states = last_states(self.bert, inner, attention_mask, read, last)
        logits = self.cls(states if order is None else states[order[texts:]])
        # a batch of unknown signs alone has nothing to predict: no loss, where the mean of nothing would be NaN
        loss = cross_entropy(logits.float(), places.of(labels)) if len(logits) else (states.sum() + logits.sum()) * 0.0
        pooled = None if order is None else self.bert.pooler(states[order[:texts]][:, None])
        if bag and pooled is not None:
            text = torch.where(labels != IGNORED, labels, input_ids)
            real = torch.ones_like(text) if attention_mask is None else attention_mask
            loss = loss + self.bag_weight * bag_of_words_loss(self.cls(pooled), text, real)
        if teaching is not None and targets is not None:
            loss = loss + teaching.loss(targets, inner, attention_mask, pooled)
        return MaskedLMOutput(loss=loss, logits=logits)

    def _embedded(self, input_ids: Tensor) -> Tensor:
        """What enters the first layer, [batch, length, hidden].

        The output rows are the same matrix, so its gradient is there anyway: to add some rows to it beats making a
        second one of its size, most of it zeros. (A module that says it is sparse DDP would take at its word. On a GPU
        zeros cost little, and sparse rows would have to be counted.)
        """
        rows = self.bert.embeddings.word_embeddings
        sparse = self.cls.predictions.decoder.weight is rows.weight and input_ids.device.type == "cpu"
        words = embedding(input_ids, rows.weight, rows.padding_idx, sparse=sparse)
        return self.bert.embeddings(inputs_embeds=words)


def bag_of_words_loss(logits: Tensor, ids: Tensor, attention_mask: Tensor) -> Tensor:
    """How badly one vector a text, [CLS] through pooler and head, tells which tokens the text holds [nats a token].

    Ma et al. 2024, "Drop your Decoder: Pre-training with Bag-of-Word Prediction", section 3.2: every distinct token
    counts once.

    Args:
        logits: [batch, vocabulary].
        ids: the unmasked text, int64 [batch, length], between [CLS] and [SEP].
        attention_mask: [batch, length].
    """
    inner = attention_mask.clone()
    inner[:, 0] = 0
    inner.scatter_(1, attention_mask.sum(1, keepdim=True) - 1, 0)
    bag = torch.zeros_like(logits, dtype=torch.float32).scatter_(1, ids * inner, 1.0)
    bag[:, 0] = 0.0  # [PAD], where the excluded positions were sent
    shares = bag / bag.sum(1, keepdim=True).clamp(min=1.0)
    return cross_entropy(logits.float(), shares)


def choose_masked(
    maskable: Tensor, probability: float, generator: torch.Generator, units: Tensor | None = None
) -> Tensor:
    """Draw the positions to predict, each with ``probability``; at least one wherever anything is maskable.

    Args:
        maskable: bool [batch, length], False at special tokens and padding.
        units: int [batch, length], positions with the same number in a row are drawn together (whole-word masking);
            None draws each token on its own.
    """
    draw = torch.rand(maskable.shape, generator=generator)
    if units is not None:
        draw = draw.gather(1, units.clamp(min=0))
    chosen = (draw < probability) & maskable
    if not chosen.any() and maskable.any():
        row, place = maskable.nonzero()[0]
        chosen[row] = maskable[row] & (units[row] == units[row, place]) if units is not None else chosen[row]
        chosen[row, place] = True
    return chosen


def hide(ids: Tensor, chosen: Tensor, *, mask_id: int, ordinary: Tensor, generator: torch.Generator) -> Tensor:
    """Replace the chosen tokens: 80% by [MASK], 10% by a random one of the ``ordinary`` ids, 10% left as they are."""
    fate = torch.rand(ids.shape, generator=generator)
    other = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    hidden = torch.where(chosen & (fate < 0.8), torch.full_like(ids, mask_id), ids)
    return torch.where(chosen & (fate >= 0.8) & (fate < 0.9), other, hidden)
