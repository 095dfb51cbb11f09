"""Intervals hold what they are about as often as docs/design/intervals.md says, give or take three standard errors."""

from __future__ import annotations

import pytest

from tests import intervals

pytestmark = pytest.mark.acceptance
RUNS = 200


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("rare", [None, 10])
def test_macro_recall_and_differences(seeds: int, rare: int | None) -> None:
    for of in (intervals.of_one_arm, intervals.of_two_arms):
        assert intervals.held(RUNS, of(300, seeds, rare)) >= 0.90


def test_folds() -> None:
    assert intervals.held(RUNS, intervals.of_two_arms(300, 1, folds=5)) >= 0.90


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_masked_words(seeds: int) -> None:
    assert intervals.held(RUNS, intervals.of_kept(71, seeds)) >= 0.90


def test_phenomena_drawn_whole() -> None:
    whole, pair_by_pair = (intervals.held(RUNS, intervals.of_grammar(how)) for how in (True, False))
    assert whole >= 0.87
    assert pair_by_pair <= 0.83


def test_a_budget_holds() -> None:
    assert intervals.budget_missed(36, RUNS, by_bound=True) <= 0.06
    assert intervals.budget_missed(36, RUNS, by_bound=False) >= 0.30


def test_words_of_a_difference_where_there_is_none() -> None:
    assert intervals.told_apart(RUNS, 10) <= 0.10
    assert intervals.no_worse_in_error(RUNS, 1_200) <= 0.07
