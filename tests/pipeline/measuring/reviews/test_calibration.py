"""Calibration by hand, and of predictors whose calibration is known because they were made so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.measuring.reviews.calibration import calibration, expected_error, reliability
from pipeline.measuring.statistics.ladder import Draws

DRAWS = Draws(500, 0)
# four texts in two bins: (0.5 right, 0.6 wrong) and (0.8 right, 0.9 wrong)
SURE, RIGHT = [0.5, 0.6, 0.8, 0.9], [1, 0, 1, 0]


def made(confidence: Any, accuracy: Any, seed: int) -> list[dict[str, Any]]:
    """Rows that are as sure as told, and right as often as told."""
    random, found = np.random.default_rng(seed), []
    for place, (sure, chance) in enumerate(zip(confidence, accuracy, strict=True)):
        label = int(random.integers(3))
        predicted = label if random.random() < chance else (label + 1) % 3
        table = [(1 - sure) / 2] * 3
        table[predicted] = float(sure)
        found.append({"id": str(place), "label": label, "predicted": predicted, "probabilities": table})
    return found


def test_expected_error_by_hand() -> None:
    # means of the bins: confidence 0.55 and 0.85, accuracy 1/2 in both: (0.05 + 0.35) / 2
    assert expected_error(SURE, RIGHT, DRAWS, bins=2).value == pytest.approx(0.2)
    # one bin: confidence 0.7, accuracy 1/2
    assert expected_error(SURE, RIGHT, DRAWS, bins=1).value == pytest.approx(0.2)
    # a bin each: (0.5 + 0.6 + 0.2 + 0.9) / 4
    assert expected_error(SURE, RIGHT, DRAWS, bins=4).value == pytest.approx(0.55)


def test_reliability_by_hand() -> None:
    found = reliability(SURE, RIGHT, bins=2)
    assert found == [
        {"confidence": pytest.approx(0.55), "accuracy": 0.5, "n": 2},
        {"confidence": pytest.approx(0.85), "accuracy": 0.5, "n": 2},
    ]


def test_equal_confidences_share_a_bin() -> None:
    assert reliability([0.7] * 10, [1, 0] * 5) == [{"confidence": pytest.approx(0.7), "accuracy": 0.5, "n": 10}]
    assert expected_error([0.7] * 10, [1, 0] * 5, DRAWS).value == pytest.approx(0.2)


def test_bins_hold_the_same_number() -> None:
    sure = np.random.default_rng(0).beta(8, 1, size=1_000)
    assert [row["n"] for row in reliability(sure, sure > 0.5)] == [100] * 10


def test_brier_and_overconfidence_by_hand() -> None:
    rows = [
        {"id": "a", "label": 0, "predicted": 0, "probabilities": [1.0, 0.0, 0.0]},  # 0
        {"id": "b", "label": 1, "predicted": 0, "probabilities": [1.0, 0.0, 0.0]},  # 1 + 1 = 2
        {"id": "c", "label": 2, "predicted": 2, "probabilities": [0.2, 0.3, 0.5]},  # .04 + .09 + .25 = .38
    ]
    found = calibration([rows], DRAWS)
    assert found["brier"]["value"] == pytest.approx(2.38 / 3)
    assert found["overconfidence"]["value"] == pytest.approx(2.5 / 3 - 2 / 3)
    assert found["brier"]["n"] == 3


def test_a_calibrated_model_is_as_far_off_as_chance_alone() -> None:
    sure = np.random.default_rng(1).uniform(0.4, 1, size=260)
    chance = calibration([made(sure, sure, 0)], Draws(20, 0))["ece_by_chance"]
    shown = [expected_error(sure, random.random(260) < sure, Draws(20, 0)).value
             for random in map(np.random.default_rng, range(60))]  # fmt: skip
    assert np.mean(shown) == pytest.approx(chance, rel=0.1)
    assert chance > 0.05, "with 26 texts a bin, chance alone shows five points"


def test_an_overconfident_model_is_found_out_and_its_error_covered() -> None:
    sure = np.random.default_rng(0).uniform(0.7, 1, size=300)
    found = [expected_error(sure, np.random.default_rng(run).random(300) < sure - 0.2, Draws(200, run), bins=5)
             for run in range(100)]  # fmt: skip
    assert np.mean([figure.low <= 0.2 <= figure.high for figure in found]) >= 0.9
    one = calibration([made(sure, sure - 0.2, 0)], Draws(200, 0), bins=5)
    assert one["overconfidence"]["low"] > 0.1
    assert one["ece"]["value"] > 2 * one["ece_by_chance"]


def test_seeds_are_averaged_and_their_predictions_stand_in_one_table() -> None:
    one, other = made([0.9] * 50, [1.0] * 50, 0), made([0.9] * 50, [0.0] * 50, 0)
    found = calibration([one, other], DRAWS)
    assert found["ece"]["value"] == pytest.approx((0.1 + 0.9) / 2)
    assert found["reliability"] == [{"confidence": pytest.approx(0.9), "accuracy": 0.5, "n": 100}]
    assert found["ece"]["low"] >= 0
