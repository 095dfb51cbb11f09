"""A BERT classifier that computes of its last layer only what it reads: the state of [CLS] (see ``encoder``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from pipeline.models.encoder import Places, last_states, use_dropout

_HARMLESS = {"token_type_ids", "position_ids", "return_dict"}
"""Arguments beside ids and mask that ask for nothing but logits."""


@dataclass
class Outputs(SequenceClassifierOutput):
    """A classifier's, with what objectives beside its own read."""

    last_states: Tensor | None = None
    """Of the last layer, [places, hidden], where it was asked for beside [CLS]."""
    pooled: Tensor | None = None
    """[CLS] through the pooler, [batch, hidden], as the classifier reads it but for dropout."""


class Classifier(BertForSequenceClassification):
    """``BertForSequenceClassification`` that can also start from the states after its first layers.

    Asked for more than logits (attention maps, hidden states, a mask of its own shape), it computes the full layer, as
    its parent does. Saved files load as a plain ``BertForSequenceClassification``.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        use_dropout(self)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        states: Tensor | None = None,
        first_layer: int = 0,
        places: Places | None = None,
        parts: tuple[Tensor, Tensor] | None = None,
        labels: Tensor | None = None,
        **rest: Any,
    ) -> SequenceClassifierOutput:
        """Logits [batch, classes] of ``input_ids`` [batch, length], or of ``states`` [batch, length, hidden].

        Args:
            attention_mask: [batch, length], 0 at padding.
            states: what enters layer ``first_layer``, instead of ``input_ids``.
            places: where the last layer is read; None: at [CLS] alone.
            parts: which of the places are the texts' [CLS], and which are for ``Outputs.last_states``.
        """
        if self._asked_for_more(attention_mask, rest) or (input_ids is None and states is None):
            return super().forward(input_ids, attention_mask=attention_mask, labels=labels, **rest)
        if states is None:
            placed = {name: rest.get(name) for name in ("token_type_ids", "position_ids")}
            states = self.bert.embeddings(input_ids=input_ids, **placed)
        others = None
        if first_layer < len(self.bert.encoder.layer):
            if places is None or parts is None:
                cls = Places.first(len(states), states.device)
                states = last_states(self.bert, states, attention_mask, cls, first_layer)[:, None]
            else:
                read = last_states(self.bert, states, attention_mask, places, first_layer)
                states, others = read[parts[0]][:, None], read[parts[1]]
        pooled = self.bert.pooler(states)
        logits = self.classifier(self.dropout(pooled))
        loss = None if labels is None else cross_entropy(logits, labels)
        return Outputs(loss=loss, logits=logits, last_states=others, pooled=pooled)

    def _asked_for_more(self, attention_mask: Tensor | None, rest: dict[str, Any]) -> bool:
        config = self.config
        if config.output_attentions or config.output_hidden_states or config.is_decoder:
            return True
        if rest.get("return_dict") is False or (attention_mask is not None and attention_mask.dim() != 2):
            return True
        return any(value is not None and value is not False for name, value in rest.items() if name not in _HARMLESS)
