"""What a user of a sentence encoder would try first: logistic regression on what the untouched base makes of a text.

A text's features are the mean of its pieces' states after one layer, standardised; no weight of the base moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.measuring.layers.ask import Features, pooled_layers
from pipeline.measuring.reviews.tfidf_baseline import DIGITS, Fold, best_strength, probabilities_of
from pipeline.models import loading

VERSION = 2
"""Raise it when the same texts and weights give other figures."""
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Values of C (the inverse of the penalty) to choose from, to begin with (``best_strength``)."""
FIRST_STRENGTH = 0.01
"""C while the layer is chosen: so there are some ten fits, where every layer with every C would be four times as many.
"""

Seen = tuple[Features, Sequence[int]]
"""Features [n, layers + 1, hidden] of texts, and their label ids."""


@dataclass(frozen=True)
class FeatureFloor:
    """A fitted baseline, and what it was chosen by."""

    classifier: Pipeline
    layer: int
    inverse_penalty: float
    dev_macro_recall: float | None

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        """Probabilities [n, 3] in the order of ``LABELS``; 0 for a class that training never saw."""
        return probabilities_of(self.classifier, _at(features, self.layer))


def fit_feature_floor(train: Seen, dev: Seen) -> FeatureFloor:
    """Fit on ``train``: the layer with the best macro-recall on ``dev``, then the best C there; the lowest if equal.

    Deterministic: nothing is drawn. Without dev texts it is the layer in the middle, with the C that layers are
    chosen at.
    """
    features, labels = train
    layers = features.shape[1]

    @cache
    def fitted(layer: int, strength: float) -> Pipeline:
        classifier = LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
        steps = [("scaler", StandardScaler()), ("classifier", classifier)]
        return Pipeline(steps).fit(_at(features, layer), labels)

    @cache
    def reached(layer: int, strength: float) -> float:
        return float(balanced_accuracy_score(dev[1], fitted(layer, strength).predict(_at(dev[0], layer))))

    if not len(dev[1]):
        return FeatureFloor(fitted(layers // 2, FIRST_STRENGTH), layers // 2, FIRST_STRENGTH, None)
    layer = max(range(layers), key=lambda layer: reached(layer, FIRST_STRENGTH))
    strength = best_strength(STRENGTHS, partial(reached, layer))
    return FeatureFloor(fitted(layer, strength), layer, strength, reached(layer, strength))


def feature_floor_scores(
    folder: Path, folds: Sequence[Fold], *, max_length: int, tokens_per_batch: int | None = None
) -> list[dict[str, Any]]:
    """How the floor of each fold was fitted and its probabilities [n, 3] of the test texts, as JSON values.

    Each text is read once by the model in ``folder``, whatever folds it stands in: ``max_length`` pieces of it.
    """
    labelled = [row for train, dev, _ in folds for row in (*train, *dev)]
    texts = list(dict.fromkeys([*(text for text, _ in labelled), *(text for *_, test in folds for text in test)]))
    row_of = {text: row for row, text in enumerate(texts)}
    features = pooled_layers(
        loading.load_masked_lm(folder),
        loading.load_tokenizer(folder),
        texts,
        tokens_per_batch=tokens_per_batch,
        max_length=max_length,
    )

    def seen(rows: Sequence[tuple[str, int]]) -> Seen:
        return features[[row_of[text] for text, _ in rows]], [label for _, label in rows]

    found = []
    for train, dev, test in folds:
        floor = fit_feature_floor(seen(train), seen(dev))
        settings = {
            "layer": floor.layer,
            "C": floor.inverse_penalty,
            "dev_macro_recall": floor.dev_macro_recall,
            "features": features.shape[2],
            "train_texts": len(train),
        }
        told = floor.probabilities(features[[row_of[text] for text in test]])
        found.append({"settings": settings, "probabilities": told.round(DIGITS).tolist()})
    return found


def _at(features: Features, layer: int) -> NDArray[np.float32]:
    """One layer's features as numbers that a fit can add up without loss."""
    return features[:, layer].astype(np.float32)
