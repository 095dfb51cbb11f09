"""Labels that are probably wrong: rows for which a model that never saw them is surer of another class.

Confident learning: Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, section 3. How sure is sure differs by class: the threshold of a class is the mean probability it gets on the
rows labelled with it, so that a class the model always doubts is not all suspects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.common.labels import LABELS

Array = NDArray[np.float64]
LEAST = 1e-6
"""Nobody is surer than that: a class that one model gives 0 is not out of the question."""


def pooled(opinions: Sequence[ArrayLike]) -> Array:
    """What models of different kinds say together, [n, 3]: the geometric mean of their probabilities [n, 3] each.

    A logarithmic opinion pool (Genest & Zidek 1986, "Combining Probability Distributions", section 2.2): one that is
    sure against a class counts. Errors of a tuned model and of TF-IDF differ, so that labels which both find wrong
    more often are (docs/log.md).
    """
    logs = np.mean([np.log(np.asarray(each, dtype=np.float64) + LEAST) for each in opinions], axis=0)
    table: Array = np.exp(logs - logs.max(axis=1, keepdims=True))
    return table / table.sum(axis=1, keepdims=True)


def doubt(labels: ArrayLike, probabilities: ArrayLike) -> Array:
    """How doubtful each label is, from 0 to 1 (certainly another); at 0.5 another class is as likely as the label.

    The share of the likeliest other class beside the label, both probabilities in units of their class's threshold:
    the margin by which section 3.2 ranks, adjusted by class.

    Args:
        labels: [n] class ids.
        probabilities: [n, 3], each row's from a model that was not trained on it (out of fold).

    Raises:
        ValueError: shapes do not fit.
    """
    truth, table = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if table.shape != (len(truth), len(LABELS)):
        raise ValueError(f"doubt: {len(truth)} labels but probabilities of shape {table.shape}")
    units = table / thresholds(truth, table)
    is_label = np.eye(len(LABELS), dtype=bool)[truth]
    own, other = units[is_label], np.where(is_label, 0.0, units).max(axis=1)
    return np.divide(other, own + other, out=np.zeros(len(truth)), where=own + other > 0)


def thresholds(labels: NDArray[np.int64], probabilities: Array) -> Array:
    """[3] mean probability of each class over the rows labelled with it (equation 2); infinite where it gets none."""
    is_label = np.eye(len(LABELS), dtype=bool)[labels]
    sums, rows = np.where(is_label, probabilities, 0.0).sum(axis=0), is_label.sum(axis=0)
    return np.divide(sums, rows, out=np.full(len(LABELS), np.inf), where=sums > 0)


def candidates(
    rows: Sequence[Mapping[str, Any]], probabilities: ArrayLike, texts: Mapping[str, str], count: int = 30
) -> dict[str, Any]:
    """Rows whose label is worth a second look, the most doubtful first.

    A candidate reaches the threshold of another class but not that of its own: it lies off the diagonal of the
    confident joint (equation 1).

    Args:
        rows: {"id", "label"} of each text.
        probabilities: [n, 3] out of fold.
        texts: id -> text, as written: whoever shows them must escape them.

    Returns:
        {"n": rows, "suspects": number of candidates, "share": of all rows, "rows": [{"id", "text", "label", "likely",
        "confidence": of the likely class, "doubt"}], at most ``count``}, classes by name.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    labels = np.array([row["label"] for row in rows], dtype=np.int64)
    doubts, reached = doubt(labels, table), table >= thresholds(labels, table)
    likely = np.where(reached, table, 0.0).argmax(axis=1)  # of the classes whose threshold it reaches, the likeliest
    own = reached[np.arange(len(rows)), labels]
    suspect = np.flatnonzero(reached.any(axis=1) & ~own)
    order = sorted(suspect.tolist(), key=lambda place: (-doubts[place], rows[place]["id"]))
    shown = [
        {
            "id": rows[place]["id"],
            "text": texts[rows[place]["id"]],
            "label": LABELS[labels[place]],
            "likely": LABELS[likely[place]],
            "confidence": float(table[place, likely[place]]),
            "doubt": float(doubts[place]),
        }
        for place in order[:count]
    ]
    share = len(order) / len(rows) if rows else None
    return {"n": len(rows), "suspects": len(order), "share": share, "rows": shown}
