"""What scores.json says."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from pipeline.common.results import Difference, Estimate, closed

Differences = dict[Literal["accuracy", "macro_recall", "macro_f1"], Difference]


@closed
class Scores(TypedDict):
    """Of one set of predictions; null for a class that never occurs, or is never predicted."""

    n: int
    accuracy: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    per_class: dict[str, dict[Literal["precision", "recall", "f1", "n"], float | None]]
    confusion: list[list[int]]
    """Rows are the truth."""


Slices = dict[Literal["emoji", "no_emoji"], Scores | None]
"""Of the texts with emoji, and of those without; null where there are none."""


@closed
class Plain(TypedDict):
    """The raw texts in a plain pipeline; ``changed``: share of texts that it calls otherwise."""

    accuracy: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    changed: float
    minus_model: Differences


@closed
class Corpus(TypedDict):
    """All that is said of one reviews corpus: on its test split, or by cross-validation on all of it."""

    model: Scores
    slices: Slices
    floors: dict[str, dict[str, float | None]]
    """How each was fitted (``layer`` 0: the embeddings); what they say stands in ``floors/``."""
    plain: Plain


@closed
class Reviews(TypedDict):
    """scores.json."""

    corpora: dict[str, Corpus]
