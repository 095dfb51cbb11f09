"""What people mean by an emoji: the ranking's reader, and the reviews as stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.measuring.emoji.reference import from_reviews, labels_by_emoji, one_form, ranking

HEADER = "Emoji,Unicode codepoint,Occurrences,Position,Negative,Neutral,Positive,Unicode name,Unicode block"


def _written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "ranking.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_score_is_positive_less_negative_over_occurrences_the_commonest_first(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "😡,0x1f621,100,0.8,60,30,10,POUTING FACE,Emoticons",
        "❤,0x2764,200,0.7,20,40,140,HEAVY BLACK HEART,Dingbats",
        "★,0x2605,300,0.5,0,0,300,BLACK STAR,Miscellaneous Symbols",
        "😂,0x1f602,99,0.8,0,0,99,FACE WITH TEARS OF JOY,Emoticons",
    )
    assert list(ranking(path).items()) == [("❤️", 0.6), ("😡", -0.5)], "★ is no emoji, 😂 too rare"
    assert ranking(path, at_least=99)["😂"] == 1.0


@pytest.mark.parametrize(
    ("row", "header", "says"),
    [
        ("😡,0x1f621,100,0.8,60,30,11,POUTING FACE,Emoticons", HEADER, "row 1: .* do not add up to Occurrences"),
        ("😡,0x1f621,many,0.8,60,30,10,POUTING FACE,Emoticons", HEADER, "row 1: a count is no whole number"),
        ("😡,-1", "Emoji,score", "row 1: no column Occurrences"),
        ("😡,0x1f621,99,0.8,60,30,9,POUTING FACE,Emoticons", HEADER, "no emoji occurs 100 times"),
    ],
)
def test_another_file_is_refused_with_what_is_wrong(tmp_path: Path, row: str, header: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        ranking(_written(tmp_path, row, header=header))


def test_an_absent_ranking_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"emoji ranking ranking\.csv"):
        ranking(tmp_path / "ranking.csv")


def test_selectors_and_skin_tones_do_not_make_another_emoji() -> None:
    same = {"❤": "❤️", "❤️": "❤️", "👏🏿": "👏", "🤷🏻‍♂️": "🤷‍♂️", "🤷‍♂": "🤷‍♂️", "🇺🇸": "🇺🇸", "1⃣": "1️⃣"}
    assert {form: one_form(form) for form in same} == same


def test_reviews_give_the_mean_label_of_the_texts_with_an_emoji() -> None:
    texts = ["👏👏 fine", "👏🏿 no", "👏 ok 😡", "😡", "no emoji"]
    seen = labels_by_emoji(texts, [2, 0, 2, 0, 2])
    assert from_reviews(seen, at_least=2) == {"👏": pytest.approx(1 / 3), "😡": 0.0}
    assert list(from_reviews(seen, at_least=2)) == ["👏", "😡"]
    assert from_reviews(seen, at_least=4) == {}
