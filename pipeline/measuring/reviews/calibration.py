"""Whether a model's confidence can be taken at its word: of the texts it is 80% sure of, are 80% right?

Calibration error: root mean square over bins of equal mass (a fine-tuned model is nearly always sure, which leaves most
bins of equal width empty: Roelofs et al. 2022, "Mitigating Bias in Calibration Error Estimation"), less what chance
adds to a sum of squares (Kumar, Liang & Ma 2019, "Verified Uncertainty Calibration", section 4). Brier 1950.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.measuring.statistics.bootstrap import Array, Figure, bounds
from pipeline.measuring.statistics.comparison import Measured
from pipeline.measuring.statistics.ladder import Draws, Rows, tested_in

BINS = 10
"""Of a small test split, 200 texts say, each bin then holds 20."""


def calibration(rows_by_seed: Sequence[Rows], draws: Draws, bins: int = BINS) -> dict[str, Any]:
    """How far confidence (the probability of the predicted class) is from accuracy, averaged over seeds.

    Args:
        rows_by_seed: [seeds][texts], the same texts in the same order, with "probabilities".

    Returns:
        {"error": FIGURE, "overconfidence": FIGURE, mean confidence less accuracy, "brier": FIGURE from 0 (best) to 2,
        "reliability": [{"confidence", "accuracy", "n"}] of the predictions of all seeds together}
    """
    labels = np.array([row["label"] for row in rows_by_seed[0]])
    table = np.array([[row["probabilities"] for row in rows] for rows in rows_by_seed], dtype=np.float64)
    confidence, right = table.max(axis=-1), table.argmax(axis=-1) == labels
    squared = ((table - np.eye(table.shape[-1])[labels]) ** 2).sum(axis=-1)
    folds = tested_in(rows_by_seed[0])
    return {
        "error": calibration_error(confidence, right, draws, bins, folds).as_json(),
        "overconfidence": draws.of(_mean(confidence - right, folds)),
        "brier": draws.of(_mean(squared, folds)),
        "reliability": reliability(confidence.ravel(), right.ravel(), bins),
    }


def calibration_error(
    confidence: ArrayLike, right: ArrayLike, draws: Draws, bins: int = BINS, folds: Sequence[int] | None = None
) -> Figure:
    """Root of the mean squared distance of accuracy from confidence over bins, weighted by their texts; 0 is none.

    What chance adds, the variance of each bin's mean, is taken off the squares; draws, to which it adds once more, are
    centred on the value. A bin of one text says nothing.

    Args:
        confidence: [seeds, texts]; right: [seeds, texts], whether the prediction is right; folds: [texts].
    """
    sure, hit = np.atleast_2d(np.asarray(confidence, dtype=np.float64)), np.atleast_2d(np.asarray(right))
    inside = np.eye(bins)[np.stack([_bins(seed, bins) for seed in sure])]
    gaps = (hit - sure)[..., None] * inside
    table = np.concatenate([gaps, gaps**2, inside], axis=-1).swapaxes(0, 1)

    def squared(sums: Array) -> Array:
        total, squares, counts = np.split(sums, 3, axis=-1)
        texts = np.maximum(counts, 2)
        by_chance = (squares - total**2 / texts) / (texts - 1) / texts
        found: Array = np.where(counts > 1, counts * ((total / texts) ** 2 - by_chance), 0.0).sum(axis=-1)
        return found / counts.sum(axis=-1)

    value, drawn = Measured(table, squared, _places(folds)).resampled(draws=draws.draws, seed=draws.seed)
    ends = value, *bounds(drawn - float(drawn.mean()) + value, sure.shape[1])
    value, low, high = np.sqrt(np.maximum(0.0, ends)).tolist()
    return Figure(value, low, high, sure.shape[1])


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[dict[str, float | int]]:
    """Mean confidence and accuracy of each bin that holds a prediction, from the least sure to the surest."""
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    place = _bins(sure, bins)
    return [
        {"confidence": float(sure[here].mean()), "accuracy": float(hit[here].mean()), "n": int(here.sum())}
        for here in (place == at for at in range(bins))
        if here.any()
    ]


def _bins(confidence: Array, bins: int) -> NDArray[np.int64]:
    """Number of each text's bin, all bins of equal mass but for equal confidences, which share one."""
    edges = np.quantile(confidence, np.arange(1, bins) / bins)
    return np.searchsorted(edges, confidence, side="left")


def _mean(values: Array, folds: Sequence[int] | None) -> Measured:
    """Mean over texts of [seeds, texts]."""
    table = np.stack([values.T, np.ones_like(values.T)], axis=-1)
    return Measured(table, lambda sums: sums[..., 0] / sums[..., 1], _places(folds))


def _places(folds: Sequence[int] | None) -> NDArray[np.int64] | None:
    return None if folds is None else np.asarray(folds)
