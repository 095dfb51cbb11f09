"""The share of general English kept, as a module of the `evaluate` library.

    retention = evaluate.load("pipeline/measuring/evaluate_modules/retention_score")
    retention.compute(predictions=[2.0, 2.5], references=[2.0, 2.0], masked=[1, 1])

Loads from this folder with no network. It is the second opinion on ``pipeline.measuring.general.score``: losses are
weighted means by scikit-learn.
"""

import math
from collections.abc import Sequence

import datasets
import evaluate
from sklearn.metrics import mean_absolute_error

_INPUTS = """
    predictions: nats a masked piece of each document, of the model now.
    references: the same of the model before.
    masked: number of masked pieces of each document.
Returns retention = exp(loss before - loss now), 1 if all was kept; loss_before, loss_now.
"""


class RetentionScore(evaluate.Metric):
    """exp(loss before - loss now) over the masked pieces of the same documents."""

    def _info(self) -> evaluate.MetricInfo:
        nats = datasets.Value("float64")
        return evaluate.MetricInfo(
            description="How much of its masked language modelling on general text a model kept.",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": nats, "references": nats, "masked": datasets.Value("int64")}),
        )

    def _compute(
        self, predictions: Sequence[float], references: Sequence[float], masked: Sequence[int]
    ) -> dict[str, float]:
        if not sum(masked):
            raise ValueError("retention_score: no masked pieces to score")
        nothing = [0.0] * len(masked)  # nats are never negative, so their mean is their mean distance from zero
        now = float(mean_absolute_error(nothing, predictions, sample_weight=masked))
        before = float(mean_absolute_error(nothing, references, sample_weight=masked))
        return {"retention": math.exp(before - now), "loss_before": before, "loss_now": now}
