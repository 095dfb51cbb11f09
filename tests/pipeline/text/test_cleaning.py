"""Normalisation: what it mends, and that it keeps every emoji."""

from __future__ import annotations

import emoji
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text.cleaning import normalise, rejoin, repair

PIECES = [
    "&amp;",
    "&lt;",
    "&#x",
    ";",
    "\\u2019",
    "\\ud83d",
    "\\ude02",
    "http://",
    "www.",
    "@user",
    "😂",
    "👨‍👩‍👧",
    "oooo",
    "ðŸ˜‚",
]
TRICKY = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from([*"&;#@:/.\\u0123456789abcdefxwht!?\ufe0f\u200d\u20e3\x00\x1b[]Ã©â€™"]),
    ),
    max_size=30,
).map("".join)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("Plus\\u002c tomorrow\\u2019s", "Plus, tomorrow's"),
        ("lol \\ud83d\\ude02 half \\ud83d", "lol 😂 half"),
        ("\\U0001F602!", "😂!"),
        ("C:\\users\\new", "C:\\users\\new"),
        ("Tom &amp;amp; Jerry &lt;3 &#39;ok&#x27;", "Tom & Jerry <3 'ok'"),
        ("AT&T &notit; &nosuch; a&b;", "AT&T &notit; &nosuch; a&b;"),
        ("ðŸ˜‚ itâ€™s", "😂 it's"),
        ("a\x00b\x07c\u200bd\u202ee", "abcde"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07ok", "red ok"),
        ("“so” ‘it’ goes", "\"so\" 'it' goes"),
        ("  two\n\tlines \u00a0 here ", "two lines here"),
        ("@user \ufe0f \ufe0f \ufe0f @ Abbot, \u200d ok", "@user @ Abbot, ok"),
    ],
)
def test_damage_is_undone(raw: str, wanted: str) -> None:
    assert repair(raw) == wanted
    assert normalise(raw) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("@VirginAmerica thanks @a_b1!", "@user thanks @user!"),
        ("me@shop.org meet @7pm @ home @30", "me@shop.org meet @7pm @ home @30"),
        ("see https://t.co/aB1?x=2&y=3). www.shop.com/x, ok", "see http). http, ok"),
        ("https://t.co/a😂 @bob😂 @bob1️⃣ http://x.y/z2️⃣", "http😂 @user😂 @user1️⃣ http2️⃣"),
        ("sooooooo goooood!!!!!!! hmm...... soo", "sooo goood!!! hmm... soo"),
        ("1000000 ---- 😂😂😂😂😂 NOOOOOO", "1000000 ---- 😂😂😂😂😂 NOOO"),
    ],
)
def test_names_links_and_elongations_are_folded(raw: str, wanted: str) -> None:
    assert normalise(raw) == wanted


def test_repair_leaves_general_text_its_names_and_numerals() -> None:
    assert repair("Louis XIIII wrote to @user at www.x.org") == "Louis XIIII wrote to @user at www.x.org"


def test_wikitext_is_rejoined() -> None:
    assert rejoin("a 1 @,@ 000 @-@ year 3 @.@ 5 reign @-@") == "a 1,000-year 3.5 reign @-@"


@pytest.mark.parametrize(
    "pattern", ["{}", "great{}", "{}great", "I{}it", "{0}{0}", "@bob{}", "http://t.co/a{}", "7{}7", "!{} x"]
)
def test_every_emoji_survives(pattern: str) -> None:
    for one in emoji.EMOJI_DATA:
        text = pattern.format(one)
        kept = [match["emoji"] for match in emoji.emoji_list(normalise(text))]
        assert kept == [match["emoji"] for match in emoji.emoji_list(text)], text


@settings(max_examples=400, deadline=None)
@given(TRICKY)
def test_twice_is_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert repair(repair(text)) == repair(text)
    normalise(text).encode("utf-8")
