"""Cards looked over: rows as they will be read, problems as they would be raised."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora import check
from pipeline.corpora.check import contents, describe_cards
from tests.cards import REVIEWS, write_card, write_reviews

DATA_CARDS = Path(__file__).parents[3] / "data_cards"


def test_every_card_is_shown_and_problems_do_not_hide_the_rest(tmp_path: Path) -> None:
    write_reviews(tmp_path / "shop")
    write_card(tmp_path / "posts", "nothing.txt", "role: informal")
    posts, shop = describe_cards(tmp_path, None)
    assert (shop.name, shop.role, shop.rows, dict(shop.splits), shop.problems) == (
        "shop",
        "reviews",
        30,
        {"train": 30},
        (),
    )
    assert len(shop.sample) == 5
    assert shop.sample[0] == {"text": "the awful teapot of shop number 0", "label": "negative"}
    assert (posts.name, posts.rows) == ("posts", 0)
    assert posts.problems[0].startswith("card posts: no file nothing.txt")


def test_texts_in_other_languages_are_told_with_their_share(tmp_path: Path) -> None:
    shop = write_reviews(tmp_path / "shop")
    (report,) = describe_cards(tmp_path, None)
    assert report.notes == ()
    with (shop / "reviews.csv").open("a", encoding="utf-8") as file:
        file.write("Ganz okay aber nichts Besonderes für den Preis,3\n" * 6 + "质量很差 两天就坏了,1\n" * 4)
    (report,) = describe_cards(tmp_path, None)
    said = "of texts whose language shows, 25% are not in en: de 15%, zh 10%; "
    said += "a base reads the languages it was made for (docs/bases.md)"
    assert report.notes == (said,)
    write_card(shop, "reviews.csv", REVIEWS, extra="language: [en, de, zh]\n")
    assert describe_cards(tmp_path, None)[0].notes == ()
    write_card(shop, "reviews.csv", REVIEWS, extra="language: uk\n")
    assert describe_cards(tmp_path, None)[0].notes == ()  # a language that cannot be told from others


def test_of_a_large_corpus_texts_spread_evenly_are_asked_for_their_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = write_reviews(tmp_path / "shop")
    with (shop / "reviews.csv").open("a", encoding="utf-8") as file:
        file.write("Ganz okay aber nichts Besonderes für den Preis,3\n" * 30)
    monkeypatch.setattr(check, "MOST_ASKED", 20)
    (report,) = describe_cards(tmp_path, None)
    assert report.rows == 60
    assert report.notes == (
        "of texts whose language shows, 50% are not in en: de 50%; "
        "a base reads the languages it was made for (docs/bases.md)",
    )
    asked = []
    monkeypatch.setattr(check, "language", asked.append)
    describe_cards(tmp_path, None)
    assert len(asked) == 20


def test_a_folder_without_cards_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no cards there; `.venv/bin/python -m stages new-card FILE`"):
        describe_cards(tmp_path, None)


def test_the_shipped_cards_are_in_order_and_the_table_is_current(tmp_path: Path) -> None:
    """Of what ships alone: whoever has added cards of their own has broken nothing."""
    for card in DATA_CARDS.glob("starter-*"):
        shutil.copytree(card, tmp_path / card.name)
    assert [report.problems for report in describe_cards(tmp_path, None)] == [(), (), (), ()]
    rows = [line for line in contents(tmp_path).splitlines() if "starter-" in line]
    table = (DATA_CARDS / "README.md").read_text(encoding="utf-8").splitlines()
    assert rows == [line for line in table if "starter-" in line]


def test_a_broken_card_makes_no_table(tmp_path: Path) -> None:
    write_card(tmp_path / "posts", "nothing.txt", "role: informal")
    with pytest.raises(InputError, match="card posts: no file"):
        contents(tmp_path)


def test_the_template_is_a_card(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop")
    text = (DATA_CARDS / "TEMPLATE.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(text, encoding="utf-8")
    for name in ("reviews-1.csv", "test.csv"):
        (folder / name).write_text((folder / "reviews.csv").read_text().replace("text,", "body,"))
    (report,) = describe_cards(tmp_path, None)
    assert report.problems == ()
    assert dict(report.splits) == {"train": 30, "test": 30}
