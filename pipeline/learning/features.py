"""Feature extraction: a logistic head fitted on the frozen encoder, of which no weight moves.

Peters, Ruder & Smith 2019, "To Tune or Not to Tune?", section 2. The features are what the pooler makes of [CLS], for
that is what the saved form, a plain ``BertForSequenceClassification``, reads; the floor of features
(``feature_baseline``) reads the mean of the pieces at the best layer instead.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from transformers import set_seed

from pipeline.learning.options import Options
from pipeline.learning.tuning import Lessons, Tuned, pooler_of, texts, weights_of
from pipeline.measuring.reviews.feature_baseline import STRENGTHS
from pipeline.measuring.reviews.tfidf_baseline import best_strength
from pipeline.measuring.scoring import pooled_states
from pipeline.models import loading
from pipeline.models.reader import Reader


def fitted(settings: Options, start: Path, prepare: Path, seed: int, fold: int) -> Tuned:
    """The model in ``start`` under the head that does best on dev, with a fold held out; C by ``best_strength``."""
    set_seed(seed)  # a pooler that the start lacks
    model: Any = loading.load_classifier(start)
    reader = Reader.of(start, settings.max_length)
    lessons = Lessons.of(settings, prepare, fold)
    pooled, dev_pooled = (pooled_states(model, reader.ids(texts(rows))) for rows in (lessons.train, lessons.dev))
    scaler = StandardScaler().fit(pooled)
    table = scaler.transform(pooled)

    @cache
    def head(strength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight [3, hidden] and bias [3] for features that are not standardised."""
        found = LogisticRegression(C=strength, max_iter=500).fit(table, lessons.labels, sample_weight=lessons.weights)
        weight = found.coef_ / scaler.scale_
        return weight, found.intercept_ - weight @ scaler.mean_

    def figures(strength: float) -> dict[str, float]:
        weight, bias = head(strength)
        return lessons.figures(dev_pooled @ weight.T + bias)

    best = best_strength(STRENGTHS, lambda strength: figures(strength)["dev_macro_recall"])
    with torch.no_grad():
        for place, value in zip((model.classifier.weight, model.classifier.bias), head(best), strict=True):
            place.copy_(torch.from_numpy(value))
    model.requires_grad_(False).classifier.requires_grad_(True)
    told = figures(best)
    summary = {
        "method": settings.method,
        "pooler": pooler_of(model),
        "inverse_penalty": best,
        **weights_of(model),
        "steps": 0,
        "best_step": 0,
        "dev_macro_recall": told["dev_macro_recall"],
    }
    return Tuned(model, reader, lessons, summary, [{"epoch": 0.0, "step": 0, **told}])
