"""The most confident mistakes of three texts and two seeds, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.measuring.reviews.mistakes import most_confident

TEXTS = {"a": "<b>bold</b> & bad", "b": "meh", "c": "lovely", "d": "fine"}


def rows(**probabilities: list[float]) -> list[dict[str, Any]]:
    return [
        {"id": name, "label": label, "predicted": max(range(3), key=table.__getitem__), "probabilities": table}
        for (name, table), label in zip(probabilities.items(), (0, 1, 2, 1), strict=True)
    ]


SEEDS = [
    rows(a=[0.1, 0.1, 0.8], b=[0.9, 0.1, 0.0], c=[0.0, 0.1, 0.9], d=[0.6, 0.4, 0.0]),
    rows(a=[0.1, 0.3, 0.6], b=[0.7, 0.3, 0.0], c=[0.0, 0.2, 0.8], d=[0.1, 0.9, 0.0]),
]


def test_by_hand() -> None:
    # b: mean 0.8 negative; a: mean 0.7 positive; c is right; d is wrong in one seed, and right on average
    assert most_confident(SEEDS, TEXTS) == [
        {"id": "b", "text": "meh", "label": "neutral", "predicted": "negative",
         "confidence": pytest.approx(0.8), "seeds_wrong": 2},
        {"id": "a", "text": "<b>bold</b> & bad", "label": "negative", "predicted": "positive",
         "confidence": pytest.approx(0.7), "seeds_wrong": 2},
    ]  # fmt: skip
    assert [row["id"] for row in most_confident(SEEDS, TEXTS, count=1)] == ["b"]
    alone = most_confident(SEEDS[:1], TEXTS)
    assert [(row["id"], row["seeds_wrong"]) for row in alone] == [("b", 1), ("a", 1), ("d", 1)]


def test_equal_confidence_is_ordered_by_id() -> None:
    same = [{"id": name, "label": 0, "predicted": 1, "probabilities": [0.0, 1.0, 0.0]} for name in "dbca"]
    assert [row["id"] for row in most_confident([same], TEXTS)] == ["a", "b", "c", "d"]


def test_no_mistakes_no_rows() -> None:
    assert most_confident([SEEDS[0][2:3]], TEXTS) == []
