"""Shares of texts on which a prediction followed its emoji, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.measuring.emoji.score import effects

DRAWS = {"draws": 200, "seed": 0}
NEGATIVE, NEUTRAL, POSITIVE = [0.92, 0.05, 0.03], [0.2, 0.6, 0.2], [0.03, 0.05, 0.92]
MILD = [0.1, 0.6, 0.3]


def _row(**changes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("side", "text", "words", "swapped", "moved", "appended"))
    return nothing | {"text": NEUTRAL} | changes


def _values(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: found and (found["value"], found["n"]) for name, found in effects(rows).items()}


def test_each_question_counts_the_texts_that_ask_it() -> None:
    rows = [
        _row(side=1, text=POSITIVE, swapped=NEGATIVE, words=NEUTRAL, moved=POSITIVE, appended=[POSITIVE, NEGATIVE]),
        _row(side=1, text=NEUTRAL, swapped=MILD, words=NEUTRAL, moved=NEGATIVE, appended=[NEUTRAL, NEUTRAL]),
        _row(side=-1, text=NEUTRAL, swapped=MILD, words=MILD, moved=MILD, appended=[MILD, MILD]),
        _row(side=-1, text=NEUTRAL, swapped=NEGATIVE),
        _row(words=POSITIVE, appended=[POSITIVE, POSITIVE]),
        _row(words=POSITIVE, appended=[POSITIVE, NEUTRAL]),
        _row(words=NEGATIVE, appended=[POSITIVE, NEGATIVE]),
    ]
    assert _values(rows) == {
        "swap": (0.5, 4),  # first and third follow; the second rises without a positive emoji, the fourth falls
        "flips": (0.5, 2),  # first and fourth change class
        "delete": (pytest.approx(2 / 3), 3),  # first falls, third rises, the second stays
        "move": (pytest.approx(2 / 3), 3),
        "control": (pytest.approx(1 / 3), 3),
    }


def test_to_a_model_that_drops_emoji_nothing_moves() -> None:
    row = _row(side=1, text=POSITIVE, swapped=POSITIVE, words=POSITIVE, moved=POSITIVE, appended=[POSITIVE, POSITIVE])
    assert _values([row] * 8) == {"swap": (0, 8), "flips": None, "delete": (0, 8), "move": (1, 8), "control": (1, 8)}


def test_an_interval_lies_around_its_share() -> None:
    rows = [_row(moved=NEUTRAL)] * 15 + [_row(moved=POSITIVE)] * 5
    found = effects(rows)["move"]
    assert found["value"] == 0.75
    assert (found["low"], found["high"]) == pytest.approx((0.5313, 0.8881), abs=5e-5)  # Wilson's of 15 of 20


def test_without_texts_there_is_nothing_to_say() -> None:
    assert effects([]) == dict.fromkeys(("swap", "flips", "delete", "move", "control"))
