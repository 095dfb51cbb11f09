"""The base as a teacher: what the mean of its tokens knows of a text, [CLS] learns, and the mean itself is held.

A sentence encoder is read at the mean of its tokens, a BERT classifier at [CLS] and the pooler, which neither masked
language modelling nor such an encoder's own training has taught anything. So beside the masked loss the pooled [CLS]
is to match the mean of the frozen base's states below its last layer (Hinton et al. 2015, "Distilling the Knowledge in
a Neural Network", with states as targets), and the model's own mean may be held where the base had it. The teacher
reads what is taught unmasked, and emoji as their names: tokens that the base never saw start with what it knows of
the words.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss
from transformers import BertModel

from pipeline.models.batches import FORWARD_TOKENS, length_buckets, pad
from pipeline.models.encoder import Places, states_after

Ids = NDArray[np.int32]
SAMPLE = 1000
"""Texts from which the spread of the teacher's states is worked out, dimension by dimension."""


def token_mean(states: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean over a text's real tokens, [CLS] and [SEP] among them: [batch, hidden] of [batch, length, hidden]."""
    real = attention_mask.to(states.dtype)
    return torch.einsum("blh,bl->bh", states, real) / real.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Teacher:
    """A frozen encoder, and centre and spread of its mean states, [hidden]."""

    bert: BertModel
    pad_id: int
    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, bert: BertModel, pad_id: int, texts: Sequence[Ids]) -> Teacher:
        """A copy of an encoder as it is now, and the spread of its states over the first ``SAMPLE`` of some texts."""
        frozen = copy.deepcopy(bert).eval().requires_grad_(False)
        frozen = frozen.to("cuda" if torch.cuda.is_available() else "cpu")
        raw = cls(frozen, pad_id, torch.zeros((), device=frozen.device), torch.ones((), device=frozen.device))
        sample = texts[:SAMPLE]
        buckets = length_buckets([len(row) for row in sample], FORWARD_TOKENS["cpu"])
        means = torch.cat([raw.answers([sample[row] for row in rows]).to(frozen.device).means for rows in buckets])
        return cls(frozen, pad_id, means.mean(dim=0), means.std(dim=0).clamp_min(1e-6))

    def answers(self, texts: Sequence[Ids]) -> Answers:
        """What it makes of some texts."""
        return Answers(self, pad(texts, self.pad_id))

    def mean(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Means of some states below the last layer, standardised by its own, [batch, hidden]."""
        return (token_mean(states.float(), attention_mask) - self.centre) / self.spread


@dataclass(frozen=True)
class Answers:
    """What a teacher makes of a batch's texts, worked out when a term first asks, on the device where they then are."""

    teacher: Teacher
    ids: Tensor
    """Unmasked, as the teacher reads them, int64 [batch, longest]."""

    def to(self, device: torch.device, non_blocking: bool = False) -> Answers:
        """The same on another device, as a batch's tensors are."""
        return replace(self, ids=self.ids.to(device, non_blocking=non_blocking))

    @cached_property
    def means(self) -> Tensor:
        """The mean of each text's states below the last layer, standardised, [batch, hidden]."""
        return self.teacher.mean(self._inner[-1], self._mask)

    @property
    def _mask(self) -> Tensor:
        return (self.ids != self.teacher.pad_id).long()

    @cached_property
    @torch.no_grad()
    def _inner(self) -> list[Tensor]:
        bert = self.teacher.bert
        return states_after(bert, bert.embeddings(input_ids=self.ids), self._mask, bert.config.num_hidden_layers - 1)


def cls_term(outputs: Any, batch: dict[str, Any]) -> Tensor:
    """Mean square gap of the pooled [CLS] to the teacher's mean, squeezed as the pooler squeezes."""
    return mse_loss(outputs.pooled.float(), batch["extra"]["taught"].means.tanh())


def mean_term(outputs: Any, batch: dict[str, Any]) -> Tensor:
    """Mean square gap of the mean of the tokens to the teacher's, both standardised."""
    taught = batch["extra"]["taught"]
    return mse_loss(taught.teacher.mean(outputs.hidden_states[-1], batch["attention_mask"]), taught.means)


@dataclass(frozen=True)
class Lesson:
    """A teacher, and how much its pupil heeds it: the weight of each term beside the masked loss."""

    teacher: Teacher
    cls: float
    mean: float

    @property
    def terms(self) -> list[tuple[float, Any]]:
        """Those that weigh anything."""
        terms = ((self.cls, cls_term), (self.mean, mean_term))
        return [(weight, term) for weight, term in terms if weight]

    def batch(self, labelled: Places, taught: Sequence[Ids]) -> dict[str, Any]:
        """What terms ask of a batch, for ``MaskedLM`` and of the teacher.

        Args:
            labelled: where the batch has labels.
            taught: each text as the teacher reads it.
        """
        first = Places.first(len(taught) if self.cls else 0, labelled.rows.device)
        places, (cls, masked) = Places.joined(first, labelled)
        return {"places": places, "parts": (masked, cls), "extra": {"taught": self.teacher.answers(taught)}}
