"""Out-of-fold probabilities: no text is scored by a model that saw it, and wrong labels stand out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.measuring.reviews.doubtful import doubt
from pipeline.measuring.reviews.tfidf_baseline import out_of_fold
from tests.pipeline.measuring.reviews.test_tfidf_baseline import toy_reviews

STARTER = Path(__file__).parents[4] / "data_cards" / "starter-reviews" / "reviews.csv"
STARS = {"1": 0, "2": 0, "3": 1, "4": 2, "5": 2}


def flipped(labels: list[int], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Labels of which a share is another class, and where."""
    random = np.random.default_rng(seed)
    where = random.random(len(labels)) < share
    return np.where(where, (np.array(labels) + random.integers(1, 3, size=len(labels))) % 3, labels), where


def precision_in_top_tenth(rows: list[tuple[str, int]], seed: int) -> float:
    labels, planted = flipped([label for _, label in rows], 0.1, seed)
    told = [(text, int(label)) for (text, _), label in zip(rows, labels, strict=True)]
    first = np.argsort(-doubt(labels, out_of_fold(told)), kind="stable")[: len(rows) // 10]
    return float(planted[first].mean())


def test_a_text_is_never_scored_by_a_model_that_saw_it() -> None:
    # a word of its own in every text: whoever has seen the text knows its label, nobody else knows anything
    random = np.random.default_rng(0)
    rows = [(f"zq{place}x{place}", int(random.integers(3))) for place in range(150)]
    found = out_of_fold(rows).argmax(axis=1)
    assert np.mean(found == [label for _, label in rows]) < 0.5


def test_planted_flips_are_found() -> None:
    assert precision_in_top_tenth(toy_reviews(300, seed=0), seed=1) >= 0.7


def test_flips_in_real_reviews_are_found_better_than_by_chance() -> None:
    with STARTER.open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines))[:300]
    rows = [(row["text"], STARS[row["stars"]]) for row in table if row["stars"] in STARS]
    assert precision_in_top_tenth(rows, seed=1) > 0.1


def test_a_class_without_texts_gets_nothing() -> None:
    found = out_of_fold([row for row in toy_reviews(60, 0) if row[1] != 1], folds=3)
    assert not found[:, 1].any()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_folds_are_fewer_where_a_class_has_few_texts() -> None:
    rows = [row for row in toy_reviews(60, 0) if row[1] != 1] + [("it was okay", 1), ("average at best", 1)]
    assert out_of_fold(rows).shape == (len(rows), 3)


@pytest.mark.parametrize("rows", [[("one", 0), ("two", 0)], [("one", 0), ("two", 0), ("three", 1)]])
def test_too_few_texts_are_named(rows: list[tuple[str, int]]) -> None:
    with pytest.raises(InputError, match="cannot be checked by cross-validation"):
        out_of_fold(rows)
