from pipeline.common.printable import many, markdown, printable


def test_what_steers_a_terminal_becomes_letters() -> None:
    assert printable("\x1b]0;owned\x07red\x1b[31m") == r"\x1b]0;owned\x07red\x1b[31m"
    assert printable("a\x00b\x9bc\r") == r"a\x00b\x9bc\r"


def test_what_turns_the_direction_of_text_becomes_letters() -> None:
    assert printable("evil\u202etxt.exe\u2066") == r"evil\u202etxt.exe\u2066"


def test_emoji_and_their_joiners_stay() -> None:
    text = "👩‍👩‍👧 ❤️ 👍🏽 🇺🇸 #️⃣ नमस्ते ¡olé!"
    assert printable(text) == text


def test_half_a_character_can_be_written_to_a_file() -> None:
    assert printable("\ud83d!") == r"\ud83d!"
    printable("\ud83d!").encode("utf-8")


def test_lines_become_one() -> None:
    assert printable("first\n\n# second\tthird") == "first # second third"


def test_counts_have_their_nouns() -> None:
    assert [many(count, "row") for count in (0, 1, 2, 1_000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]


def test_nothing_in_a_text_is_markdown() -> None:
    assert markdown("a|b") == r"a\|b"
    assert markdown("<script>alert(1)</script>") == r"\<script\>alert(1)\</script\>"
    assert markdown("[x](javascript:1) `c` **b** _i_ &amp;") == (r"\[x\](javascript:1) \`c\` \*\*b\*\* \_i\_ &amp;amp;")
    assert markdown("row\n| new row") == r"row \| new row"
