"""Calibration by hand, and of predictors whose calibration is known because they were made so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.measuring.reviews.calibration import calibration, calibration_error, reliability
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


def test_calibration_error_by_hand() -> None:
    # one bin: gaps 0.5, -0.6, 0.2, -0.9; mean -0.2, variance of the mean (1.46 - 0.16) / 3 / 4 = 0.1083 above 0.04: 0
    assert calibration_error(SURE, RIGHT, DRAWS, bins=1).value == 0.0
    # four texts each ten times: mean -0.2, variance of the mean (14.6 - 1.6) / 39 / 40 = 0.008333
    found = calibration_error(SURE * 10, RIGHT * 10, DRAWS, bins=1)
    assert found.value == pytest.approx(np.sqrt(0.04 - 0.008333), abs=1e-6)


def test_reliability_by_hand() -> None:
    found = reliability(SURE, RIGHT, bins=2)
    assert found == [
        {"confidence": pytest.approx(0.55), "accuracy": 0.5, "n": 2},
        {"confidence": pytest.approx(0.85), "accuracy": 0.5, "n": 2},
    ]


def test_equal_confidences_share_a_bin() -> None:
    assert reliability([0.7] * 10, [1, 0] * 5) == [{"confidence": pytest.approx(0.7), "accuracy": 0.5, "n": 10}]
    # mean gap -0.2, variance of the mean (2.9 - 0.4) / 9 / 10
    assert calibration_error([0.7] * 10, [1, 0] * 5, DRAWS).value == pytest.approx(np.sqrt(0.04 - 2.5 / 90))


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


@pytest.mark.parametrize("folds", [None, [place % 5 for place in range(260)]])
def test_a_calibrated_model_is_not_called_miscalibrated(folds: list[int] | None) -> None:
    """Chance alone shows five points of 260 texts, which the plain sum of gaps took for an error."""
    sure = np.random.default_rng(1).uniform(0.4, 1, size=260)
    found = [calibration_error(sure, random.random(260) < sure, Draws(100, 0), folds=folds)
             for random in map(np.random.default_rng, range(100, 160))]  # fmt: skip
    assert np.mean([figure.low > 0 for figure in found]) <= 0.05
    assert np.mean([figure.value for figure in found]) < 0.03


def test_an_overconfident_model_is_found_out_and_its_error_covered() -> None:
    sure = np.random.default_rng(0).uniform(0.7, 1, size=300)
    found = [calibration_error(sure, np.random.default_rng(run).random(300) < sure - 0.2, Draws(200, run), bins=5)
             for run in range(100)]  # fmt: skip
    assert np.mean([figure.low <= 0.2 <= figure.high for figure in found]) >= 0.9
    assert np.mean([figure.low > 0 for figure in found]) == 1.0
    one = calibration([made(sure, sure - 0.2, 0)], Draws(200, 0), bins=5)
    assert one["overconfidence"]["low"] > 0.1


def test_seeds_are_averaged_and_their_predictions_stand_in_one_table() -> None:
    one, other = made([0.9] * 50, [1.0] * 50, 0), made([0.9] * 50, [0.0] * 50, 0)
    found = calibration([one, other], DRAWS)
    assert found["error"]["value"] == pytest.approx(np.sqrt((0.1**2 + 0.9**2) / 2))  # no seed's gap varies
    assert found["reliability"] == [{"confidence": pytest.approx(0.9), "accuracy": 0.5, "n": 100}]
    assert found["error"]["low"] >= 0
