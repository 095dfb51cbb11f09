"""Tuning with the embedding rows that its texts need, and no others.

A thousand reviews use a tenth of a vocabulary. The gradient of the whole matrix, its norm and its AdamW update are paid
in every step all the same, and they are half of what a small BERT's checkpoint holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.batches import Ids


@contextmanager
def alone(model: Any, texts: Iterable[Ids]) -> Iterator[Tensor | None]:
    """Have a BERT hold only the word embeddings of some texts for a while, its ``rows``; all others stay as they are.

    Not even weight decay reaches those: AdamW would shrink them by rate x decay a step.

    Args:
        texts: ids of all that the model will read meanwhile, padding apart.

    Yields:
        the row of each id, int64 [vocabulary], 0 (padding's) for those that are not there; None where nothing was
        taken away, because the embeddings do not learn whole (frozen, or under adapters).
    """
    parts = model.bert.embeddings
    whole = parts.word_embeddings
    if type(whole) is not nn.Embedding or whole.padding_idx is None or not whole.weight.requires_grad:
        yield None
        return
    others = {int(token) for ids in texts for token in np.unique(ids)} - {whole.padding_idx}
    rows = torch.tensor([whole.padding_idx, *sorted(others)], device=whole.weight.device)
    table = torch.zeros(whole.num_embeddings, dtype=torch.int64)
    table[rows.cpu()] = torch.arange(len(rows))
    subset: Any = nn.Embedding(len(rows), whole.embedding_dim, padding_idx=0, _weight=whole.weight.data[rows])
    subset.rows = rows
    parts.word_embeddings = subset
    try:
        yield table
    finally:
        learned = parts.word_embeddings.weight.data
        whole.to(learned.device).weight.data[rows.to(learned.device)] = learned
        parts.word_embeddings = whole
