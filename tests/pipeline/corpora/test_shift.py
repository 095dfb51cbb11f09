"""Domain shift: shares worked out by hand."""

from __future__ import annotations

import pytest

from pipeline.corpora.shift import shift
from tests.pipeline.corpora.test_audit import corpus


def test_habits_and_overlap_by_hand() -> None:
    posts = corpus("posts", "informal", train=["LOL the cat 😂😂 soooo good", "@user http THE dog"], dev=["😭", "a"])
    general = corpus("wiki", "general", train=["The cat sat."], test=["A dog is a dog."])
    found = shift([posts, general])["posts"]
    # words: lol the cat soooo good | the dog | - | a; known to the general text: the cat the dog a
    assert found["texts"] == 4
    assert found["mean_words"] == 2.0
    assert found["emoji_rate"] == 0.5
    assert found["emoji_per_text"] == 0.75
    assert found["different_emoji"] == 2
    assert found["elongated_words"] == pytest.approx(1 / 8)
    assert found["capital_words"] == pytest.approx(2 / 8)
    assert found["masks_per_text"] == 0.5
    assert found["vocabulary_overlap"] == pytest.approx(5 / 8)
    assert found["vocabulary_overlap_types"] == pytest.approx(4 / 7)
    assert found["commonest_unknown_words"] == "good lol soooo"


def test_the_commonest_words_of_both() -> None:
    # six words against three: the three commonest of each; the a b against the a x share the and a
    posts = corpus("posts", "informal", train=["the the the a a a b b c d e"])
    general = corpus("wiki", "general", train=["the the a x"])
    assert shift([posts, general])["posts"]["top_words_overlap"] == pytest.approx(2 / 3)


def test_without_general_text_there_is_nothing_to_compare_with() -> None:
    found = shift([corpus("posts", "informal", train=["hi"]), corpus("pairs", "pairs")])
    assert set(found) == {"posts"}
    assert found["posts"]["vocabulary_overlap"] is None


def test_general_text_is_not_compared_with_itself() -> None:
    assert "vocabulary_overlap" not in shift([corpus("wiki", "general", train=["hi"])])["wiki"]
