"""A/A: two arms that are one and the same, trained with other seeds, must hardly ever be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measuring.statistics.bootstrap import Array, verdict
from pipeline.measuring.statistics.classification import macro_recall
from pipeline.measuring.statistics.comparison import classified, minus

RUNS, ITEMS = 400, 200


def predicted(random: np.random.Generator, labels: Array, chances: Array, seeds: int) -> Array:
    """[seeds, items]: right with each item's own chance, which both arms share; otherwise another class."""
    right = random.random((seeds, len(labels))) < chances
    return np.where(right, labels, (labels + random.integers(1, 3, size=right.shape)) % 3)


def told_apart(seeds: int, better: float = 0.0, runs: int = RUNS) -> float:
    """Share of verdicts other than undecided, of so many pairs of arms on 200 new texts each."""
    random, told = np.random.default_rng(7), 0
    for run in range(runs):
        labels, chances = random.integers(3, size=ITEMS), random.beta(2, 1.2, size=ITEMS)
        a, b = (predicted(random, labels, chances + more, seeds) for more in (better, 0.0))
        sides = (classified(labels, side, macro_recall) for side in (a, b))
        told += verdict(minus(*sides, draws=200, seed=run)) != "undecided"
    return told / runs


def test_arms_that_are_alike_are_told_apart_in_at_most_5_percent() -> None:
    assert told_apart(seeds=3) <= 0.05


def test_with_one_seed_the_error_is_the_one_promised() -> None:
    assert told_apart(seeds=1) == pytest.approx(0.05, abs=0.022)  # two standard errors of 400 runs


def test_arms_that_differ_are_told_apart() -> None:
    assert told_apart(seeds=5, better=0.15, runs=50) >= 0.8
