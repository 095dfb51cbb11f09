"""Known answers of the classification figures, worked out by hand; agreement with scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from pipeline.measuring.statistics import classification

#          negative    neutral  positive
LABELS = [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
GUESSES = [0, 0, 0, 1, 1, 2, 2, 2, 0, 1]


def test_known_answers() -> None:
    matrix = classification.confusion(LABELS, GUESSES)
    assert matrix.tolist() == [[3, 1, 0], [0, 1, 1], [1, 1, 2]]
    assert classification.accuracy(matrix) == pytest.approx(6 / 10)
    assert classification.macro_recall(matrix) == pytest.approx((3 / 4 + 1 / 2 + 2 / 4) / 3)
    # F1 = 2 hits / (truth + predicted): 6/8, 2/5, 4/7
    assert classification.macro_f1(matrix) == pytest.approx((6 / 8 + 2 / 5 + 4 / 7) / 3)
    assert classification.per_class(matrix)["positive"] == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 4),
        "f1": pytest.approx(4 / 7),
        "n": 4,
    }


def test_always_the_commonest_class_wins_accuracy_but_not_macro_recall() -> None:
    labels = [0] * 63 + [1] * 21 + [2] * 16
    matrix = classification.confusion(labels, [0] * 100)
    assert classification.accuracy(matrix) == pytest.approx(0.63)
    assert classification.macro_recall(matrix) == pytest.approx(1 / 3)


def test_averages_run_over_classes_that_occur() -> None:
    matrix = classification.confusion([0, 0, 2], [0, 1, 2])
    assert classification.macro_recall(matrix) == pytest.approx((1 / 2 + 1) / 2)
    with pytest.warns(UserWarning, match="classes not in y_true"):
        assert classification.macro_recall(matrix) == pytest.approx(balanced_accuracy_score([0, 0, 2], [0, 1, 2]))
    assert classification.per_class(matrix)["neutral"] == {"precision": 0.0, "recall": None, "f1": 0.0, "n": 0}


def test_many_matrices_at_once_equal_one_by_one() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, size=(4, 5, 3, 3)).astype(float)
    for metric in classification.METRICS.values():
        expected = [[float(metric(matrix)) for matrix in row] for row in matrices]
        np.testing.assert_allclose(metric(matrices), expected)


def test_nothing_predicted_is_not_a_number() -> None:
    assert math.isnan(classification.macro_recall(np.zeros((3, 3))))


@pytest.mark.parametrize(("labels", "guesses"), [([0, 1], [0]), ([0, 3], [0, 1]), ([0, 1], [0, -100])])
def test_refuses_what_cannot_be_scored(labels: list[int], guesses: list[int]) -> None:
    with pytest.raises(ValueError, match=r"labels but|must lie in 0\.\.2"):
        classification.confusion(labels, guesses)
