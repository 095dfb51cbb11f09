"""A head start for toys: word vectors counted from the text, before any gradient step.

Positive pointwise mutual information of pieces within a few positions, factorised by a truncated SVD: Levy & Goldberg
2014, "Neural Word Embedding as Implicit Matrix Factorization", section 5. With rows from it, and output biases from
piece frequencies, masked language modelling starts where it otherwise arrives after millions of tokens (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from pipeline.models.masked_lm import MaskedLM

REACH = 5
"""Neighbours up to this many positions away count, one d positions away as 1/d."""
CONTEXT_POWER = 0.75
"""Context frequencies are raised to this, against the pull of rare contexts (Levy et al. 2015, section 3.2)."""


def counts(ids: Sequence[NDArray[np.int32]], vocabulary: int, first_piece: int) -> sparse.csr_matrix:
    """Symmetric co-occurrence counts [vocabulary, vocabulary]; ids below ``first_piece`` (specials) are left out."""
    flat = np.concatenate(ids)
    text = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    total = sparse.csr_matrix((vocabulary, vocabulary))
    for distance in range(1, REACH + 1):
        left, right = flat[:-distance], flat[distance:]
        kept = (text[:-distance] == text[distance:]) & (left >= first_piece) & (right >= first_piece)
        weights = np.full(int(kept.sum()), 1.0 / distance)
        total = total + sparse.csr_matrix((weights, (left[kept], right[kept])), shape=total.shape)
    return total + total.T


def vectors(cooccurrence: sparse.csr_matrix, dimensions: int, seed: int) -> NDArray[np.float64]:
    """Word vectors [vocabulary, dimensions]: the SVD of positive PMI, each side weighted by the root of the values."""
    often = np.asarray(cooccurrence.sum(axis=1)).ravel()
    context = often**CONTEXT_POWER
    context /= context.sum()
    pairs = cooccurrence.tocoo()
    information = np.log(pairs.data / (often[pairs.row] * context[pairs.col]))
    positive = information > 0
    entries = (information[positive], (pairs.row[positive], pairs.col[positive]))
    left, values, _ = randomized_svd(sparse.csr_matrix(entries, shape=pairs.shape), dimensions, random_state=seed)
    weighted: NDArray[np.float64] = left * np.sqrt(values)
    return weighted


def head_start(model: MaskedLM, ids: Sequence[NDArray[np.int32]], first_piece: int, seed: int) -> None:
    """Set the rows of pieces that the text holds, at BERT's usual scale, and every piece's output bias."""
    config = model.config
    found = vectors(counts(ids, config.vocab_size, first_piece), config.hidden_size, seed)
    often = np.bincount(np.concatenate(ids), minlength=config.vocab_size).astype(float)
    often[:first_piece] = 0.0
    seen = often > 0
    centred = found[seen] - found[seen].mean(axis=0)
    scaled = centred * (config.initializer_range / centred.std())
    with torch.no_grad():
        model.get_input_embeddings().weight[torch.from_numpy(seen)] = torch.from_numpy(scaled).float()
        model.cls.predictions.bias.copy_(torch.from_numpy(np.log((often + 0.5) / (often + 0.5).sum())))
