"""Verdicts over folds and seeds: honest where a model is better or worse as a whole, no wider where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.measuring.statistics import comparison
from pipeline.measuring.statistics.bootstrap import verdict
from pipeline.measuring.statistics.classification import accuracy, macro_f1
from pipeline.measuring.statistics.comparison import Measured, classified

ITEMS, FOLDS = 500, 5
PLACES = np.arange(ITEMS) % FOLDS


def arm(random: np.random.Generator, share: float, shift: float, seeds: int = 1) -> Measured:
    """Right on this share of the texts, more or less by fold; labels are all 0, so accuracy is easy to plant."""
    chances = share + random.normal(0, shift, size=(seeds, FOLDS))
    right = random.random((seeds, ITEMS)) < chances[:, PLACES]
    return classified(np.zeros(ITEMS, dtype=int), np.where(right, 0, 1), accuracy)


def by_fold(one: Measured) -> Measured:
    return replace(one, folds=PLACES)


def told_apart(shift: float, runs: int = 200) -> tuple[float, float]:
    """Share of verdicts on two equal arms, with texts alone resampled and with folds counted."""
    random, counts = np.random.default_rng(3), np.zeros(2)
    for run in range(runs):
        a, b = (arm(random, 0.7, shift) for _ in range(2))
        found = (
            comparison.minus(a, b, draws=200, seed=run),
            comparison.minus(by_fold(a), by_fold(b), draws=200, seed=run),
        )
        counts += [verdict(one) != "undecided" for one in found]
    return counts[0] / runs, counts[1] / runs


def test_folds_that_differ_are_no_proof() -> None:
    texts_alone, with_folds = told_apart(shift=0.06)
    assert texts_alone > 0.15, "the fault that this module is for"
    assert with_folds <= 0.08  # 0.05 and two standard errors of 200 runs


def test_folds_alike_cost_little() -> None:
    random = np.random.default_rng(0)
    widths = []
    for run in range(30):
        a, b = (arm(random, 0.7, 0.0) for _ in range(2))
        found = (
            comparison.minus(a, b, draws=200, seed=run),
            comparison.minus(by_fold(a), by_fold(b), draws=200, seed=run),
        )
        widths.append([one.high - one.low for one in found])
    plain, with_folds = np.mean(widths, axis=0)
    assert plain * 0.98 <= with_folds <= plain * 1.6


def test_a_real_difference_is_found() -> None:
    random = np.random.default_rng(1)
    a, b = arm(random, 0.8, 0.01, seeds=3), arm(random, 0.7, 0.01, seeds=3)
    found = comparison.minus(by_fold(a), by_fold(b), draws=500, seed=0)
    assert found.value == pytest.approx(comparison.minus(a, b, draws=100, seed=0).value)
    assert verdict(found) == "better"


def test_variance_by_hand() -> None:
    # every text of a fold is alike, so texts vary by nothing within it: all of the interval is the folds'
    shares = np.array([0.0, 0.0, 1.0, 1.0])
    table = np.stack([shares[np.arange(400) % 4], np.ones(400)], axis=-1)[:, None, :]
    measured = Measured(table, lambda sums: sums[..., 0] / sums[..., 1])
    found = replace(measured, folds=np.arange(400) % 4).figure(draws=4_000, seed=0)
    # between folds: var = 1/3, over 4 folds 1/12; texts 1/4 over 400; freedom 3 * ((1/12 + 1/1600) * 12)^2 = 3.05
    half = 3.16 * np.sqrt(1 / 12 + 1 / 1600)  # Student's t of 3.05 degrees at 97.5%
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.05)


@pytest.mark.parametrize("places", [np.zeros(ITEMS), np.arange(3)])
def test_what_are_no_folds_is_refused(places: np.ndarray) -> None:  # type: ignore[type-arg]
    one = arm(np.random.default_rng(0), 0.7, 0.0)
    with pytest.raises(ValueError, match="two at least"):
        comparison.minus(replace(one, folds=places), one, draws=100, seed=0)


def test_a_share_stays_between_none_and_all() -> None:
    found = classified([0] * 8, [0, 0, 0, 0, 0, 1, 1, 1], macro_f1, [0, 0, 1, 1, 2, 2, 3, 3]).figure(draws=500, seed=0)
    assert (found.low, found.value, found.high) == (0.0, pytest.approx(10 / 13), 1.0)


def seeded(random: np.random.Generator, seeds: int, deviation: float) -> Measured:
    """Accuracy 0.7, more or less by seed; a text is as hard in every seed."""
    ease = random.random(ITEMS)
    right = ease < 0.7 + random.normal(0, deviation, size=(seeds, 1))
    return classified(np.zeros(ITEMS, dtype=int), np.where(right, 0, 1), accuracy)


@pytest.mark.parametrize(("seeds", "most"), [(3, 0.10), (5, 0.06)])
def test_seeds_that_differ_are_no_proof(seeds: int, most: float) -> None:
    random, told = np.random.default_rng(5), 0
    for run in range(300):
        found = comparison.minus(*(seeded(random, seeds, 0.07) for _ in range(2)), draws=200, seed=run)
        told += verdict(found) != "undecided"
    assert told / 300 <= most  # drawing seeds anew gave 16% of 3, 9% of 5


def test_variance_of_seeds_by_hand() -> None:
    # every text is alike within a seed: the texts vary by nothing, all of the interval is the seeds'
    shares = np.array([0.2, 0.5, 0.8])
    table = np.stack([np.tile(shares, (5_000, 1)), np.ones((5_000, 3))], axis=-1)
    found = Measured(table, lambda sums: sums[..., 0] / sums[..., 1]).figure(draws=20_000, seed=0)
    half = 4.303 * np.sqrt(0.09 / 3)  # variance 0.09 of three; Student's t of two degrees at 97.5%
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.04)


def test_seeds_that_agree_cost_nothing() -> None:
    labels = np.zeros(ITEMS, dtype=int)
    one = np.where(np.random.default_rng(0).random(ITEMS) < 0.7, 0, 1)
    alone, thrice = (classified(labels, [one] * count, macro_f1).figure(draws=500, seed=0) for count in (1, 3))
    assert (thrice.low, thrice.high) == pytest.approx((alone.low, alone.high))
