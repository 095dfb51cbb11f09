"""What a user would try first: word and character TF-IDF with logistic regression. A fine-tuned BERT must beat it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import FeatureUnion

from pipeline.common.labels import LABELS

VERSION = 3
"""Raise it when the same texts give other figures."""
DIGITS = 6
"""Decimals kept of probabilities."""
STRENGTHS = (0.3, 1.0, 3.0, 10.0)
"""Values of C (the inverse of the penalty) to choose from, to begin with: ``best_strength`` goes on from the ends."""
FARTHEST = 1e4
"""Beyond it and below its inverse no C is tried: the penalty is then none, or all."""

Fold = tuple[Sequence[tuple[str, int]], Sequence[tuple[str, int]], Sequence[str]]
"""(text, label id) of train and of dev, and the test texts."""


@dataclass(frozen=True)
class Floor:
    """A fitted baseline, and what it was chosen by."""

    features: FeatureUnion
    classifier: LogisticRegression
    inverse_penalty: float
    dev_macro_recall: float | None

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities [n, 3] in the order of ``LABELS``; 0 for a class that training never saw."""
        return probabilities_of(self.classifier, self.features.transform(texts) if len(texts) else np.zeros((0, 0)))


def probabilities_of(classifier: Any, table: Any) -> NDArray[np.float64]:
    """What a classifier says of each row of a table, [n, 3] in the order of ``LABELS``; 0 for classes unknown to it."""
    found = np.zeros((table.shape[0], len(LABELS)))
    if len(found):
        found[:, classifier.classes_] = classifier.predict_proba(table)
    return found


def fit_floor(train: Sequence[tuple[str, int]], dev: Sequence[tuple[str, int]]) -> Floor:
    """Fit on ``train`` (text, label id); C is the one with the best macro-recall on ``dev`` (``best_strength``).

    Deterministic: nothing is drawn. Without dev texts C is 1.
    """
    features = _features(len(train))
    table = features.fit_transform([text for text, _ in train])
    labels = [label for _, label in train]
    if not dev:
        return Floor(features, _fit(table, labels, 1.0), 1.0, None)
    dev_table, dev_labels = features.transform([text for text, _ in dev]), [label for _, label in dev]
    fitted = cache(lambda strength: _fit(table, labels, strength))
    reached = cache(lambda strength: float(balanced_accuracy_score(dev_labels, fitted(strength).predict(dev_table))))
    best = best_strength(STRENGTHS, reached)
    return Floor(features, fitted(best), best, reached(best))


def best_strength(tried: Sequence[float], reached: Callable[[float], float]) -> float:
    """The C that reaches most on dev, the smallest if equal; the grid goes on until the choice lies inside it."""
    grid = sorted(tried)
    while True:
        best, step = max(grid, key=reached), grid[1] / grid[0]  # the first of equals
        lowest = best == grid[0] and reached(best) > reached(grid[1])
        further = best / step if lowest else best * step if best == grid[-1] else best
        if further == best or not 1 / FARTHEST <= further <= FARTHEST:
            return best
        grid = sorted([*grid, float(f"{further:.1g}")])


def floor_scores(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """How the floor of each fold was fitted and its probabilities [n, 3] of the test texts, as JSON values."""
    found = []
    for train, dev, test in folds:
        floor = fit_floor(train, dev)
        settings = {
            "C": floor.inverse_penalty,
            "dev_macro_recall": floor.dev_macro_recall,
            "features": int(floor.classifier.n_features_in_),
            "train_texts": len(train),
        }
        found.append({"settings": settings, "probabilities": floor.probabilities(test).round(DIGITS).tolist()})
    return found


def _features(texts: int) -> FeatureUnion:
    """Words and pairs of words, and runs of 2 to 5 characters; of many texts, those that occur in two at least."""
    rare = 2 if texts >= 5000 else 1  # on small corpora none is dropped, they are all there is
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=rare)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=rare)
    return FeatureUnion([("words", words), ("characters", characters)])


def _fit(table: csr_matrix, labels: Sequence[int], inverse_penalty: float) -> LogisticRegression:
    return LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=1000).fit(table, labels)
