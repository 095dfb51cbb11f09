import numpy as np
import pytest

from pipeline.measuring.statistics import comparison
from pipeline.measuring.statistics.bootstrap import Difference
from pipeline.measuring.statistics.classification import accuracy, macro_recall

HOW = {"draws": 500, "seed": 0}


def test_a_classification_score_by_hand() -> None:
    # recall of class 0: 2/3, of class 1: 1/2, of class 2: 1/1
    found = comparison.classified([0, 0, 0, 1, 1, 2] * 10, [0, 0, 1, 1, 2, 2] * 10, macro_recall).figure(**HOW)
    assert found.value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.n == 60
    assert found.low < found.value < found.high


def test_a_small_corpus_counts_as_much_as_a_large_one() -> None:
    labels, corpora = [0, 1, 2] * 10 + [0, 1, 2], ["large"] * 30 + ["small"] * 3
    predicted = [0, 1, 2] * 10 + [0, 0, 0]  # all of the large one, a class of three of the small one
    found = comparison.classified(labels, [predicted, labels], macro_recall, corpora=corpora)
    assert found.value == pytest.approx(((1 + 1 / 3) / 2 + 1) / 2)  # of two seeds


def test_seeds_are_averaged() -> None:
    found = comparison.classified([0, 1], [[0, 1], [0, 0]], accuracy).figure(**HOW)
    assert found.value == pytest.approx(0.75)


def test_masked_kept_by_hand() -> None:
    # base: 30 nats on 15 pieces = 2.0; now 36 on 15 = 2.4
    kept = comparison.masked_kept([10.0, 20.0], [13.0, 23.0], [5, 10])
    assert kept.figure(**HOW).value == pytest.approx(np.exp(-0.4))


def test_pairs_kept_by_hand() -> None:
    # base 3 of 4, now 5 of 8 over two seeds: 0.125 / 0.25, and the mean over seeds of (0.25 / 0.25, 0 / 0.25)
    kept = comparison.pairs_kept([1, 1, 1, 0], [[1, 1, 1, 0], [1, 1, 0, 0]])
    assert float(kept.statistic(kept.contributions.sum(axis=0)).mean()) == pytest.approx(0.5)


def test_minus_pairs_items() -> None:
    labels = [0, 1, 2] * 100
    same = comparison.classified(labels, labels, accuracy)
    worse = comparison.classified(labels, [0, 1, 0] * 100, accuracy)
    found = comparison.minus(same, worse, **HOW)
    assert found.value == pytest.approx(1 / 3)
    assert found.low > 0
    nothing = comparison.minus(worse, worse, **HOW)
    assert (nothing.value, nothing.low, nothing.high, nothing.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_side_with_one_seed_stands_beside_each_seed_of_the_other() -> None:
    labels = [0, 1, 2, 0]
    arm = comparison.classified(labels, [labels, [0, 1, 2, 1]], accuracy)  # 1 and 0.75
    floor = comparison.classified(labels, [0, 1, 0, 1], accuracy)  # 0.5
    assert comparison.minus(arm, floor, **HOW).value == pytest.approx(0.375)


def test_other_items_are_refused() -> None:
    short = comparison.classified([0, 1], [0, 1], accuracy)
    with pytest.raises(ValueError, match="items and seeds"):
        comparison.minus(comparison.classified([0, 1, 2], [0, 1, 2], accuracy), short, **HOW)


def test_verdicts_read_together_are_stricter() -> None:
    alone = Difference(0.1, 0.01, 0.2, 100, 0.03)
    assert comparison.verdicts([alone]) == [(0.03, "better")]
    assert comparison.verdicts([alone, alone]) == [(0.06, "undecided"), (0.06, "undecided")]
    worse = Difference(-0.1, -0.2, -0.01, 100, 0.001)
    assert [word for _, word in comparison.verdicts([alone, worse])] == ["better", "worse"]


def test_a_class_of_few_texts_gives_no_macro_recall() -> None:
    labels = [0] * 200 + [1] * 200 + [2] * 9
    nine, ten = (comparison.classified(more, more, macro_recall) for more in (labels, [*labels, 2]))
    assert nine.figure(**HOW).as_json() == {"value": None, "low": None, "high": None, "n": 409}
    assert np.isnan(comparison.minus(nine, nine, **HOW).value)
    assert comparison.minus(nine, nine, **HOW).p == 1.0
    assert ten.figure(**HOW).value == 1.0
    assert comparison.classified(labels, labels, accuracy).figure(**HOW).value == 1.0


def test_a_share_of_one_is_no_certainty() -> None:
    # Wilson of 15 of 15; three seeds that are right on the same 15 texts have seen no more texts
    for predicted in ([0] * 15, [[0] * 15] * 3):
        found = comparison.classified([0] * 15, predicted, accuracy).figure(**HOW)
        assert (found.value, found.low, found.high) == (1.0, pytest.approx(0.7961, abs=5e-5), 1.0)


def test_macro_recall_of_one_is_no_certainty() -> None:
    # Wilson of 10 of 10 starts at 0.7225, three of them together at 1 - 0.2775 / sqrt(3)
    labels = [0, 1, 2] * 10
    found = comparison.classified(labels, labels, macro_recall).figure(**HOW)
    assert (found.value, found.low, found.high) == (1.0, pytest.approx(0.8398, abs=1e-4), 1.0)


def test_macro_recall_of_many_texts_has_the_normal_interval() -> None:
    # recall 0.8 of 1,000, 0.5 of 100 and 1.0 of 10: standard errors 0.0126, 0.05 and none; the ten are Wilson's
    labels = [0] * 1000 + [1] * 100 + [2] * 10
    guesses = [0] * 800 + [1] * 200 + [1] * 50 + [2] * 50 + [2] * 10
    found = comparison.classified(labels, guesses, macro_recall).figure(draws=4000, seed=0)
    up = np.hypot(1.96 * 0.0126, 1.96 * 0.05) / 3
    down = np.sqrt((1.96 * 0.0126) ** 2 + (1.96 * 0.05) ** 2 + 0.2775**2) / 3
    assert (found.low, found.high) == pytest.approx((found.value - down, found.value + up), abs=0.003)


def test_the_one_sided_bound_by_hand() -> None:
    # 60 of 100 texts: 0.6 - 1.645 standard errors of 0.049
    right = comparison.classified([0] * 100, [0] * 60 + [1] * 40, accuracy)
    assert right.at_least(draws=20_000, seed=0) == pytest.approx(0.6 - 1.645 * 0.049, abs=0.012)
