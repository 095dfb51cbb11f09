"""The front and the choice on points whose answers can be seen by eye."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.measuring.frontier import score as frontier_score
from pipeline.measuring.statistics.comparison import masked_kept

LABELS = [0, 1, 2] * 10
GROUPS = ("embeddings", "lower", "upper", "pooler")


def test_the_front_by_hand() -> None:
    values = [(0.9, 0.2), (0.5, 0.9), (0.6, 0.6), (0.6, 0.5), (0.4, 0.9), (0.6, 0.6), (0.1, 0.1)]
    assert frontier_score.pareto_front(values) == [True, True, True, False, False, True, False]
    assert frontier_score.pareto_front([(0.3, 0.3)]) == [True]


@pytest.mark.parametrize(
    ("budget", "place"),
    [
        (0.0, 0),
        (0.9, 2),  # 0.9 itself is within
        (0.95, 4),  # a tie in score: the one that keeps more
        (1.05, 3),  # none within: the one that keeps most, of equal ones the better
    ],
)
def test_the_choice_by_hand(budget: float, place: int) -> None:
    scores, kept = [0.80, 0.75, 0.78, 0.70, 0.72, 0.72, 0.60], [0.5, 0.8, 0.9, 1.02, 0.99, 0.96, 1.02]
    assert frontier_score.choose(scores, kept.__getitem__, budget) == place


def test_equal_in_both_the_first_is_taken() -> None:
    assert frontier_score.choose([0.5, 0.7, 0.7], lambda _: 1.0, 0.9) == 1


def test_what_scores_less_than_the_choice_is_not_asked_what_it_keeps() -> None:
    asked: list[int] = []

    def kept(place: int) -> float:
        asked.append(place)
        return [0.9, 0.2, 0.96, 1.0, 1.0][place]

    assert frontier_score.choose([0.5, 0.8, 0.7, 0.7, 0.6], kept, 0.95) == 3
    assert asked == [1, 2, 3]


def right(count: int) -> list[int]:
    """Predictions of which the first ``count`` are right."""
    return [label if place < count else (label + 1) % 3 for place, label in enumerate(LABELS)]


BASE = [20.0, 25.0, 30.0, 15.0, 20.0, 10.0]
"""Nats of six documents, ten hidden pieces each."""


def points(uneven: Sequence[float] = (1.0,) * 6) -> list[frontier_score.Point]:
    """base: a third right, all kept; middle: two thirds, exp(-0.1); tuned: all right, exp(-0.5); odd: worse in both."""
    alphas = {
        "base": dict.fromkeys(GROUPS, 0.0),
        "middle": dict.fromkeys(GROUPS, 0.5),
        "tuned": dict.fromkeys(GROUPS, 1.0),
        "odd": dict.fromkeys(GROUPS, 1.0) | {"lower": 0.5},
    }
    found = []
    for (name, shares), correct, more in zip(alphas.items(), (10, 20, 30, 20), (0.0, 1.0, 5.0, 6.0), strict=True):
        recall = frontier_score.recalled(LABELS, ["shop"] * len(LABELS), right(correct))
        nats = [nats + more * much for nats, much in zip(BASE, uneven, strict=True)]
        found.append(frontier_score.Point(name, shares, recall, masked_kept(BASE, nats, [10] * 6)))
    return found


def test_what_is_told_without_a_budget() -> None:
    found = frontier_score.told(points(), tuned="tuned", budget=None)
    by_name = {point["name"]: point for point in found["points"]}
    assert by_name["middle"]["macro_recall"]["value"] == pytest.approx(2 / 3, abs=0.02)
    assert by_name["middle"]["kept"]["value"] == pytest.approx(math.exp(-0.1))
    assert by_name["middle"]["kept"]["n"] == 6
    assert by_name["base"]["kept"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 6}
    assert [point["front"] for point in found["points"]] == [True, True, True, False]
    assert [point["alpha"] for point in found["points"]] == [0.0, 0.5, 1.0, None]
    assert by_name["odd"]["alphas"]["lower"] == 0.5
    assert (found["budget"], found["within"], found["chosen"]) == (None, None, "tuned")
    assert found["cost"]["macro_recall"]["value"] == found["cost"]["kept"]["value"] == 0.0
    json.dumps(found, allow_nan=False)


def test_what_a_budget_costs() -> None:
    found = frontier_score.told(points(), tuned="tuned", budget=0.9)
    assert (found["chosen"], found["within"]) == ("middle", True)
    assert found["cost"]["macro_recall"]["value"] == pytest.approx(-1 / 3, abs=0.02)
    assert found["cost"]["kept"]["value"] == pytest.approx(math.exp(-0.1) - math.exp(-0.5))
    assert set(found["cost"]["kept"]) == {"value", "low", "high", "n"}, "no verdict on what chose it"


def test_a_budget_is_met_by_the_lower_bound() -> None:
    """The middle point keeps 0.905 of six documents that differ: 0.9 is not shown."""
    found = points(uneven=[2.0, 0.0, 1.5, 0.5, 1.0, 1.0])
    told = frontier_score.told(found, tuned="tuned", budget=0.9)
    middle = told["points"][1]
    assert middle["kept"]["value"] > 0.9 > middle["at_least"] > middle["kept"]["low"]
    assert (told["chosen"], told["within"]) == ("base", True)


def test_a_budget_that_no_point_meets_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = frontier_score.told(points(), tuned="tuned", budget=1.2)
    assert (found["chosen"], found["within"]) == ("base", False)
    assert (
        "shown to keep 1.2 of general English on dev; taken is the one that keeps most, base with 1.000 at least"
        in caplog.text
    )


def test_left_out() -> None:
    found: dict[str, Any] = frontier_score.left_out("no general text", tuned="tuned")
    assert set(found) == set(frontier_score.told(points(), tuned="tuned", budget=None))
    assert (found["points"], found["chosen"], found["reason"]) == ([], "tuned", "no general text")
