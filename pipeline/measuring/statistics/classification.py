"""How well three classes are told apart: accuracy, macro-recall (the headline), macro-F1, per class, confusion.

All of it is arithmetic on a confusion matrix: rows are the truth, columns what was predicted, in the order of
``LABELS``. Macro-recall is SemEval 2017 task 4A's measure (Rosenthal et al. 2017): it cannot be won by the commonest
class. Averages run over the classes that occur in the truth, as in scikit-learn's ``balanced_accuracy_score``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.common.labels import LABELS

Array = NDArray[np.float64]
Metric = Callable[[Array], Array]
"""Maps confusion matrices [..., 3, 3] to values [...]; higher is better."""


def cells(labels: ArrayLike, predicted: ArrayLike) -> NDArray[np.int64]:
    """Number of each item's cell in the confusion matrix, row by row: ``3 * label + predicted``.

    Raises:
        ValueError: lengths differ, or an id is not 0, 1 or 2.
    """
    truth, guess = np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth.shape[-1] != guess.shape[-1]:
        raise ValueError(f"{truth.shape[-1]} labels but {guess.shape[-1]} predictions")
    for name, ids in (("label", truth), ("prediction", guess)):
        if ids.size and not (ids.min() >= 0 and ids.max() < len(LABELS)):
            raise ValueError(f"{name} ids run from {ids.min()} to {ids.max()}; they must lie in 0..{len(LABELS) - 1}")
    return len(LABELS) * truth + guess


def confusion(labels: ArrayLike, predicted: ArrayLike) -> NDArray[np.int64]:
    """The confusion matrix [3, 3]: how often truth (row) was called something (column)."""
    size = len(LABELS)
    return np.bincount(cells(labels, predicted), minlength=size * size).reshape(size, size)


def accuracy(matrix: Array) -> Array:
    """Share of items predicted right."""
    return _share(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


def macro_recall(matrix: Array) -> Array:
    """Mean over classes of the share of their items that was found."""
    return _macro(of_class(matrix, "recall"), matrix)


def macro_f1(matrix: Array) -> Array:
    """Mean over classes of the harmonic mean of precision and recall."""
    return _macro(of_class(matrix, "f1"), matrix)


def of_class(matrix: Array | NDArray[np.int64], share: str) -> Array:
    """Precision, recall or F1 of each class, [..., 3]; NaN where there is nothing to divide by."""
    called, true = SHARES[share]
    hits = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    return _share(hits, called * matrix.sum(axis=-2) + true * matrix.sum(axis=-1))


SHARES = {"precision": (1.0, 0.0), "recall": (0.0, 1.0), "f1": (0.5, 0.5)}
"""What a class's hits are divided by: weights of the texts called it, and of those that are."""
METRICS: dict[str, Metric] = {"accuracy": accuracy, "macro_recall": macro_recall, "macro_f1": macro_f1}
HEADLINE = "macro_recall"


def per_class(matrix: NDArray[np.int64]) -> dict[str, dict[str, float | int | None]]:
    """Precision, recall, F1 and number of items of each class; None where a class never occurs (or is predicted)."""
    shares = {share: [None if np.isnan(one) else float(one) for one in of_class(matrix, share)] for share in SHARES}
    return {
        name: {**{share: values[place] for share, values in shares.items()}, "n": int(matrix[place].sum())}
        for place, name in enumerate(LABELS)
    }


def _share(part: Array, whole: Array) -> Array:
    """part / whole, NaN where there is nothing."""
    whole = np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _macro(values: Array, matrix: Array) -> Array:
    """Mean over the classes that occur in the truth."""
    occurs = matrix.sum(axis=-1) > 0
    return _share(np.where(occurs, values, 0.0).sum(axis=-1), occurs.sum(axis=-1))
