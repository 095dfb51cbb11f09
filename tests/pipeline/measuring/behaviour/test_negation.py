"""What a "not" does, to models of which it is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.common.labels import LABELS
from pipeline.measuring.behaviour.negation import BLAME, OPINIONS, PRAISE, SUBJECTS, measure
from pipeline.measuring.statistics.bootstrap import Figure


def asked(model: Callable[[list[str]], str]) -> Any:
    """The figures of a model from words to a class."""
    return measure(lambda texts: [LABELS.index(model(text.rstrip(".").split())) for text in texts], [], 0)


def shares(model: Callable[[list[str]], str]) -> dict[str, tuple[float, int]]:
    return {name: (round(figure.value, 6), figure.n) for name, figure in asked(model).items()}


def by_word(words: list[str]) -> str:
    return "positive" if set(words) & set(PRAISE) else "negative"


def test_a_bag_of_opinions_turns_at_nothing() -> None:
    assert shares(by_word) == {"plain": (1, 20), "praise": (0, 10), "blame": (0, 10), "control": (1, 20)}


def test_one_that_reads_not_turns_at_it_alone() -> None:
    told = shares(lambda words: "neutral" if "not" in words else by_word(words))
    assert told == {"plain": (1, 20), "praise": (1, 10), "blame": (1, 10), "control": (1, 20)}


def test_one_that_turns_at_any_word_is_found_out_by_the_control() -> None:
    told = shares(lambda words: "neutral" if len(words) > 4 else by_word(words))
    assert (told["praise"], told["control"]) == ((1, 10), (0, 20))


def test_what_is_not_called_right_is_not_asked() -> None:
    """One that finds all negative: praise has nothing to turn."""
    found: dict[str, Figure] = asked(lambda _: "negative")
    assert {name: figure.n for name, figure in found.items()} == {"plain": 20, "praise": 0, "blame": 10, "control": 10}
    assert found["praise"].as_json()["value"] is None
    assert (found["plain"].value, found["blame"].value) == (0.5, 0)


def test_an_interval_counts_words_not_sentences() -> None:
    """Half of the words of praise are turned, with all six sentences: five of ten, not thirty of sixty."""
    half = set(PRAISE[:5])
    found = asked(lambda words: "negative" if "not" in words and set(words) & half else by_word(words))
    assert len(OPINIONS) == 20 * len(SUBJECTS) == (len(PRAISE) + len(BLAME)) * 6
    assert found["praise"].value == 0.5
    assert (found["praise"].low, found["praise"].high) == pytest.approx((0.2366, 0.7634), abs=5e-5)
