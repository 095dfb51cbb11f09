"""The classification figures as a module of the `evaluate` library, worked out by scikit-learn.

    three_class = evaluate.load("pipeline/measuring/evaluate_modules/three_class")
    three_class.compute(predictions=[0, 2, 1], references=[0, 2, 2])

Loads from this folder with no network. It is the second opinion on ``pipeline.measuring.statistics.classification``,
and what ``evaluate.combine`` and ``evaluate.evaluator`` take. (No `import a, b` here: the library
reads this file's imports with a pattern that takes them for one.)
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

_NAMES = ("negative", "neutral", "positive")
_INPUTS = """
    predictions: class ids, 0 negative, 1 neutral, 2 positive.
    references: class ids of the truth.
Returns accuracy; macro_recall and macro_f1 over the classes that occur in the truth; precision_, recall_ and f1_ of
each class; confusion (rows = truth).
"""


class ThreeClass(evaluate.Metric):
    """Accuracy, macro-recall, macro-F1, per class, confusion."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Value("int64")
        return evaluate.MetricInfo(
            description="How well negative, neutral and positive texts are told apart; macro-recall is the headline.",
            citation="Rosenthal et al. 2017, SemEval-2017 Task 4: Sentiment Analysis in Twitter",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, Any]:
        if not len(references):
            raise ValueError("three_class: no predictions to score")
        present = sorted(set(references))
        classes = range(len(_NAMES))
        table = {"labels": list(classes), "zero_division": 0.0}
        precision, recall, f1, _ = precision_recall_fscore_support(references, predictions, **table)
        figures = {
            "accuracy": float(accuracy_score(references, predictions)),
            "macro_recall": float(recall[present].mean()),
            "macro_f1": float(f1[present].mean()),
            "confusion": confusion_matrix(references, predictions, labels=list(classes)).tolist(),
        }
        for place, name in enumerate(_NAMES):
            figures |= {
                f"precision_{name}": float(precision[place]),
                f"recall_{name}": float(recall[place]),
                f"f1_{name}": float(f1[place]),
            }
        return figures
