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
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import BertModel

from pipeline.models.batches import FORWARD_TOKENS, length_buckets, pad
from pipeline.models.encoder import states_after
from pipeline.models.masked_lm import Teaching, token_mean

SAMPLE = 1000
"""Texts from which the spread of the teacher's states is worked out, dimension by dimension."""


@dataclass(frozen=True)
class Teacher:
    """A frozen encoder, and centre and spread of its mean states, [hidden]."""

    bert: BertModel
    pad_id: int
    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, bert: BertModel, pad_id: int, texts: Sequence[NDArray[np.int32]]) -> Teacher:
        """A copy of an encoder as it is now, and the spread of its states over the first ``SAMPLE`` of some texts."""
        frozen = copy.deepcopy(bert).eval().requires_grad_(False)
        frozen = frozen.to("cuda" if torch.cuda.is_available() else "cpu")
        raw = cls(frozen, pad_id, torch.zeros(()), torch.ones(()))
        sample = texts[:SAMPLE]
        means = torch.cat(
            [
                raw.targets([sample[row] for row in rows])
                for rows in length_buckets([len(row) for row in sample], FORWARD_TOKENS["cpu"])
            ]
        )
        return cls(frozen, pad_id, means.mean(dim=0), means.std(dim=0).clamp_min(1e-6))

    @torch.no_grad()
    def targets(self, texts: Sequence[NDArray[np.int32]]) -> Tensor:
        """What it makes of some texts: the mean of their states below the last layer, standardised [texts, hidden].

        On the processor, where batches are made, wherever the teacher is.
        """
        device = self.bert.embeddings.word_embeddings.weight.device
        ids = pad(texts, self.pad_id).to(device)
        mask = (ids != self.pad_id).long()
        states = self.bert.embeddings(input_ids=ids)
        states = states_after(self.bert, states, mask, 0, self.bert.config.num_hidden_layers - 1)
        return (token_mean(states, mask).cpu() - self.centre) / self.spread

    def teaching(self, cls_weight: float, hold_weight: float) -> Teaching:
        """What a pupil needs to know of it."""
        return Teaching(cls_weight, hold_weight, self.centre, self.spread)
