"""The feature floor finds the layer that tells the classes apart, and gives the same figures each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.measuring.layers.ask import Features
from pipeline.measuring.reviews import feature_baseline
from pipeline.measuring.reviews.feature_baseline import (
    FIRST_STRENGTH,
    STRENGTHS,
    Seen,
    feature_floor_scores,
    fit_feature_floor,
)

LAYERS, WIDTH = 4, 6
WORDS = (["bad", "rude", "terrible"], ["it", "is", "water"], ["good", "great", "loved"])


def seen(n: int, seed: int, telling: tuple[int, ...] = (2,)) -> Seen:
    """Features of noise, but for the layers in ``telling``: there one dimension a class is 3 for it."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=n)
    features: Features = random.normal(size=(n, LAYERS, WIDTH)).astype(np.float16)
    for layer in telling:
        features[np.arange(n), layer, labels] += np.float16(3)
    return features, labels.tolist()


def reviews(n: int, seed: int) -> list[tuple[str, int]]:
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=n)
    return [(" ".join(["the", *random.choice(WORDS[label], 4), "box"]), int(label)) for label in labels]


def test_the_layer_that_tells_the_classes_apart_is_taken() -> None:
    floor = fit_feature_floor(seen(300, 0), seen(90, 1))
    features, labels = seen(200, 2)
    found = floor.probabilities(features)
    assert floor.layer == 2
    assert floor.inverse_penalty in STRENGTHS
    assert floor.dev_macro_recall is not None
    assert floor.dev_macro_recall > 0.9
    assert np.mean(found.argmax(axis=1) == labels) > 0.9
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)


def test_of_equal_layers_and_penalties_the_lowest_is_taken() -> None:
    (train, labels), (dev, dev_labels) = seen(300, 0, ()), seen(90, 1, ())
    for features, told in ((train, labels), (dev, dev_labels)):
        features[:, (1, 3)] = np.eye(3, WIDTH, dtype=np.float16)[told][:, None]  # both say it all
    floor = fit_feature_floor((train, labels), (dev, dev_labels))
    assert (floor.layer, floor.inverse_penalty, floor.dev_macro_recall) == (1, STRENGTHS[0], 1.0)


def test_without_dev_texts_it_takes_the_middle() -> None:
    floor = fit_feature_floor(seen(60, 0), (np.zeros((0, LAYERS, WIDTH), dtype=np.float16), []))
    assert (floor.layer, floor.inverse_penalty, floor.dev_macro_recall) == (2, FIRST_STRENGTH, None)


def test_a_class_that_training_never_saw_gets_nothing() -> None:
    features, labels = seen(90, 0)
    known = [place for place, label in enumerate(labels) if label != 1]
    floor = fit_feature_floor((features[known], [labels[place] for place in known]), seen(30, 1))
    found = floor.probabilities(seen(10, 2)[0])
    assert found[:, 1].tolist() == [0.0] * 10
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
    assert floor.probabilities(features[:0]).shape == (0, 3)


def test_folds_are_fitted_each_and_texts_read_once(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = reviews(40, 0), reviews(30, 1), reviews(30, 2)
    folds = [
        (first, second, [text for text, _ in third]),
        (second, third, [text for text, _ in first]),
    ]
    read: list[list[str]] = []
    pooled = feature_baseline.pooled_layers

    def counted(model, tokenizer, texts, **how):  # type: ignore[no-untyped-def]
        read.append(texts)
        return pooled(model, tokenizer, texts, **how)

    monkeypatch.setattr(feature_baseline, "pooled_layers", counted)
    found = feature_floor_scores(toy_model, folds, max_length=64, tokens_per_batch=512)
    assert feature_floor_scores(toy_model, folds, max_length=64, tokens_per_batch=512) == found
    assert sorted(read[0]) == sorted({text for text, _ in (*first, *second, *third)})
    assert [fold["settings"]["train_texts"] for fold in found] == [40, 30]
    assert [fold["settings"]["features"] for fold in found] == [32, 32]
    for fold, told in zip(found, (third, first), strict=True):
        guessed = np.argmax(fold["probabilities"], axis=1)
        assert np.mean(guessed == [label for _, label in told]) > 0.8
    alone = feature_floor_scores(toy_model, folds[1:], max_length=64, tokens_per_batch=512)
    assert alone[0]["settings"]["layer"] == found[1]["settings"]["layer"]


def test_only_so_many_pieces_are_read(toy_model: Path) -> None:
    train = reviews(30, 0)
    endings = ("the box", "the box was terrible", "")
    (found,) = feature_floor_scores(toy_model, [(train, train, endings)], max_length=4)
    assert found["probabilities"][0] == found["probabilities"][1]
    assert all(np.isfinite(row).all() for row in found["probabilities"])
