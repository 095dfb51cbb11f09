"""The mistakes a model is surest of: where to look first, for a wrong label, irony, or a word it misread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.common.labels import LABELS
from pipeline.measuring.statistics.ladder import Rows


def most_confident(rows_by_seed: Sequence[Rows], texts: Mapping[str, str], count: int = 30) -> list[dict[str, Any]]:
    """At most ``count`` texts that the mean of the seeds' probabilities gets wrong, the surest first.

    Args:
        rows_by_seed: [seeds][texts], the same texts in the same order, with "probabilities".
        texts: id -> text, as written: whoever shows them must escape them.

    Returns:
        [{"id", "text", "label", "predicted", "confidence", "seeds_wrong"}], classes by name; confidence is the mean
        probability of the predicted class, seeds_wrong the number of seeds that are wrong.
    """
    labels = np.array([row["label"] for row in rows_by_seed[0]])
    table = np.array([[row["probabilities"] for row in rows] for rows in rows_by_seed]).mean(axis=0)
    predicted = table.argmax(axis=1)
    wrong = np.array([[row["predicted"] != row["label"] for row in rows] for rows in rows_by_seed]).sum(axis=0)
    ids = [row["id"] for row in rows_by_seed[0]]
    found = [
        {
            "id": ids[place],
            "text": texts[ids[place]],
            "label": LABELS[labels[place]],
            "predicted": LABELS[predicted[place]],
            "confidence": float(table[place, predicted[place]]),
            "seeds_wrong": int(wrong[place]),
        }
        for place in np.flatnonzero(predicted != labels)
    ]
    return sorted(found, key=lambda row: (-row["confidence"], row["id"]))[:count]
