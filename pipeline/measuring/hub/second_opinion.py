"""Every headline figure is worked out twice, by independent code, before anyone reads it.

Once by our own arithmetic (``statistics.classification``, ``general.score``), once by scikit-learn in the modules of
the `evaluate` library beside it. Libraries' metrics have been wrong for months before; two that agree are rarely wrong
alike.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.measuring.hub.retention_score.retention_score import RetentionScore
from pipeline.measuring.hub.three_class.three_class import ThreeClass
from pipeline.measuring.statistics.bootstrap import Figure

TOLERANCE = 1e-9


def check_scores(card: Mapping[str, Any], labels: Sequence[int], predicted: Sequence[int]) -> None:
    """Hold a table of ``reviews.score.scores`` against scikit-learn's figures.

    Raises:
        ArithmeticError: they differ; a mistake of ours, never the user's.
    """
    other = _compute(ThreeClass, predictions=list(predicted), references=list(labels))
    for name in ("accuracy", "macro_recall", "macro_f1"):
        _agree(name, card[name]["value"], other[name])
    if card["confusion"] != other["confusion"]:
        raise ArithmeticError(f"confusion: {card['confusion']} against scikit-learn's {other['confusion']}")


def check_retention(figure: Figure, before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> None:
    """Hold ``general.score.masked_retention`` against the module's figure; raises as ``check_scores`` does."""
    nats_before, nats_now = ([row["nats"] / row["masked"] for row in rows] for rows in (before, now))
    masked = [row["masked"] for row in before]
    other = _compute(RetentionScore, predictions=nats_now, references=nats_before, masked=masked)
    _agree("retention", figure.value, other["retention"])


def _compute(kind: Any, **columns: Sequence[Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:  # the library makes a folder even to keep everything in memory
        found: dict[str, Any] = kind(keep_in_memory=True, cache_dir=scratch).compute(**columns)
        return found


def _agree(name: str, ours: float, theirs: float) -> None:
    if not math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        raise ArithmeticError(f"{name}: {ours} against {theirs} by scikit-learn; report this as a fault of Retone")
