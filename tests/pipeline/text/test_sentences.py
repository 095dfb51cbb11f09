"""Sentences and their twins: where text is cut, which words may change places."""

from __future__ import annotations

import pytest

from pipeline.text.sentences import shuffle_bigram, split_sentences, with_twins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rained. We left! Why? Nobody knows", ["It rained.", "We left!", "Why?", "Nobody knows"]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("Dr. A. B. Smith met Mr. Lee, i.e. the cook. Fine.", ["Dr. A. B. Smith met Mr. Lee, i.e. the cook.", "Fine."]),
        ("It cost 3.50 in all. cheap", ["It cost 3.50 in all.", "cheap"]),
        ("", []),
        ("   ", []),
    ],
)
def test_sentences_are_cut_where_they_end(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


def test_the_only_two_neighbours_that_may_swap_do() -> None:
    # first and last word stay; "mat," touches a comma, "Paris" has a capital, "3" is no word
    assert shuffle_bigram("Bring the old mat, Paris 3 times") == "Bring old the mat, Paris 3 times"


@pytest.mark.parametrize("sentence", ["Go home now", "Much too too late", "Ann, bob, and, carl", ""])
def test_no_twin_where_nothing_may_swap(sentence: str) -> None:
    assert shuffle_bigram(sentence) is None


def test_the_twin_depends_on_nothing_but_the_sentence() -> None:
    sentence = "the quick brown fox jumps over the lazy dog again"
    twin = shuffle_bigram(sentence)
    assert twin == shuffle_bigram(sentence)
    assert twin is not None
    assert twin != sentence
    differing = [
        place for place, pair in enumerate(zip(sentence.split(), twin.split(), strict=True)) if len({*pair}) > 1
    ]
    assert differing == [differing[0], differing[0] + 1]
    assert sorted(twin.split()) == sorted(sentence.split())


def test_each_sentence_once_and_neither_short_nor_long_ones() -> None:
    texts = [
        ("d1", "The cat sat on the mat. Too short. The cat sat on the mat."),
        ("d2", "A " + "very " * 40 + "long one."),
    ]
    (item,) = with_twins("wiki", texts)
    assert {key: item[key] for key in ("id", "corpus", "text", "words")} == {
        "id": "d1#0",
        "corpus": "wiki",
        "text": "The cat sat on the mat.",
        "words": 6,
    }
    assert item["shuffled"] in {"The sat cat on the mat.", "The cat on sat the mat.", "The cat sat the on mat."}
