"""The floor learns a toy problem, sees emoji, and gives the same figures each time."""

from __future__ import annotations

import numpy as np

from pipeline.measuring.reviews.tfidf_baseline import FARTHEST, best_strength, fit_floor, floor_scores

WORDS = (["awful", "broken", "rude"], ["fine", "average", "okay"], ["great", "lovely", "superb"])
NOISE = ["the", "room", "staff", "phone", "was", "with", "my", "order", "today", "battery"]


def toy_reviews(n: int, seed: int) -> list[tuple[str, int]]:
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=n)
    return [
        (" ".join([*random.choice(NOISE, 6), random.choice(WORDS[label]), *random.choice(NOISE, 3)]), int(label))
        for label in labels
    ]


def test_beats_chance_on_a_toy_problem() -> None:
    test = toy_reviews(150, seed=2)
    floor = fit_floor(toy_reviews(200, seed=0), toy_reviews(60, seed=1))
    probabilities = floor.probabilities([text for text, _ in test])
    right = np.mean(probabilities.argmax(axis=1) == [label for _, label in test])
    assert right > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert 1 / FARTHEST <= floor.inverse_penalty <= FARTHEST
    assert floor.dev_macro_recall is not None
    assert floor.dev_macro_recall > 0.9


def test_the_grid_goes_on_until_the_choice_lies_inside() -> None:
    assert best_strength([0.3, 1.0, 3.0], lambda strength: -abs(np.log10(strength / 100))) == 100.0
    assert best_strength([0.3, 1.0, 3.0], lambda strength: -abs(np.log10(strength / 0.01))) == 0.01
    assert best_strength([0.3, 1.0, 3.0], lambda strength: -abs(np.log10(strength))) == 1.0
    assert best_strength([0.3, 1.0, 3.0], lambda strength: strength) == FARTHEST, "it ends somewhere"
    assert best_strength([0.3, 1.0, 3.0], lambda strength: 0.5) == 0.3, "the smallest of equals"


def test_learns_nothing_where_there_is_nothing() -> None:
    random = np.random.default_rng(0)
    train, dev, test = ([(text, int(random.integers(3))) for text, _ in toy_reviews(n, seed=n)] for n in (200, 60, 300))
    found = fit_floor(train, dev).probabilities([text for text, _ in test]).argmax(axis=1)
    assert np.mean(found == [label for _, label in test]) < 0.45


def test_sees_emoji() -> None:
    train = [(f"parcel number {place} came {'😡😐😍'[place % 3]}", place % 3) for place in range(90)]
    found = fit_floor(train, train[:30]).probabilities(["came 😡", "came 😐", "came 😍"])
    assert found.argmax(axis=1).tolist() == [0, 1, 2]


def test_same_figures_each_time() -> None:
    train, dev, test = toy_reviews(100, 0), toy_reviews(30, 1), [text for text, _ in toy_reviews(30, 2)]
    first = floor_scores([(train, dev, test), (dev, train, test)])
    assert floor_scores([(train, dev, test), (dev, train, test)]) == first
    assert first[0]["settings"]["features"] > first[1]["settings"]["features"] > 50


def test_without_dev_texts_it_takes_one() -> None:
    floor = fit_floor(toy_reviews(60, 0), [])
    assert (floor.inverse_penalty, floor.dev_macro_recall) == (1.0, None)


def test_a_class_that_training_never_saw_gets_nothing() -> None:
    train = [row for row in toy_reviews(90, 0) if row[1] != 1]
    found = fit_floor(train, []).probabilities(["the room was okay"])
    assert found[0, 1] == 0.0
    assert found.sum() == 1.0
