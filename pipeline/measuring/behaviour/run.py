"""How the tuned model behaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.corpora import prepared
from pipeline.measuring import scoring
from pipeline.measuring.behaviour.known import BEHAVIOURS
from pipeline.measuring.options import Options
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading
from pipeline.models.reader import Reader

TEXTS = 300
"""Test reviews that behaviours may be asked on, at most; evenly of the classes."""


def behaviours(
    settings: Options, prepare: Path, model: Path, known: scoring.Known | None = None, spoken: Sequence[str] = ()
) -> dict[str, Any]:
    """What behaviour.json says of the tuned model in ``model``.

    Args:
        known: what it has said of texts before, so that it need not be asked again.
        spoken: the base's languages; none: nobody says.
    """
    if not prepared.in_english(prepare, spoken):
        return {"shares": {}}
    classifier, reader = loading.load_classifier(model), Reader.of(model)

    def classify(texts: Sequence[str]) -> Sequence[int]:
        ids, batch = reader.ids(texts), settings.tokens_per_batch
        said = scoring.class_probabilities(classifier, ids, tokens_per_batch=batch, known=known)
        found: list[int] = said.argmax(axis=1).tolist()
        return found

    rows = prepared.rows(prepare, role="reviews", split="test")
    reviews = fixed_sample(rows, min(TEXTS, settings.counterfactuals), settings.seed, by="label")
    asked = {name: one.measure(classify, reviews, settings.seed) for name, one in BEHAVIOURS.items()}
    return {"shares": {name: {key: share.as_json() for key, share in found.items()} for name, found in asked.items()}}
