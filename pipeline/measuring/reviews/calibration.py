"""Whether a model's confidence can be taken at its word: of the texts it is 80% sure of, are 80% right?

Expected calibration error: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 5, with bins of equal
mass instead of equal width: a fine-tuned model is nearly always sure, which leaves most bins of equal width empty, and
equal mass is the less biased (Roelofs et al. 2022, "Mitigating Bias in Calibration Error Estimation"). Brier 1950.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.measuring.statistics.bootstrap import Array, Figure
from pipeline.measuring.statistics.comparison import Measured
from pipeline.measuring.statistics.ladder import Draws, Rows

BINS = 10
"""Of a small test split, 200 texts say, each bin then holds 20."""


def calibration(rows_by_seed: Sequence[Rows], draws: Draws, bins: int = BINS) -> dict[str, Any]:
    """How far confidence (the probability of the predicted class) is from accuracy, averaged over seeds.

    Args:
        rows_by_seed: [seeds][texts], the same texts in the same order, with "probabilities".

    Returns:
        {"ece": FIGURE, "ece_by_chance": x, what a perfectly calibrated model of these confidences shows on so many
        texts, "overconfidence": FIGURE, mean confidence less accuracy, "brier": FIGURE from 0 (best) to 2,
        "reliability": [{"confidence", "accuracy", "n"}] of the predictions of all seeds together}
    """
    labels = np.array([row["label"] for row in rows_by_seed[0]])
    table = np.array([[row["probabilities"] for row in rows] for rows in rows_by_seed], dtype=np.float64)
    confidence, right = table.max(axis=-1), table.argmax(axis=-1) == labels
    squared = ((table - np.eye(table.shape[-1])[labels]) ** 2).sum(axis=-1)
    return {
        "ece": expected_error(confidence, right, draws, bins).as_json(),
        "ece_by_chance": float(np.mean([_by_chance(seed, bins) for seed in confidence])),
        "overconfidence": draws.of(_mean(confidence - right)),
        "brier": draws.of(_mean(squared)),
        "reliability": reliability(confidence.ravel(), right.ravel(), bins),
    }


def expected_error(confidence: ArrayLike, right: ArrayLike, draws: Draws, bins: int = BINS) -> Figure:
    """Mean distance of accuracy from confidence over bins, weighted by their texts; mean over seeds.

    Chance adds to a sum of distances, and adds again in every draw. So the interval is the basic one, the percentiles
    mirrored at the value, not below 0 (Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 5.2).

    Args:
        confidence: [seeds, texts]; right: [seeds, texts], whether the prediction is right.
    """
    sure, hit = np.atleast_2d(np.asarray(confidence, dtype=np.float64)), np.atleast_2d(np.asarray(right))
    place = np.stack([_bins(seed, bins) for seed in sure])
    gaps = (hit - sure)[..., None] * np.eye(bins)[place]
    measured = Measured(gaps.swapaxes(0, 1), lambda sums: np.abs(sums).sum(axis=-1) / sure.shape[1])
    found = measured.figure(draws=draws.draws, seed=draws.seed)
    low, high = (max(0.0, 2 * found.value - bound) for bound in (found.high, found.low))
    return Figure(found.value, low, high, found.n)


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


def _by_chance(confidence: Array, bins: int) -> float:
    """Expected ECE where each text is right with just its confidence: mean of |N(0, v)| is sqrt(2 v / pi)."""
    variance = np.bincount(_bins(confidence, bins), confidence * (1 - confidence), minlength=bins)
    return float(np.sqrt(2 * variance / np.pi).sum() / len(confidence))


def _mean(values: Array) -> Measured:
    """Mean over texts of [seeds, texts]."""
    return Measured(values.T[..., None], lambda sums: sums[..., 0] / values.shape[1])
