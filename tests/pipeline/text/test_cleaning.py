"""Normalisation: what it mends, and that it keeps every emoji."""

from __future__ import annotations

import emoji
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text import cleaning
from pipeline.text.cleaning import cleaned, normalise, rejoin, repair, unknown

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
    "&#55357;",
    "&#56834;",
    "&amp;#5",
    "\\u005c",
    "u005c",
    "<br",
    "/>",
    "b'",
    "\\xf0\\x9f\\x98\\x82",
    "\\n",
    ":joy:",
    "★☆",
    "(◕‿◕)",
    "𝗕",
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
        ("@müller, @Ölaf: see https://de.wikipedia.org/wiki/Schön.", "@user, @user: see http."),
        ("www.müller.de @cafe\u0301😂 https://a.b/ü1️⃣", "http @user😂 http1️⃣"),
        ("https://пример.рф/путь?x=1 @नरेंद्र हाँ।", "http @user हाँ।"),
        ("@jane你好 https://a.b/c中文 @田中 @bobさん @annaชอบ", "@user你好 http中文 @田中 @userさん @userชอบ"),
        ("(@ω@) @5pm l@s niñ@s", "(@ω@) @5pm l@s niñ@s"),
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


@pytest.mark.parametrize(
    ("raw", "wanted", "kinds"),
    [
        ("good\\n\\nWould buy", "good Would buy", {"line breaks written out"}),
        ("good\\r\\nthen\\\\nbad", "good then bad", {"line breaks written out"}),
        ("C:\\new\\road and \\\\host\\new", "C:\\new\\road and \\\\host\\new", set()),
        ("<p>good<br /><br/>more &amp;amp; more&nbsp;&lt;3</p>", "good more & more <3", {"HTML tags", "HTML entities"}),
        ('<a href="x">this</a> <3 <b and c>', "this <3 <b and c>", {"HTML tags"}),
        ("great &#55357;&#56834;&#xD83D;&#xDE02; &#55357;", "great 😂😂", {"HTML entities"}),
        ("b'great \\xf0\\x9f\\x98\\x82 it\\'s'", "great 😂 it's", {"bytes written out"}),
        ("b'\\xff' b'fine'", "b'\\xff' b'fine'", set()),
        ("great <U+1F602> <U+00E9>", "great 😂 é", {"escapes"}),
        ("so :joy::joy: :thumbs_up: :+1:", "so 😂😂 👍 👍", {"shortcodes"}),
        ("at 10:30:45, :party_parrot: a:joy:b", "at 10:30:45, :party_parrot: a:joy:b", set()),
        ("★★★★★ great", "5 stars great", {"rows of stars"}),
        ("★☆☆☆☆ and ★★★☆☆", "1 star and 3 stars", {"rows of stars"}),
        ("★★★ fine", "3 stars fine", {"rows of stars"}),
        ("★★ SALE ★★ ★", "★★ SALE ★★ ★", set()),
        ("(╯°□°)╯︵ ┻━┻ broken (◕‿◕)", "😡 broken 😊", {"kaomoji"}),
        ("leaks ¯\\_(ツ)_/¯ ¯_(ツ)_/¯ ¯\\\\\\_(ツ)\\_/¯ ¯\\(ツ)/¯", "leaks 🤷 🤷 🤷 🤷", {"kaomoji"}),
        ("¯ \\_ (ツ) _ / ¯ ￣\\_(ツ)_/￣ \\_(ツ)_/ ?\\_(?)_/?", "🤷 🤷 🤷 🤷", {"kaomoji"}),
        ("Â¯\\_(ãƒ„)_/Â¯ fine", "🤷 fine", {"mojibake", "kaomoji"}),
        ("&macr;\\_(&#12484;)_/&macr;", "🤷", {"HTML entities", "kaomoji"}),
        ("(ツ) and a(ツ)/b, what(?)/or", "(ツ) and a(ツ)/b, what(?)/or", set()),
        ("𝗕𝗲𝘀𝘁 product", "Best product", {"styled letters"}),
        ("ðŸ˜‚ \x1b[31mred", "😂 red", {"mojibake", "terminal commands"}),
        ("“plain” text — with ❤", '"plain" text — with ❤', set()),
    ],
)
def test_damage_of_exports_is_undone_and_told_by_kind(raw: str, wanted: str, kinds: set[str]) -> None:
    assert cleaned(raw, short=True) == (wanted, kinds)


def test_an_article_keeps_its_latex() -> None:
    assert repair("where \\nu and \\rho are") == "where \\nu and \\rho are"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("great 😂 👍🏽 1️⃣ ☺︎ 🇩🇪 café — it’s 5€ naïve ệ", set()),
        ("yes :party_parrot:", {"shortcodes"}),
        ("★ ┻━┻", {"symbols"}),
        ("очень 很好", {"letters of other scripts"}),
    ],
)
def test_what_stays_unknown_is_told_by_kind(text: str, kinds: set[str]) -> None:
    assert unknown(text) == kinds


SIZE = 40_000
"""At which what is quadratic would take minutes."""
NESTED = {
    "&" + "amp;" * SIZE + "lt;3": "<3",
    "&" + "#38;amp;" * SIZE + "lt;3": "<3",
    "\\" + "u005c" * SIZE + "u2019s": "'s",
    "a" + "\u200d" * SIZE + "b": "a" + "\u200d" * SIZE + "b",
    "\u200d\ufe0f" * SIZE + "b": "b",
    "❤\u200d" * SIZE + "b": "❤" * SIZE + "b",
    "!" * SIZE: "!!!",
    ":joy" * SIZE: ":joy" * SIZE,
    "a" + "\\" * SIZE: "a" + "\\" * SIZE,
    "<a " * SIZE: ("<a " * SIZE).strip(),
    "<a" + " " * SIZE + "b=" * SIZE: "<a " + "b=" * SIZE,
    "www." * SIZE + "." * SIZE: "http...",
    "@" * SIZE + "1@" * SIZE: "@" * SIZE + "1@" * SIZE,
    "\x1b]" * SIZE: "]" * SIZE,
}
PASSES = 24


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a pass over a text: its length."""
    steps: list[int] = []
    last = cleaning._RULES[-1]

    def step(text: str) -> str:
        steps.append(len(text))
        return last[1](text)

    monkeypatch.setattr(cleaning, "_RULES", (*cleaning._RULES[:-1], (last[0], step)))
    return steps


@pytest.mark.parametrize("text", NESTED)
def test_what_is_nested_is_undone_in_a_few_passes(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = counted(monkeypatch)
    assert normalise(text) == NESTED[text]
    assert len(steps) <= 4


def test_what_is_nested_to_do_harm_loses_its_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert normalise("a &#5&#4&#57;;; b") == "a 3 b"
    steps = counted(monkeypatch)
    deep = (
        "&#5&#4&#5&#5&#5" * SIZE + "3" + ";" * (5 * SIZE)
    )  # 3 is &#51;, 1 is &#49;, 9 is &#57;, 7 is &#55;, 5 is &#53;
    assert not {"&", "\\"} & set(normalise(deep))
    assert len(steps) <= cleaning._DEEPEST + 4


def test_passes_do_not_grow_with_the_text() -> None:
    patch = pytest.MonkeyPatch()
    steps = counted(patch)

    @settings(max_examples=300, deadline=None)
    @given(TRICKY, st.integers(1, 40))
    def bounded(text: str, times: int) -> None:
        steps.clear()
        normalise(text * times)
        assert len(steps) <= PASSES

    with patch.context():
        bounded()
    patch.undo()


LEFT_OUT = [
    ("bytes written out", r"b'ok \xf0\x9f\x98\x82'", "b'ok \\xf0\\x9f\\x98\\x82'"),
    ("escapes", r"it\u2019s <U+1F602>", r"it\u2019s <U+1F602>"),
    ("HTML entities", "Tom &amp; &#39;Jerry&#39;", "Tom &amp; &#39;Jerry&#39;"),
    ("HTML tags", "so<br/>good", "so<br/>good"),
    ("terminal commands", "\x1b[31mred", "[31mred"),
    ("shortcodes", "ok :joy:", "ok :joy:"),
    ("kaomoji", "no ಠ_ಠ", "no ಠ_ಠ"),
    ("rows of stars", "★★★★☆ good", "★★★★☆ good"),
    ("styled letters", "so 𝐠𝐨𝐨𝐝", "so 𝐠𝐨𝐨𝐝"),
    ("mojibake", "cafÃ©", "cafÃ©"),
    ("quotes and spaces", "  “so”  good", "  “so”  good"),
    ("line breaks written out", r"so\ngood", r"so\ngood"),
    ("links", "see http://a.b now", "see http://a.b now"),
    ("names", "thanks @shop", "thanks @shop"),
    ("elongation", "sooooo good!!!!!", "sooooo good!!!!!"),
]


def test_every_rule_is_left_out_below() -> None:
    assert [name for name, *_ in LEFT_OUT] == list(cleaning.RULES)


@pytest.mark.parametrize(("rule", "raw", "wanted"), LEFT_OUT)
def test_a_rule_that_is_left_out_does_nothing(rule: str, raw: str, wanted: str) -> None:
    assert normalise(raw, [rule]) == wanted != normalise(raw)
    assert normalise(raw, [name for name in cleaning.RULES if name != rule]) != raw
    assert normalise(raw, cleaning.RULES) == raw


@pytest.mark.parametrize("rule", cleaning.RULES)
def test_without_a_rule_cleaning_still_ends_and_repeats(rule: str) -> None:
    for text in [*NESTED, *(raw for _, raw, _ in LEFT_OUT), " ".join(raw for _, raw, _ in LEFT_OUT)]:
        once = normalise(text, [rule])
        assert normalise(once, [rule]) == once
