"""Masked language modelling: which tokens are hidden, and a BERT whose vocabulary logits are computed only there.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding
from transformers import BertConfig, BertForMaskedLM, BertModel
from transformers.modeling_outputs import MaskedLMOutput

from pipeline.models.encoder import Places, last_states, states_after, use_dropout

IGNORED = -100
"""Label of a position that is not predicted (the value torch's cross-entropy skips)."""


@dataclass
class Outputs(MaskedLMOutput):
    """A masked language model's, with what objectives beside its own read: nothing is computed twice for them.

    ``hidden_states`` are what enters the first layer and what comes after each but the last.
    """

    last_states: Tensor | None = None
    """Of the last layer at all ``places``, [places, hidden]."""
    pooled: Tensor | None = None
    """[CLS] through the pooler, [batch, hidden]."""


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
        self.post_init()
        use_dropout(self)
        self.bert.pooler.requires_grad_(False)
        self.carried: dict[str, Tensor] = {}
        """Weights of a classifier that goes along as the pooler does, by name, for who tunes it on; none: nobody's."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        places: Places | None = None,
        parts: tuple[Tensor, Tensor] | None = None,
        **rest: Any,
    ) -> MaskedLMOutput:
        """Without ``labels`` the full logits [batch, length, vocabulary]; with them the logits [masked, vocabulary].

        Asked for more (hidden states, inputs or a mask of another kind) it computes what its parent does.

        Args:
            places: where the last layer is read; None: where a label stands, but to look for it, a GPU is waited for.
            parts: which of the places bear a label, and which are [CLS] to be pooled; ``Outputs`` are returned. None:
                all bear one.
        """
        of_its_own = attention_mask is not None and attention_mask.dim() != 2
        if labels is None or input_ids is None or rest or of_its_own:
            return super().forward(input_ids, attention_mask=attention_mask, labels=labels, **rest)
        places = Places.where(labels != IGNORED) if places is None else places
        last = self.config.num_hidden_layers - 1
        inner = states_after(self.bert, self._embedded(input_ids), attention_mask, last)
        states, answers = last_states(self.bert, inner[-1], attention_mask, places, last), places.of(labels)
        guessed, answers = (states, answers) if parts is None else (states[parts[0]], answers[parts[0]])
        logits = self.cls(guessed)
        # a batch of unknown signs alone has nothing to predict: no loss, where the mean of nothing would be NaN
        loss = cross_entropy(logits.float(), answers) if len(logits) else (states.sum() + logits.sum()) * 0.0
        if parts is None:
            return MaskedLMOutput(loss=loss, logits=logits)
        pooled = self.bert.pooler(states[parts[1]][:, None])
        return Outputs(loss=loss, logits=logits, hidden_states=tuple(inner), last_states=states, pooled=pooled)

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
