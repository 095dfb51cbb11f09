"""A BERT's layers: all positions through the first ones, and through the last one only those that are read.

The last layer needs keys and values of every token, but query, output and feed-forward only where somebody looks: at
[CLS] to classify a text, at the hidden tokens to guess them. Outputs and gradients are the full layer's, for as little
as a fifth of its work. Dropout on a CPU is torch's, from a seventh of the random numbers' time. What both gained is in
docs/log.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer, BertSelfAttention

SHORT = 256
"""Tokens up to which plain products beat fused attention on a CPU, where that is not made for what is asked."""
STEPS = 2**16
"""A probability is rounded to a multiple of 1 / STEPS."""
DRAWS = 4
"""Of so many bits each in one of the generator's numbers."""


@dataclass(frozen=True)
class Places:
    """Positions of a batch: row and column of each, and how many of its row come before it; int64 [places]."""

    rows: Tensor
    columns: Tensor
    slots: Tensor
    most: int
    """That one row has."""

    @classmethod
    def at(cls, rows: Tensor, columns: Tensor) -> Places:
        """Given ones, int64 [places]; the rows in rising order."""
        counts = torch.bincount(rows, minlength=1)
        starts = counts.cumsum(dim=0) - counts
        return cls(rows, columns, torch.arange(len(rows), device=rows.device) - starts[rows], max(1, int(counts.max())))

    @classmethod
    def where(cls, chosen: Tensor) -> Places:
        """Those at which ``chosen``, bool [batch, length], holds, row by row."""
        return cls.at(*chosen.nonzero(as_tuple=True))

    @classmethod
    def first(cls, batch: int, device: torch.device) -> Places:
        """[CLS] of each text."""
        zeros = torch.zeros(batch, dtype=torch.int64, device=device)
        return cls(torch.arange(batch, device=device), zeros, zeros, 1)

    def to(self, device: torch.device, non_blocking: bool = False) -> Places:
        """The same on another device, as a batch's tensors are."""
        rows, columns, slots = (
            part.to(device, non_blocking=non_blocking) for part in (self.rows, self.columns, self.slots)
        )
        return Places(rows, columns, slots, self.most)

    def shard(self, moved: Tensor) -> tuple[Tensor, Places]:
        """Which are of rows that are kept, bool [places], and those; ``moved`` says where each row goes, -1: away."""
        rows = moved[self.rows]
        return rows >= 0, Places.at(rows[rows >= 0], self.columns[rows >= 0])

    @classmethod
    def joined(cls, *parts: Places) -> tuple[Places, tuple[Tensor, ...]]:
        """Some places together, row by row; and where among them each part's have come to, int64 [its places]."""
        rows, columns = torch.cat([part.rows for part in parts]), torch.cat([part.columns for part in parts])
        order = rows.argsort(stable=True)
        return cls.at(rows[order], columns[order]), torch.split(order.argsort(), [len(part.rows) for part in parts])

    def of(self, states: Tensor) -> Tensor:
        """What stands there, [places, hidden], of states [batch, length, hidden]."""
        return states[self.rows, self.columns]

    def lined_up(self, vectors: Tensor, batch: int) -> Tensor:
        """Vectors [places, hidden] in the rows they are of, from the left: [batch, most places of a row, hidden]."""
        return vectors.new_zeros(batch, self.most, vectors.shape[1]).index_put((self.rows, self.slots), vectors)

    def off_line(self, lined_up: Tensor) -> Tensor:
        """The other way round."""
        return lined_up[self.rows, self.slots]


def states_after(bert: BertModel, states: Tensor, attention_mask: Tensor | None, end: int) -> list[Tensor]:
    """States that enter the first layer, and those after each of the first ``end``, all [batch, length, hidden].

    Args:
        attention_mask: [batch, length], 0 at padding; None: no padding.
    """
    mask, found = _mask(attention_mask), [states]
    for layer in bert.encoder.layer[:end]:
        found.append(_through(layer, found[-1], mask))
    return found


def last_states(
    bert: BertModel, states: Tensor, attention_mask: Tensor | None, places: Places, first: int = 0
) -> Tensor:
    """What the model's last layer gives at some places, [places, hidden], of what enters layer ``first``."""
    last, mask = len(bert.encoder.layer) - 1, _mask(attention_mask)
    for layer in bert.encoder.layer[first:last]:
        states = _through(layer, states, mask)
    return _through(bert.encoder.layer[last], states, mask, places)


def packed_states(bert: BertModel, states: Tensor, groups: Sequence[tuple[int, int]], end: int) -> Tensor:
    """States [tokens, hidden] of texts one after the other, after the first ``end`` layers.

    Products are of all tokens at once; only attention is worked out text by text, which needs no padding.

    Args:
        groups: how many texts of what length follow each other.
    """
    sizes = [texts * length for texts, length in groups]
    for layer in bert.encoder.layer[:end]:
        inner = layer.attention.self
        parts = (projection(states).split(sizes) for projection in (inner.query, inner.key, inner.value))
        seen = [
            _attend(inner, query.view(*group, -1), key.view(*group, -1), value.view(*group, -1), None).flatten(0, 1)
            for group, query, key, value in zip(groups, *parts, strict=True)
        ]
        states = layer.feed_forward_chunk(layer.attention.output(torch.cat(seen), states))
    return states


def _mask(attention_mask: Tensor | None) -> Tensor | None:
    """Which keys may be seen, bool [batch, 1, 1, length]; None: all of them (on a GPU nobody waits to find out)."""
    if attention_mask is None or (attention_mask.device.type == "cpu" and bool(attention_mask.all())):
        return None
    return attention_mask[:, None, None].bool()


def _through(layer: BertLayer, states: Tensor, mask: Tensor | None, places: Places | None = None) -> Tensor:
    """A layer's output, [batch, length, hidden]; with ``places`` there alone, [places, hidden]."""
    inner = layer.attention.self
    if places is None:
        seen = _attend(inner, inner.query(states), inner.key(states), inner.value(states), mask)
        return layer.feed_forward_chunk(layer.attention.output(seen, states))
    asked = places.of(states)
    query = places.lined_up(inner.query(asked), len(states))
    if places.most == 1 and type(inner.key) is type(inner.value) is nn.Linear:
        seen = _glance(inner, query, states, mask)
    else:
        seen = _attend(inner, query, inner.key(states), inner.value(states), mask)
    seen = places.off_line(seen)
    return layer.feed_forward_chunk(layer.attention.output(seen, asked))


def _attend(inner: BertSelfAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """What each query sees, [batch, queries, hidden].

    torch's fused attention on a CPU knows no dropout (it then computes plainly, in more steps than here), and its
    backward pass in bfloat16 is slow for short texts.
    """
    size = (len(query), -1, inner.num_attention_heads, inner.attention_head_size)
    query, key, value = (part.view(size).transpose(1, 2) for part in (query, key, value))
    drops = inner.dropout.p if inner.training else 0.0
    slow = drops > 0 or (query.dtype == torch.bfloat16 and torch.is_grad_enabled())
    if query.device.type == "cpu" and slow and key.shape[2] <= SHORT:
        seen = _plainly(inner, query, key, value, mask)
    else:
        seen = scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=drops, scale=inner.scaling)
    return seen.transpose(1, 2).flatten(2)


def _glance(inner: BertSelfAttention, query: Tensor, states: Tensor, mask: Tensor | None) -> Tensor:
    """What one query a text sees, [batch, 1, hidden], without a key or a value of any token.

    Projections are linear: q (W x + b) is (q W) x + q b, and a mean of values is the value of a mean. So the matrices
    meet one vector a text and head instead of every token: of n tokens, 1 + n heads / hidden products of that size
    instead of n.
    """
    split = (inner.num_attention_heads, inner.attention_head_size)
    with _no_autocast(states.device.type):
        whole, asked = states.float(), query.float().view(-1, *split)
        key, value = (part.weight.float().view(*split, -1) for part in (inner.key, inner.value))
        sought = (asked.transpose(0, 1) @ key).transpose(0, 1)  # [batch, heads, hidden]
        scores = sought @ whole.transpose(1, 2) + (asked * inner.key.bias.float().view(split)).sum(-1, keepdim=True)
        scores = scores * inner.scaling
        if mask is not None:
            scores = scores.masked_fill(~mask[:, 0], float("-inf"))
        weights = inner.dropout(scores.softmax(dim=-1))
        found = (weights @ whole).transpose(0, 1) @ value.transpose(1, 2)  # [heads, batch, size]
        seen = found.transpose(0, 1) + weights.sum(-1, keepdim=True) * inner.value.bias.float().view(split)
    return seen.flatten(1)[:, None].to(query.dtype)


def _no_autocast(device: str) -> AbstractContextManager[Any]:
    """Have products in the types given, on devices that would do otherwise."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _plainly(inner: BertSelfAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attention product by product, in float32 as torch's own is."""
    kind = query.dtype
    with _no_autocast("cpu"):
        query, key, value = (
            part.to(torch.float32, memory_format=torch.contiguous_format) for part in (query, key, value)
        )
        weights = (query * inner.scaling) @ key.transpose(2, 3)
        if mask is not None:
            weights = weights + torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
        return (inner.dropout(weights.softmax(dim=-1)) @ value).to(kind)


class Dropout(nn.Dropout):
    """``nn.Dropout`` whose draws on a CPU are 16 bits wide, four of one random number; elsewhere just that.

    torch draws a whole Bernoulli variate for every element there, which took 5 to 7% of an update (docs/log.md).
    What is kept is scaled by the exact share that is kept, so that means are kept too. Draws come from torch's
    generator, so that seeds and checkpoints hold for them.
    """

    def forward(self, states: Tensor) -> Tensor:
        """The states, of which a share ``p`` is zero in training and the rest scaled up."""
        dropped = round(self.p * STEPS)
        if not self.training or not dropped or states.device.type != "cpu" or dropped == STEPS:
            return super().forward(states)
        draws = torch.empty(-(-states.numel() // DRAWS), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: states.numel()].view(states.shape) >= dropped - STEPS // 2
        return states * kept.to(states.dtype).mul_(STEPS / (STEPS - dropped))


def use_dropout(model: nn.Module) -> None:
    """Put it in the place of each ``nn.Dropout`` of a model."""
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if type(module) is nn.Dropout:
                setattr(parent, name, Dropout(module.p))
