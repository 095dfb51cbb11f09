"""What ways of writing do, to models of which it is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.measuring.behaviour.writing import KINDS, measure

REVIEWS = [{"text": f"thank you very much, wonderful service number {place}", "label": 2} for place in range(60)]


def by_service(texts: Sequence[str]) -> list[int]:
    """Knows one word, to the letter."""
    return [2 if "service" in text.split() else 1 for text in texts]


def test_a_model_that_reads_no_words_is_never_thrown() -> None:
    found = measure(lambda texts: [2] * len(texts), REVIEWS, 0)
    assert [*found] == [*KINDS]
    assert {figure.value for figure in found.values()} == {1.0}
    assert all(0 < figure.n <= 60 for figure in found.values())


def test_one_that_knows_a_word_to_the_letter_is_thrown_when_that_word_is_changed() -> None:
    """Slang knows no other word for it; the other kinds reach it in about three texts of ten."""
    found = measure(by_service, REVIEWS, 0)
    assert found["slang"].value == 1.0
    for kind in ("typos", "dropped", "elongated"):
        assert 0.45 < found[kind].value < 0.85


def test_only_what_was_called_right_and_is_changed_is_asked() -> None:
    wrong = [*REVIEWS[:30], *({**row, "label": 0} for row in REVIEWS[30:])]
    unchanged = [{"text": "123 !!", "label": 2}] * 10
    found = measure(lambda texts: [2] * len(texts), [*wrong, *unchanged], 0)
    assert all(figure.n <= 30 for figure in found.values())
    assert measure(lambda texts: [0] * len(texts), unchanged, 0)["typos"].n == 0


def test_the_same_seed_writes_the_same() -> None:
    one, same, other = (measure(by_service, REVIEWS, seed) for seed in (0, 0, 1))
    assert one == same
    assert one["typos"].value != pytest.approx(other["typos"].value)
