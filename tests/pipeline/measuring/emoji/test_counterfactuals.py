"""Texts with one thing changed: which emoji has a side, and what each change gives."""

from __future__ import annotations

import pytest

from pipeline.measuring.emoji.counterfactuals import UNMISTAKABLE, answered, sides, texts_of, variants
from pipeline.text.emoji import emoji_list

KNOWN = sides({"😂": 1.0, "🙄": -1.0, "😭": 0.2})


def _one(text: str, seed: int = 0) -> dict[str, object]:
    return variants([text], KNOWN, seed=seed)[0]


def test_clear_emoji_of_the_reviews_have_a_side_and_the_unmistakable_keep_theirs() -> None:
    assert sides({"😂": 0.5, "🙄": -0.6, "😭": 0.49, "👍": -1.0}) == {
        **{"😂": 1, "🙄": -1},
        **dict.fromkeys(UNMISTAKABLE[1], 1),
        **dict.fromkeys(UNMISTAKABLE[-1], -1),
    }


def test_a_swap_takes_every_emoji_with_a_side_to_the_other_and_leaves_the_rest() -> None:
    found = _one("great😂😂 place 👍🏽 😶")
    assert found["side"] == 1
    swapped = emoji_list(str(found["swapped"]))
    assert len(swapped) == 4
    assert set(swapped[:3]) <= set(UNMISTAKABLE[-1])
    assert len(set(swapped[:3])) == 1
    assert swapped[3] == "😶"
    assert str(found["swapped"]).replace(swapped[0], "") == "great place  😶"


@pytest.mark.parametrize("text", ["no emoji", "both 😂 🙄", "unknown 😶", "mixed 😭", ""])
def test_without_one_clear_side_there_is_no_swap(text: str) -> None:
    found = _one(text)
    assert (found["side"], found["swapped"]) == (None, None)


def test_the_words_alone_and_with_an_emoji_of_each_side_appended() -> None:
    found = _one("great😂place 🙄")
    assert found["words"] == "great place"
    positive, negative = found["appended"]  # type: ignore[misc]
    assert positive.removeprefix("great place ") in UNMISTAKABLE[1]
    assert negative.removeprefix("great place ") in UNMISTAKABLE[-1]
    alone = _one("😂 🙄")
    assert (alone["words"], alone["appended"], alone["moved"]) == (None, None, None)


def test_a_move_keeps_words_and_emoji_and_never_stays_at_home() -> None:
    moved = {str(_one("it came late 😂😂 again", seed)["moved"]) for seed in range(40)}
    assert moved == {
        "😂😂 it came late again",
        "it 😂😂 came late again",
        "it came 😂😂 late again",
        "it came late again 😂😂",
    }
    two = {str(_one("😡 a b🙄", seed)["moved"]) for seed in range(60)}
    assert two == {"a 😡 b🙄", "a b🙄 😡", "🙄 😡 a b", "😡 🙄 a b", "😡 a 🙄 b"}


def test_the_same_text_and_seed_give_the_same_whatever_stands_beside_it() -> None:
    texts = ["one 😂 two three four", "👍 five six seven"]
    assert variants(texts, KNOWN, seed=3) == variants(texts[:1], KNOWN, seed=3) + variants(texts[1:], KNOWN, seed=3)
    assert len({str(variants(texts, KNOWN, seed=seed)) for seed in range(8)}) > 1


def test_typography_is_left_alone() -> None:
    assert _one("Foo™ 2020 ©")["words"] == "Foo™ 2020 ©"


def test_answers_stand_where_their_texts_stood() -> None:
    made = variants(["ok 😂", "ok", "😂"], KNOWN, seed=0)
    texts = texts_of(made)
    assert len(texts) == len(set(texts)), "ok is text and words at once"
    assert set(texts) >= {"ok 😂", "ok", "😂", "😂 ok"}
    found = answered(made, {text: text.upper() for text in texts})
    assert found[0] == {
        "side": 1,
        "text": "OK 😂",
        "words": "OK",
        "swapped": str(made[0]["swapped"]).upper(),
        "moved": "😂 OK",
        "appended": [text.upper() for text in made[0]["appended"]],
    }
    assert found[2]["words"] is found[2]["appended"] is found[2]["moved"] is None
