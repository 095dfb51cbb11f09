"""What a frozen encoder makes of a sentence: the mean of its pieces' states, after the embeddings and every layer.

The features that probes and similarity of representations are worked out from; the head plays no part in them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.common.cache import Remember
from pipeline.common.files import digest
from pipeline.measuring.scoring import in_batches, ready
from pipeline.models import loading, sources
from pipeline.models.batches import as_inputs

VERSION = 1
"""Raise it when the same sentences and weights get other features."""
Features = NDArray[np.float16]
LOADERS: dict[str, Callable[[Path], nn.Module]] = {
    "base": loading.load_masked_lm,
    "adapted": loading.load_masked_lm,
    "tuned": loading.load_classifier,
}


@torch.inference_mode()
def pooled_layers(
    model: nn.Module,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    tokens_per_batch: int | None = None,
    max_length: int | None = None,
) -> Features:
    """Mean over the pieces of each text ([CLS] and [SEP] left out), float16 [texts, layers + 1, hidden].

    Layer 0 is the embeddings'. Rounded to float16, so that what is kept is what was worked with. A text in which the
    tokenizer finds no piece gets zeros.

    Args:
        max_length: pieces of a text that are read, [CLS] and [SEP] counted; None: as many as the model has positions.
    """
    bert: Any = ready(model).bert
    longest = min(max_length or bert.config.max_position_embeddings, bert.config.max_position_embeddings)
    ids = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    found = np.empty((len(ids), bert.config.num_hidden_layers + 1, bert.config.hidden_size), dtype=np.float16)
    for rows in in_batches(ids, tokens_per_batch, "features", model):
        inputs = as_inputs([ids[row] for row in rows], tokenizer.pad_token_id, model)
        states = torch.stack(bert(**inputs, output_hidden_states=True).hidden_states, dim=1)
        lengths = inputs["attention_mask"].sum(dim=1, keepdim=True)
        places = torch.arange(states.shape[2], device=states.device)
        inner = ((places > 0) & (places < lengths - 1)).to(states.dtype)
        means = torch.einsum("rldh,rd->rlh", states, inner) / inner.sum(dim=1).clamp(min=1)[:, None, None]
        found[rows] = means.cpu().numpy().astype(np.float16)
    return found


def observe(
    tokenizer: Any,
    sentences: Sequence[Mapping[str, Any]],
    folders: Mapping[str, Path],
    *,
    tokens_per_batch: int | None = None,
    remember: Remember,
) -> dict[str, Features]:
    """Features of the models in ``folders`` (base, adapted, tuned), float16 [sentences, 2, layers + 1, hidden].

    They are remembered by weights and sentences, so that arms which share a model share them.

    Args:
        sentences: ``text`` and its twin ``shuffled``, in this order along the second axis.
    """
    texts = [item[side] for item in sentences for side in ("text", "shuffled")]
    asked = digest([texts, loading.how_it_reads(tokenizer)])

    def look(name: str) -> dict[str, Any]:
        model = LOADERS[name](folders[name])
        found = pooled_layers(model, tokenizer, texts, tokens_per_batch=tokens_per_batch)
        return {"shape": found.shape, "float16": base64.b64encode(found.astype("<f2").tobytes()).decode()}

    def unpacked(kept: Mapping[str, Any]) -> Features:
        flat = np.frombuffer(base64.b64decode(kept["float16"]), dtype="<f2")
        _, layers, width = kept["shape"]
        return flat.reshape(len(sentences), 2, layers, width)

    kept = remember(
        [([VERSION, "features", sources.weight_digests(folders[name]), asked], partial(look, name)) for name in folders]
    )
    return dict(zip(folders, map(unpacked, kept), strict=True))
