"""Which informal texts adaptation reads: those nearest to the reviews, or as many drawn at random.

Gururangan et al. 2020, "Don't Stop Pretraining", section 5.2: kNN-TAPT, and RAND-TAPT as its control. Near is the
cosine between what the base makes of texts, at the layer and standardised as the floor of features reads them
(``feature_baseline``), where the paper asks a VAMPIRE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from pipeline.common.errors import InputError
from pipeline.corpora import prepared
from pipeline.corpora.stored_rows import Rows, StoredRows
from pipeline.learning.options import Selection
from pipeline.measuring.layers.ask import pooled_layers
from pipeline.measuring.reviews.feature_baseline import fit_feature_floor
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading
from pipeline.models.reader import Reader

Features = NDArray[np.float32]
CHUNK = 2048
"""Texts whose features of all layers, or similarities to as many others, are in memory at a time."""
LAYER_TEXTS = 10_000
"""At most so many reviews are asked which layer it is."""


def chosen(how: Selection, informal: StoredRows, prepare: Path, start: Path, reader: Reader, seed: int) -> StoredRows:
    """Of informal rows those that a model in ``start`` finds near the reviews' training texts, or as many at random.

    Raises:
        InputError: no training texts of reviews, or folds test them all.
    """
    train, dev = (
        prepared.rows(prepare, role="reviews", split=split).where(lambda row: "fold" not in row)
        for split in ("train", "dev")
    )
    if not train:
        raise InputError(
            "pretrain.select.by: near is what is near the reviews' training texts, and there are none that no fold "
            "tests; set it to all, or prepare.folds to 1"
        )
    model = loading.load_masked_lm(start)

    def read(rows: Rows) -> Iterator[NDArray[np.float16]]:
        for at in range(0, len(rows), CHUNK):
            texts = [reader.text(row["text"]) for row in rows[at : at + CHUNK]]
            yield pooled_layers(model, reader.tokenizer, texts, max_length=reader.max_length)

    asked = [*fixed_sample(train, LAYER_TEXTS, 0, by="label"), *dev]
    features, labels = np.concatenate(list(read(asked))), [row["label"] for row in asked]
    known = len(asked) - len(dev)
    layer = fit_feature_floor((features[:known], labels[:known]), (features[known:], labels[known:])).layer
    reviews = np.concatenate([part[:, layer].astype(np.float32) for part in read(train)])
    scaler = StandardScaler().fit(reviews)
    parts = (directions(scaler.transform(part[:, layer].astype(np.float32))) for part in read(informal))
    rows = nearest(directions(scaler.transform(reviews)), parts, how.neighbours)
    if how.by == "random":
        rows = np.sort(np.random.default_rng([seed, 11]).choice(len(informal), len(rows), replace=False))
    return informal.take(rows)


def nearest(queries: Features, parts: Iterable[Features], neighbours: int) -> NDArray[np.int64]:
    """Rows, in order, that are among the ``neighbours`` with the highest inner product with some query; exact.

    Args:
        queries: [n, width].
        parts: [some, width] each, whose rows are numbered through; one is in memory at a time, and beside it n times
            ``neighbours`` values.
    """
    alike = np.full((len(queries), neighbours), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), neighbours), -1, dtype=np.int64)
    first = 0
    for part in parts:
        numbers = first + np.arange(len(part))
        for at in range(0, len(queries), CHUNK):
            some = slice(at, at + CHUNK)
            every = np.hstack([alike[some], queries[some] @ part.T])
            which = np.hstack([rows[some], np.broadcast_to(numbers, (len(every), len(part)))])
            best = np.argpartition(-every, neighbours - 1, axis=1)[:, :neighbours]
            alike[some], rows[some] = (np.take_along_axis(table, best, axis=1) for table in (every, which))
        first += len(part)
    return np.unique(rows[rows >= 0])


def directions(features: Features) -> Features:
    """Rows at length 1; those of zeros stay."""
    found: Features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return found
