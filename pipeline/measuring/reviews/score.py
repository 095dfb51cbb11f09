"""The table of scores of a set of predictions, with intervals, in the form that the artifacts hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.measuring.statistics.classification import METRICS, confusion, per_class
from pipeline.measuring.statistics.comparison import classified, minus

Folds = Sequence[int] | None
"""The fold that tested each text; None without cross-validation."""


def scores(labels: ArrayLike, predicted: ArrayLike, folds: Folds = None, **sure: int) -> dict[str, Any]:
    """Number of items, accuracy, macro-recall and macro-F1 with 95% intervals, per class, confusion."""
    matrix = confusion(labels, predicted)
    return {
        "n": int(matrix.sum()),
        **figures(labels, predicted, folds, **sure),
        "per_class": per_class(matrix),
        "confusion": matrix.tolist(),
    }


def figures(labels: ArrayLike, predicted: ArrayLike, folds: Folds = None, **sure: int) -> dict[str, Any]:
    """Accuracy, macro-recall and macro-F1, each with its interval."""
    measured = {name: classified(labels, predicted, metric, folds) for name, metric in METRICS.items()}
    return {name: found.figure(**sure).as_json() for name, found in measured.items()}


def differences(labels: ArrayLike, a: ArrayLike, b: ArrayLike, folds: Folds = None, **sure: int) -> dict[str, Any]:
    """Each of the three figures for predictions a minus predictions b of the same items."""
    sides = {name: [classified(labels, side, metric, folds) for side in (a, b)] for name, metric in METRICS.items()}
    return {name: minus(a_side, b_side, **sure).as_json() for name, (a_side, b_side) in sides.items()}


def compared(
    labels: Sequence[int],
    emoji: Sequence[bool],
    model: ArrayLike,
    plain: ArrayLike,
    folds: Folds = None,
    **sure: int,
) -> dict[str, Any]:
    """All that is said of a model on one corpus: its scores, its slices, and what raw text would have cost.

    Args:
        labels: class ids of the truth; ``emoji``: whether each text has any.
        model, plain: class ids predicted from the texts as prepared, and from the raw texts.
        sure: ``draws`` and ``seed`` of the intervals.
    """
    return {
        "model": scores(labels, model, folds, **sure),
        "slices": slices(labels, model, emoji, folds, **sure),
        "plain": {
            **figures(labels, plain, folds, **sure),
            "changed": float(np.mean(np.asarray(model) != np.asarray(plain))),
            "minus_model": differences(labels, plain, model, folds, **sure),
        },
    }


def slices(
    labels: ArrayLike, predicted: ArrayLike, emoji: Sequence[bool], folds: Folds = None, **sure: int
) -> dict[str, Any]:
    """The same table for texts with emoji and texts without; None where there are none."""
    kinds = np.asarray(emoji, dtype=bool)
    truth, guess = np.asarray(labels), np.asarray(predicted)
    chosen = {"emoji": kinds, "no_emoji": ~kinds}
    return {
        name: scores(truth[where], guess[where], _of(folds, where), **sure) if where.any() else None
        for name, where in chosen.items()
    }


def _of(folds: Folds, where: NDArray[np.bool_]) -> Folds:
    return None if folds is None else np.asarray(folds)[where].tolist()
