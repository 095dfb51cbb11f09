"""The base as a teacher: what the mean of its tokens knows of a text, [CLS] learns, and the mean itself is held.

A sentence encoder is read at the mean of its tokens, a BERT classifier at [CLS] and the pooler, which neither masked
language modelling nor such an encoder's own training has taught anything. So beside the masked loss the pooled [CLS]
is to match the mean of the frozen base's states below its last layer (Hinton et al. 2015, "Distilling the Knowledge in
a Neural Network", with states as targets), and the model's own mean may be held where the base had it. The teacher
reads what is taught unmasked, and emoji as their names: tokens that the base never saw start with what it knows of
the words. Some texts may be left whole for the pupil, too: no token hidden and none to guess, its states are to be the
teacher's at every layer that learns (Romero et al. 2015, "FitNets", section 2.2, hints from inner layers).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from transformers import BertModel

from pipeline.learning.options import AdaptationDistillation
from pipeline.learning.shards import share
from pipeline.models.batches import FORWARD_TOKENS, Ids, length_buckets, pad
from pipeline.models.encoder import Places, last_states, states_after

SAMPLE = 1000
"""Texts from which the spread of the teacher's states is worked out, dimension by dimension."""


def token_mean(states: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean over a text's real tokens, [CLS] and [SEP] among them: [batch, hidden] of [batch, length, hidden]."""
    real = attention_mask.to(states.dtype)
    return torch.einsum("blh,bl->bh", states, real) / real.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Teacher:
    """A frozen encoder, and what its states are like."""

    bert: BertModel
    pad_id: int
    shared_layers: int
    """Layers that its pupil shares, from the embeddings up."""
    centre: Tensor
    """Of its mean states, [hidden]."""
    spread: Tensor
    """Standard deviation of its mean states, [hidden]."""
    state_spread: Tensor
    """Standard deviation of its tokens' states after each layer that is not shared, [layers, hidden]."""

    @classmethod
    def of(cls, bert: BertModel, pad_id: int, texts: Sequence[Ids], shared_layers: int = 0) -> Teacher:
        """A copy of an encoder as it is now, and what its states are like in the first ``SAMPLE`` of some texts."""
        frozen = copy.deepcopy(bert).eval().requires_grad_(False)
        frozen = frozen.to("cuda" if torch.cuda.is_available() else "cpu")
        zero, one = torch.zeros((), device=frozen.device), torch.ones((), device=frozen.device)
        raw = cls(frozen, pad_id, shared_layers, zero, one, one)
        found, sums, tokens = [], torch.zeros(2, 1, 1, dtype=torch.float64, device=frozen.device), 0
        for rows in length_buckets([len(row) for row in texts[:SAMPLE]], FORWARD_TOKENS["cpu"]):
            answers = raw.answers([texts[row] for row in rows]).to(frozen.device)
            states = answers.states.double()
            found.append(answers.means)
            sums, tokens = sums + torch.stack([states, states.square()]).sum(dim=2), tokens + states.shape[1]
        means, (mean, square) = torch.cat(found), sums / tokens
        spreads = means.std(dim=0), (square - mean.square()).clamp_min(0.0).sqrt().float()
        return cls(frozen, pad_id, shared_layers, means.mean(dim=0), *(spread.clamp_min(1e-6) for spread in spreads))

    def answers(self, texts: Sequence[Ids]) -> Answers:
        """What it makes of some texts, all of them whole."""
        ids = pad(texts, self.pad_id)
        real = _whole(range(len(texts)), texts)
        return Answers(self, ids, real, real, torch.arange(len(real.rows)))

    def mean(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Means of some states below the last layer, standardised by its own, [batch, hidden]."""
        return (token_mean(states.float(), attention_mask) - self.centre) / self.spread


@dataclass(frozen=True)
class Answers:
    """What a teacher makes of a batch's texts, worked out when a term first asks, on the device where they then are."""

    teacher: Teacher
    ids: Tensor
    """Unmasked, as the teacher reads them, int64 [texts, longest]: the batch's, or those that are whole."""
    whole: Places
    """Where in these its states are asked for: every token of the whole texts but [CLS]."""
    own: Places
    """Where those are in the pupil's batch."""
    last: Tensor
    """Which they are of the places at which the pupil's last layer is read, int64 [whole]."""

    def to(self, device: torch.device, non_blocking: bool = False) -> Answers:
        """The same on another device, as a batch's tensors are."""
        parts = {
            name: getattr(self, name).to(device, non_blocking=non_blocking) for name in ("ids", "whole", "own", "last")
        }
        return replace(self, **parts)

    def shard(self, rows: Tensor, moved: Tensor, at: Tensor) -> Answers:
        """To some of the batch's rows; ``moved`` says where each row of it goes, -1: away, and ``at`` where a place."""
        kept, own = self.own.shard(moved)
        if len(self.ids) == len(moved):
            return replace(self, ids=self.ids[rows], whole=own, own=own, last=at[self.last[kept]])
        read = torch.unique(self.whole.rows[kept])
        whole = Places.at(torch.searchsorted(read, self.whole.rows[kept]), self.whole.columns[kept])
        return replace(self, ids=self.ids[read], whole=whole, own=own, last=at[self.last[kept]])

    @cached_property
    def means(self) -> Tensor:
        """The mean of each text's states below the last layer, standardised, [batch, hidden]."""
        return self.teacher.mean(self._inner[-1], self._mask)

    @cached_property
    @torch.no_grad()
    def states(self) -> Tensor:
        """After each layer that is not shared, [layers, whole, hidden]."""
        bert, last = self.teacher.bert, self.teacher.bert.config.num_hidden_layers - 1
        inner = [self.whole.of(states) for states in self._inner[1:]]
        return torch.stack([*inner, last_states(bert, self._inner[-1], self._mask, self.whole, last)])[
            self.teacher.shared_layers :
        ]

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
    return mse_loss(outputs.pooled.float(), batch["extra"]["taught"].means.tanh()) * share(batch, "rows")


def mean_term(outputs: Any, batch: dict[str, Any]) -> Tensor:
    """Mean square gap of the mean of the tokens to the teacher's, both standardised."""
    taught = batch["extra"]["taught"]
    own = taught.teacher.mean(outputs.hidden_states[-1], batch["attention_mask"])
    return mse_loss(own, taught.means) * share(batch, "rows")


def state_term(outputs: Any, batch: dict[str, Any]) -> Tensor:
    """Mean square gap of the tokens' states to the teacher's in whole texts, in the teacher's spreads; 0 without any.

    The mean over tokens but [CLS], over dimensions, and over the layers that are not shared.
    """
    taught = batch["extra"]["taught"]
    inner = [taught.own.of(states) for states in outputs.hidden_states[1:]]
    own = torch.stack([*inner, outputs.last_states[taught.last]])[taught.teacher.shared_layers :]
    if not own.numel():
        return own.sum()
    gaps = (own.float() - taught.states) / taught.teacher.state_spread[:, None]
    return gaps.square().mean() * share(batch, "taught")


@dataclass(frozen=True)
class Lesson:
    """A teacher, and how much its pupil heeds it: the weight of each term beside the masked loss."""

    teacher: Teacher
    options: AdaptationDistillation
    first_row: int = 2**31 - 1
    """Ids from there on the teacher knows by name alone: texts that hold one are never left whole."""

    @property
    def terms(self) -> list[tuple[float, Any]]:
        """Those that weigh anything."""
        asked = self.options
        terms = ((asked.cls, cls_term), (asked.mean, mean_term), (asked.states, state_term))
        return [(weight, term) for weight, term in terms if weight]

    def whole(self, ids: Sequence[Ids], taught: Sequence[Ids], seed: int, place: int) -> list[int]:
        """Which texts of a batch are left whole, in order: some that both read alike, one at least is left to hide in.

        A pure function of ``seed``, the batch's ``place`` in the plan, and its texts.
        """
        if not self.options.states:
            return []
        pairs = enumerate(zip(ids, taught, strict=True))
        alike = [row for row, (own, read) in pairs if own.max() < self.first_row and np.array_equal(own, read)]
        wanted = min(round(self.options.whole_share * len(ids)), len(ids) - 1)
        return sorted(np.random.default_rng([seed, place, 2]).permutation(alike)[:wanted].tolist())

    def batch(
        self, labelled: Places, taught: Sequence[Ids], whole: Sequence[int], pooled: bool = False
    ) -> dict[str, Any]:
        """What terms ask of a batch, for ``MaskedLM`` and of the teacher, which reads no more texts than it must.

        Args:
            labelled: where the batch has labels.
            taught: each text as the teacher reads it.
            whole: which texts were left whole.
            pooled: whether others, too, read the pooled [CLS].
        """
        first = Places.first(len(taught) if self.options.cls or pooled else 0, labelled.rows.device)
        own = _whole(whole, taught)
        places, (cls, masked, last) = Places.joined(first, labelled, own)
        theirs, read = own, taught
        if whole and not (self.options.cls or self.options.mean):
            read = [taught[row] for row in whole]
            theirs = _whole(range(len(read)), read)
        answers = Answers(self.teacher, pad(read, self.teacher.pad_id), theirs, own, last)
        return {"places": places, "parts": (masked, cls), "extra": {"taught": answers}}


def _whole(rows: Sequence[int], texts: Sequence[Ids]) -> Places:
    """Every token but [CLS] of some rows of texts."""
    places = [(row, column) for row in rows for column in range(1, len(texts[row]))]
    return Places.at(*torch.tensor(places, dtype=torch.int64).view(-1, 2).unbind(dim=1))
