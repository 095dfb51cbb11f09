"""Linear CKA: answers worked out by hand, what it does not see, and its jackknife."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from pipeline.measuring.layers import cka


def cloud(seed: int, rows: int = 60, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_a_model_is_exactly_like_itself() -> None:
    features = cloud(0).astype(np.float16)
    found = cka.linear_cka(features, features.copy())
    assert (found.value, found.low, found.high, found.n) == (1.0, 1.0, 1.0, 60)


def test_known_answer() -> None:
    """One dimension, five sentences: the U-statistic over all orders of four different ones, as it is defined."""
    a, b = np.array([1.0, 2, 4, 7, 3]), np.array([2.0, 1, 5, 6, 9])

    def size(x: np.ndarray, y: np.ndarray) -> float:
        orders = list(permutations(range(5), 4))
        return float(np.mean([x[i] * x[j] * (y[i] * y[j] + y[k] * y[m] - 2 * y[i] * y[k]) for i, j, k, m in orders]))

    expected = size(a, b) / np.sqrt(size(a, a) * size(b, b))
    assert cka.linear_cka(a[:, None], b[:, None]).value == pytest.approx(expected, abs=1e-8)
    assert cka.linear_cka(b[:, None], -3 * a[:, None]).value == pytest.approx(expected, abs=1e-8)


def test_features_that_are_unrelated_are_not_alike() -> None:
    """Forty sentences, three hundred dimensions: the plain norms say 0.88."""
    found = [cka.linear_cka(cloud(seed, 40, 300), cloud(seed + 100, 40, 300)).value for seed in range(20)]
    assert np.mean(found) == pytest.approx(0.0, abs=0.02)


def test_chance_reaches_little() -> None:
    layers = np.stack([cloud(0, 100, 20), cloud(1, 100, 20)], axis=1)
    levels = [figure["value"] for figure in cka.by_chance(layers)]
    assert len(levels) == 2
    assert all(0.0 < level < 0.1 for level in levels)
    assert cka.by_chance(layers[:3]) == []


def test_rotation_scale_and_shift_change_nothing_another_direction_does() -> None:
    features = cloud(1)
    rotation, _ = np.linalg.qr(cloud(2, 5, 5))
    assert cka.linear_cka(features, 3 * features @ rotation + 7).value == 1.0
    assert cka.linear_cka(features, features * [10, 1, 1, 1, 1]).value < 0.9


def test_the_jackknife_is_that_of_leaving_each_sentence_out() -> None:
    a, b = cloud(3, 12), cloud(3, 12) + cloud(4, 12)
    found = cka.linear_cka(a, b)
    without = [cka.linear_cka(np.delete(a, row, 0), np.delete(b, row, 0)).value for row in range(12)]
    error = np.sqrt(11 / 12 * ((np.array(without) - np.mean(without)) ** 2).sum())
    reach = 2.200985 * error  # Student's t, 11 degrees of freedom, 97.5%
    assert found.low == pytest.approx(max(-1.0, found.value - reach), abs=1e-6)
    assert found.high == pytest.approx(min(1.0, found.value + reach), abs=1e-6)


def test_layers_are_compared_each_with_its_own() -> None:
    a, b = np.stack([cloud(5), cloud(6)], axis=1), np.stack([cloud(5), cloud(7)], axis=1)
    same, other = cka.by_layer(a, b)
    assert same.value == 1.0
    assert other.high < 0.7
    twins = {"base": np.stack([a, b], axis=1), "tuned": np.stack([b, a], axis=1)}
    assert cka.against(twins) == {"tuned": [same.as_json(), other.as_json()]}
    assert cka.against({}) == {}


def test_a_layer_that_says_nothing_has_no_cka() -> None:
    assert cka.linear_cka(np.ones((8, 3)), cloud(8, 8)).as_json()["value"] is None


def test_other_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="same sentences"):
        cka.linear_cka(cloud(0, 5), cloud(0, 6))
    with pytest.raises(ValueError, match="sentences and layers"):
        cka.by_layer(np.zeros((5, 2, 3)), np.zeros((5, 3, 3)))
