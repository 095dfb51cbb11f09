"""A BERT classifier that computes of its last layer only what it reads: the state of [CLS].

That layer needs keys and values of all tokens, but the query, the output and the feed-forward of one: the logits and
gradients of ``BertForSequenceClassification`` for about a fifth of the layer's work.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from transformers import BertForSequenceClassification, BertModel
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.bert.modeling_bert import BertLayer

_HARMLESS = {"token_type_ids", "position_ids", "return_dict"}
"""Arguments beside ids and mask that ask for nothing but logits."""


class Classifier(BertForSequenceClassification):
    """``BertForSequenceClassification`` that can also start from the states after its first layers.

    Asked for more than logits (attention maps, hidden states, a mask of its own shape), it computes the full layer, as
    its parent does. Saved files load as a plain ``BertForSequenceClassification``.
    """

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        states: Tensor | None = None,
        first_layer: int = 0,
        labels: Tensor | None = None,
        **rest: Any,
    ) -> SequenceClassifierOutput:
        """Logits [batch, classes] of ``input_ids`` [batch, length], or of ``states`` [batch, length, hidden].

        Args:
            attention_mask: [batch, length], 0 at padding.
            states: what enters layer ``first_layer``, instead of ``input_ids``.
        """
        if self._asked_for_more(attention_mask, rest) or (input_ids is None and states is None):
            return super().forward(input_ids, attention_mask=attention_mask, labels=labels, **rest)
        if states is None:
            placed = {name: rest.get(name) for name in ("token_type_ids", "position_ids")}
            states = self.bert.embeddings(input_ids=input_ids, **placed)
        read = through(self.bert, states, attention_mask, first_layer, len(self.bert.encoder.layer))
        logits = self.classifier(self.dropout(self.bert.pooler(read)))
        return SequenceClassifierOutput(loss=None if labels is None else cross_entropy(logits, labels), logits=logits)

    def _asked_for_more(self, attention_mask: Tensor | None, rest: dict[str, Any]) -> bool:
        config = self.config
        if config.output_attentions or config.output_hidden_states or config.is_decoder:
            return True
        if rest.get("return_dict") is False or (attention_mask is not None and attention_mask.dim() != 2):
            return True
        return any(value is not None and value is not False for name, value in rest.items() if name not in _HARMLESS)


def through(bert: BertModel, states: Tensor, attention_mask: Tensor | None, first: int, end: int) -> Tensor:
    """States after layers ``first`` to ``end - 1``: [batch, length, hidden]; after the model's last [batch, 1, hidden].

    Args:
        states: what enters layer ``first``, [batch, length, hidden].
        attention_mask: [batch, length], 0 at padding; None: no padding.
    """
    last = len(bert.encoder.layer) - 1
    mask = None
    if first < min(end, last):
        mask = create_bidirectional_mask(config=bert.config, inputs_embeds=states, attention_mask=attention_mask)
    for place in range(first, end):
        layer = bert.encoder.layer[place]
        states = layer(states, mask) if place < last else cls_of(layer, states, attention_mask)
    return states


def cls_of(layer: BertLayer, states: Tensor, attention_mask: Tensor | None) -> Tensor:
    """The first token's output of a layer, [batch, 1, hidden], of its input [batch, length, hidden]."""
    attention, first = layer.attention.self, states[:, :1]
    heads = (len(states), -1, attention.num_attention_heads, attention.attention_head_size)
    query, key, value = (
        projection(tokens).view(heads).transpose(1, 2)
        for projection, tokens in ((attention.query, first), (attention.key, states), (attention.value, states))
    )
    seen = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if attention_mask is None else attention_mask[:, None, None].bool(),
        dropout_p=attention.dropout.p if attention.training else 0.0,
        scale=attention.scaling,
    )
    gathered = seen.transpose(1, 2).reshape(first.shape)
    return layer.feed_forward_chunk(layer.attention.output(gathered, first))
