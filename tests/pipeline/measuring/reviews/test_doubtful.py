"""Label noise: thresholds, doubts and candidates by hand, and flips planted in simulated probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measuring.reviews.doubtful import candidates, doubt, pooled, thresholds

LABELS = [0, 0, 1, 1, 2]
TABLE = [
    [0.9, 0.1, 0.0],
    [0.3, 0.7, 0.0],  # labelled negative, and surer of neutral than the average neutral text is
    [0.2, 0.5, 0.3],
    [0.5, 0.3, 0.2],  # labelled neutral, below neutral's threshold, but not above negative's
    [0.0, 0.4, 0.6],
]
ROWS = [{"id": name, "label": label} for name, label in zip("abcde", LABELS, strict=True)]
TEXTS = {name: f"<{name}>" for name in "abcde"}


def test_thresholds_by_hand() -> None:
    found = thresholds(np.array(LABELS), np.array(TABLE))
    np.testing.assert_allclose(found, [0.6, 0.4, 0.6])
    assert thresholds(np.array([0, 0]), np.array(TABLE[:2]))[1] == np.inf


def test_doubt_by_hand() -> None:
    # in units of the thresholds: [3/2 1/4 0], [1/2 7/4 0], [1/3 5/4 1/2], [5/6 3/4 1/3], [0 1 1]
    np.testing.assert_allclose(doubt(LABELS, TABLE), [1 / 7, 7 / 9, 2 / 7, 10 / 19, 1 / 2])


def test_candidates_by_hand() -> None:
    assert candidates(ROWS, TABLE, TEXTS) == {
        "n": 5,
        "suspects": 1,
        "share": 0.2,
        "rows": [{"id": "b", "text": "<b>", "label": "negative", "likely": "neutral",
                  "confidence": 0.7, "doubt": pytest.approx(7 / 9)}],
    }  # fmt: skip
    assert candidates(ROWS, TABLE, TEXTS, count=0)["suspects"] == 1


def test_opinions_pooled_by_hand() -> None:
    one, other = [[0.8, 0.1, 0.1], [1.0, 0.0, 0.0]], [[0.2, 0.4, 0.4], [0.0, 1.0, 0.0]]
    roots = np.sqrt([0.16, 0.04, 0.04])
    np.testing.assert_allclose(pooled([one, other]), [roots / roots.sum(), [0.5, 0.5, 0.0]], atol=1e-3)
    np.testing.assert_allclose(pooled([one[:1]]), one[:1], atol=1e-5)


def test_nothing_to_look_at() -> None:
    assert candidates([], np.zeros((0, 3)), {}) == {"n": 0, "suspects": 0, "share": None, "rows": []}


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="5 labels but probabilities of shape"):
        doubt(LABELS, np.asarray(TABLE)[:, :2])


def test_planted_flips_come_first_though_one_class_is_always_doubted() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(3, size=1_000)
    flipped = random.random(1_000) < 0.1
    labels = np.where(flipped, (truth + random.integers(1, 3, size=1_000)) % 3, truth)
    strength = np.array([3.0, 1.0, 3.0])[truth]  # of neutral texts the model is never sure
    logits = random.normal(0, 0.7, size=(1_000, 3))
    logits[np.arange(1_000), truth] += strength
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    first = np.argsort(-doubt(labels, table), kind="stable")[:100]
    assert flipped[first].mean() >= 0.7
