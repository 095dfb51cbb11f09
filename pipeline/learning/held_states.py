"""The model before tuning as a teacher: on the texts of the new task, tokens stay where they were and [CLS] moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.learning.frozen_cache import States
from pipeline.learning.shards import share
from pipeline.models.batches import Ids
from pipeline.models.encoder import Places

HELD_SHARE = 0.25
"""Share of tokens that are held, drawn anew for each batch: as good as all of them (docs/log.md)."""
SAMPLE = 1000
"""Texts from which the variance of their states is worked out."""


@dataclass(frozen=True)
class HeldStates:
    """What a model made of each text before tuning: its tokens' last states, which tuning is to leave where they are.

    [CLS] is free to move: a classifier reads it and nothing else, masked language modelling reads all else. So what
    the model knew is held on the texts of the new task (Li & Hoiem 2016, "Learning without Forgetting", section 3,
    with states for outputs), for no more than the last layer's work at those tokens.
    """

    states: States
    variance: float
    """Over tokens, the mean over dimensions: of some encoders single ones hardly vary at all and must not decide."""

    @classmethod
    def of(cls, states: States, texts: Sequence[Ids]) -> HeldStates:
        """Of states of every token after the last layer, and their variance in the first ``SAMPLE`` of some texts."""
        sample = np.concatenate([states.of(ids)[1:] for ids in texts[:SAMPLE]]).astype(np.float64)
        return cls(states, max(float(sample.var(axis=0).mean()), 1e-6))

    def batch(self, rows: Sequence[Ids], seed: int, place: int) -> dict[str, Any]:
        """What a ``Classifier`` and ``held_term`` ask of a batch: a pure function of its texts, seed and place."""
        draw = np.random.default_rng([seed, place, 3])
        chosen = [np.flatnonzero(draw.random(len(ids) - 1) < HELD_SHARE) + 1 for ids in rows]
        counts = torch.tensor([len(columns) for columns in chosen])
        tokens = Places.at(torch.arange(len(rows)).repeat_interleave(counts), torch.from_numpy(np.concatenate(chosen)))
        places, parts = Places.joined(Places.first(len(rows), counts.device), tokens)
        held = np.concatenate([self.states.of(ids)[columns] for ids, columns in zip(rows, chosen, strict=True)])
        return {
            "places": places,
            "parts": parts,
            "extra": {"held": torch.from_numpy(held).float(), "variance": self.variance},
        }


def held_term(outputs: Any, batch: dict[str, Any]) -> Tensor:
    """Mean square gap of the tokens' last states to those before tuning, of their variance; 0 where none was drawn."""
    extra = batch["extra"]
    gaps = (outputs.last_states.float() - extra["held"]).square()
    return (gaps.mean() if gaps.numel() else gaps.sum()) / extra["variance"] * share(batch, "held")
