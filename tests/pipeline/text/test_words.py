"""Traits of texts, each by example, on texts as normalise leaves them."""

from __future__ import annotations

import pytest

from pipeline.text.cleaning import normalise
from pipeline.text.words import TRAITS, traits, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Great coffee", {"short"}),
        ("", {"short"}),
        ("great😂", {"short", "emoji"}),
        ("Not again!", {"short", "negation", "exclamation"}),
        ("it won't start", {"short", "negation"}),
        ("it wont start", {"short", "negation"}),
        ("HARDLY worth it", {"short", "negation"}),
        ("nothing, nobody, never", {"short", "negation"}),
        ("a knot in the notebook, another note", {"short"}),  # "not" inside a word negates nothing
        ("🚫", {"short", "emoji"}),  # its name would be "prohibited"; an emoji is no word
        ("🙅 no entry", {"short", "emoji", "negation"}),
        ("sooooo good", {"short", "elongation"}),
        ("soo good", {"short"}),  # two are spelling
        ("takes AAA batteries", {"short"}),
        ("where is it???!", {"short", "question", "exclamation"}),
    ],
)
def test_by_example(text: str, expected: set[str]) -> None:
    assert traits(normalise(text)) == expected


def test_signs_of_scripts_without_blanks_are_words() -> None:
    assert words("服务很差, don't go ラーメン屋 Füße ёлка") == [
        *"服务很差",
        "don't",
        "go",
        *"ラーメン屋",
        "füsse",
        "ёлка",
    ]


@pytest.mark.parametrize(
    ("words", "length"), [(9, "short"), (10, "middle"), (19, "middle"), (20, "long"), (60, "long")]
)
def test_length_is_counted_in_words(words: int, length: str) -> None:
    assert traits("ok " * words + "1 2 3 😂") == {length, "emoji"}


def test_an_apostrophe_may_be_curly_before_normalisation() -> None:
    assert "negation" in traits(normalise("it doesn\u2019t fit"))


def test_only_known_traits() -> None:
    assert traits("Noooo!?! 😂 not " + "long " * 20) == set(TRAITS) - {"short", "middle"}
