"""Finding and naming emoji."""

from __future__ import annotations

import emoji
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.emoji import demojize, emoji_list, every_emoji, has_emoji, name_words, named_in


def test_emoji_of_a_text_in_order_each_a_whole() -> None:
    assert emoji_list("so good😂😂 I❤️it 👨‍👩‍👧 👍🏽 🇺🇸 #️⃣ ❤") == ["😂", "😂", "❤️", "👨‍👩‍👧", "👍🏽", "🇺🇸", "#️⃣", "❤"]


@pytest.mark.parametrize(
    ("text", "holds"), [("I❤it", True), ("1️⃣", True), ("© 2020 Foo™ ® 7#*", False), ("©️", True), ("", False)]
)
def test_typography_is_no_emoji_unless_selected(text: str, holds: bool) -> None:
    assert has_emoji(text) is holds


def test_names_are_words() -> None:
    assert name_words("😂") == "face with tears of joy"
    assert name_words("👍🏽") == "thumbs up medium skin tone"


def test_names_are_told_in_other_languages_where_there_are_some() -> None:
    assert name_words("😂", "de") == "gesicht mit freudentränen"
    assert demojize("чай❤", "ru") == "чай алое сердце"
    assert name_words("🇩", "de") == "regional indicator symbol letter d"  # which has a name in Unicode alone
    assert (named_in(["xx", "de-CH", "fr"]), named_in([])) == ("de", "en")


def test_every_emoji_is_found_and_has_a_name() -> None:
    for one in emoji.EMOJI_DATA:
        assert emoji_list(one) == ([] if one in "©®™" else [one])
        assert name_words(one).strip()


def test_demojize_sets_the_words_off() -> None:
    assert demojize("great😂! ok") == "great face with tears of joy ! ok"
    assert demojize("plain  text") == "plain  text"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*"a1#* é", "\u200d", "\ufe0f", "\u20e3", "\U0001f3fd", "👩", "❤", "🇺", "🇸", "™", "1️⃣", "👨‍👩‍👧"]
        )
    )
)
def test_only_what_can_be_emoji_is_searched_and_nothing_is_missed(parts: list[str]) -> None:
    text = "".join(parts)
    assert every_emoji(text) == [match["emoji"] for match in emoji.emoji_list(text)]
