"""Intervals against answers known in advance, differences that are there and that are not, Holm's example."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from pipeline.measuring.statistics.bootstrap import (
    Difference,
    Figure,
    holm,
    interval,
    resample,
    settled,
    share,
    verdict,
    wilson,
)
from pipeline.measuring.statistics.classification import Metric, accuracy, macro_recall
from pipeline.measuring.statistics.comparison import classified, minus


def mean(sums: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Second column over the first."""
    return sums[..., 1] / sums[..., 0]


def table(values: list[float]) -> np.ndarray:  # type: ignore[type-arg]
    return np.stack([np.ones(len(values)), np.asarray(values)], axis=1)


def test_draws_follow_the_binomial_distribution() -> None:
    # 4 of 10 right: a draw's number of right ones is binomial(10, 0.4), whose quantiles can be worked out.
    (value,), drawn = resample(table([1] * 4 + [0] * 6), mean, draws=200_000, seed=0)
    assert value == pytest.approx(0.4)
    shares = [np.mean(np.isclose(drawn, hits / 10)) for hits in range(11)]
    expected = [comb(10, hits) * 0.4**hits * 0.6 ** (10 - hits) for hits in range(11)]
    np.testing.assert_allclose(shares, expected, atol=0.004)


def test_every_draw_of_three_items_has_its_share() -> None:
    # All 27 ordered draws from {0, 1, 5} are equally likely; items that differ are not grouped.
    _, drawn = resample(table([0, 1, 5]), mean, draws=100_000, seed=3)
    for sums in {sum(draw) for draw in product([0, 1, 5], repeat=3)}:
        expected = sum(sum(draw) == sums for draw in product([0, 1, 5], repeat=3)) / 27
        assert np.mean(np.isclose(drawn, sums / 3)) == pytest.approx(expected, abs=0.005)


def test_interval_of_many_items_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(10, 3, size=5_000)
    found = interval(table(values.tolist()), mean, draws=4_000, seed=1)
    half = 1.96 * values.std() / np.sqrt(5_000)
    assert found.n == 5_000
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)


def test_interval_of_few_items_is_wider_than_plain_percentiles() -> None:
    values = table(np.random.default_rng(0).normal(size=8).tolist())
    _, drawn = resample(values, mean, draws=20_000, seed=0)
    found = interval(values, mean, draws=20_000, seed=0)
    # Hesterberg's tail for n = 8: Phi(-2.3646 * sqrt(8/7)) = Phi(-2.5279) = 0.00574, instead of 0.025
    assert found.low == pytest.approx(np.quantile(drawn, 0.00574), abs=1e-3)
    assert found.high == pytest.approx(np.quantile(drawn, 1 - 0.00574), abs=1e-3)


@pytest.mark.parametrize("items", [10, 60])
def test_intervals_cover_the_truth_as_often_as_they_say(items: int) -> None:
    random = np.random.default_rng(5)
    samples = random.normal(1.0, 1.0, size=(400, items))
    found = [interval(table(sample.tolist()), mean, draws=400, seed=run) for run, sample in enumerate(samples)]
    covered = np.mean([figure.low <= 1.0 <= figure.high for figure in found])
    assert 0.92 <= covered <= 0.98  # 0.95 +- 3 standard errors of 400 samples


def test_an_item_is_drawn_for_all_seeds_alike() -> None:
    # Two seeds that are right on the same items: whatever is drawn, they are equally good.
    contributions = np.repeat(table([1] * 4 + [0] * 6)[:, None, :], 2, axis=1)
    values, drawn = resample(contributions, mean, draws=500, seed=0)
    assert values.tolist() == [0.4, 0.4]
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert len(set(drawn[:, 0])) > 5


def test_every_draw_has_as_many_of_each_class() -> None:
    _, drawn = resample(table([1] * 3 + [0] * 97), mean, [1] * 3 + [0] * 97, draws=200, seed=0)
    assert set(drawn.ravel()) == {0.03}


def test_wilson_known_answer() -> None:
    # Newcombe 1998, table I: 81 of 263 has 0.2553 to 0.3662; 0 of 20 has 0 to 0.1611
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert share([True] * 15) == Figure(1.0, pytest.approx(0.7961, abs=5e-5), 1.0, 15)


def test_no_items_are_refused() -> None:
    with pytest.raises(ValueError, match="no items"):
        resample(np.empty((0, 2)), mean, draws=100, seed=0)


def test_same_seed_same_interval() -> None:
    values = table(np.random.default_rng(0).normal(size=40).tolist())
    assert interval(values, mean, draws=500, seed=7) == interval(values, mean, draws=500, seed=7)


def told_apart(accuracy_a: float, accuracy_b: float, metric: Metric, runs: int, items: int) -> float:
    """Share of simulated comparisons with a verdict; items differ in how hard they are for both sides."""
    random = np.random.default_rng(11)
    verdicts = 0
    for run in range(runs):
        labels = random.integers(3, size=items)
        ease = random.beta(2, 2, size=items) - 0.5
        a, b = (
            np.where(random.random(items) < chance + ease, labels, (labels + random.integers(1, 3, size=items)) % 3)
            for chance in (accuracy_a, accuracy_b)
        )
        found = minus(classified(labels, a, metric), classified(labels, b, metric), draws=1_000, seed=run)
        verdicts += verdict(found) != "undecided"
    return verdicts / runs


@pytest.mark.parametrize("metric", [accuracy, macro_recall])
def test_two_runs_of_one_arm_are_rarely_told_apart(metric: Metric) -> None:
    assert told_apart(0.6, 0.6, metric, runs=400, items=300) <= 0.05


def test_a_real_difference_is_found() -> None:
    assert told_apart(0.75, 0.55, macro_recall, runs=40, items=300) >= 0.95


def test_pairing_narrows_the_interval() -> None:
    random = np.random.default_rng(2)
    labels = random.integers(3, size=400)
    a = np.where(random.random(400) < 0.7, labels, (labels + 1) % 3)
    b = np.where(random.random(400) < 0.1, labels, a)  # a tenth of a's mistakes mended
    one, two = classified(labels, a, accuracy), classified(labels, b, accuracy)
    paired = minus(two, one, draws=1_000, seed=0)
    alone = [side.figure(draws=1_000, seed=0) for side in (one, two)]
    assert paired.high - paired.low < 0.5 * min(figure.high - figure.low for figure in alone)
    assert verdict(paired) == "better"


def test_difference_of_equals_is_zero_and_undecided() -> None:
    same = np.ones((30, 2))
    (value,), drawn = resample(same, lambda sums: sums[..., 0] - sums[..., 1], draws=500, seed=0)
    found = settled(float(value), drawn, 30)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert verdict(found) == "undecided"


@pytest.mark.parametrize(
    ("low", "high", "p", "n", "expected"),
    [
        (0.01, 0.05, 0.01, 100, "better"),
        (-0.05, -0.01, 0.01, 100, "worse"),
        (-0.01, 0.05, 0.01, 100, "undecided"),  # never better with an interval that covers zero
        (0.0, 0.05, 0.01, 100, "undecided"),
        (0.01, 0.05, 0.06, 100, "undecided"),  # the others of the table took its share of the error
        (0.01, 0.05, 0.01, 5, "undecided"),  # five items prove nothing
        (-0.009, 0.05, 0.5, 100, "undecided"),  # no margin, no claim
    ],
)
def test_verdict(low: float, high: float, p: float, n: int, expected: str) -> None:
    assert verdict(Difference((low + high) / 2, low, high, n, p)) == expected


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (-0.009, 0.05, 0.5, "no-worse"),
        (-0.011, 0.05, 0.5, "undecided"),
        (-0.024, -0.002, 0.06, "undecided"),  # harm that a correction hides is not equality
        (-0.009, -0.001, 0.06, "no-worse"),  # a little less, within the margin, and not told from none
        (-0.009, -0.001, 0.01, "worse"),
    ],
)
def test_no_worse_needs_a_margin(low: float, high: float, p: float, expected: str) -> None:
    assert verdict(Difference((low + high) / 2, low, high, 100, p), margin=0.01) == expected


def test_verdict_heeds_the_adjusted_p() -> None:
    found = Difference(0.03, 0.01, 0.05, 100, 0.02)
    assert (verdict(found), verdict(found, holm([0.02, 0.03, 0.04])[0])) == ("better", "undecided")


def test_holm_known_answer() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04; never falling: .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_the_items_do_not_settle_is_null() -> None:
    assert Figure(float("nan"), 0.0, 1.0, 3).as_json() == {"value": None, "low": 0.0, "high": 1.0, "n": 3}


def test_undefined_draws_count_against_a_verdict() -> None:
    _, drawn = resample(np.ones((20, 1)), lambda sums: np.where(sums[..., 0] > 0, np.nan, 1.0), draws=100, seed=0)
    assert settled(1.0, drawn, 20).p == 1.0
