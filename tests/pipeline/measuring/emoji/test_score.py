"""Spearman's rho by hand, and how often its interval covers the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from pipeline.measuring.emoji.score import agreement

DRAWS = {"draws": 300, "seed": 0}
REFERENCE = dict(zip("abcdef", [-0.9, -0.5, 0.0, 0.2, 0.3, 0.8], strict=True))


def _scale(*values: float) -> dict[str, float]:
    return dict(zip("abcdef", values, strict=True))


def test_two_neighbours_exchanged_by_hand() -> None:
    found = agreement(_scale(10, 20, 40, 30, 50, 600) | {"z": 7.0}, REFERENCE, **DRAWS)
    assert found is not None
    assert found["n"] == 6, "z is not in the reference"
    assert found["value"] == pytest.approx(1 - 6 * 2 / (6 * 35))
    assert found["low"] < found["value"] <= found["high"] <= 1


def test_the_same_order_is_1_and_the_opposite_minus_1_however_stretched() -> None:
    same = {name: value**3 for name, value in REFERENCE.items()}
    assert agreement(same, REFERENCE, **DRAWS) == pytest.approx({"value": 1, "low": 1, "high": 1, "n": 6})
    opposite = {name: -value for name, value in REFERENCE.items()}
    assert agreement(opposite, REFERENCE, **DRAWS) == pytest.approx({"value": -1, "low": -1, "high": -1, "n": 6})


def test_ties_share_their_mean_rank() -> None:
    found = agreement(_scale(1, 1, 2, 2, 3, 3), REFERENCE, **DRAWS)
    assert found is not None
    assert found["value"] == pytest.approx(16 / math.sqrt(16 * 17.5)), "ranks 1.5 1.5 3.5 3.5 5.5 5.5 against 1 to 6"


def test_nothing_is_said_on_few_emoji_or_without_any_difference() -> None:
    assert agreement(dict(list(REFERENCE.items())[:5]), REFERENCE, **DRAWS) is None
    assert agreement(_scale(1, 1, 1, 1, 1, 1), REFERENCE, **DRAWS) == {"value": None, "low": None, "high": None, "n": 6}


def test_every_draw_is_scipys_rho() -> None:
    random = np.random.default_rng(1)
    names = [str(place) for place in range(12)]
    scales = [dict(zip(names, random.integers(0, 6, 12).astype(float), strict=True)) for _ in range(2)]
    found = agreement(*scales, draws=1100, seed=2)
    drawn = np.random.default_rng(2)
    rows = np.concatenate([drawn.integers(12, size=(size, 12)) for size in (1000, 100)])
    values = np.array([[scale[name] for name in names] for scale in scales])
    rhos = [spearmanr(values[0][row], values[1][row]).statistic for row in rows]
    assert found is not None
    assert found["value"] == pytest.approx(spearmanr(*values).statistic)
    assert np.quantile(rhos, 0.001) <= found["low"] <= np.quantile(rhos, 0.025)
    assert np.quantile(rhos, 0.975) <= found["high"] <= np.quantile(rhos, 0.999)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rho = 0.6
    truth = 6 / math.pi * math.asin(rho / 2)  # Spearman's rho of a bivariate normal with that correlation
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(120):
        x, noise = random.standard_normal((2, 50))
        y = rho * x + math.sqrt(1 - rho**2) * noise
        names = [str(place) for place in range(50)]
        found = agreement(dict(zip(names, y, strict=True)), dict(zip(names, x, strict=True)), draws=200, seed=0)
        assert found is not None
        covered += found["low"] <= truth <= found["high"]
    assert 106 <= covered <= 119, "of 120 at 95%"
