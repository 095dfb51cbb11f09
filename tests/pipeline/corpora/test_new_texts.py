"""Reviews labelled later, read by the card of those before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.cards import load_card
from pipeline.corpora.drafting import draft_card
from pipeline.corpora.new_texts import read_labelled


def test_a_drafted_card_knows_the_labels_of_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    file.write_text("body,stars\n" + "".join(f"the kettle is number {n},{n % 5 + 1}.0\n" for n in range(60)), "utf-8")
    card = load_card(draft_card(file, tmp_path / "cards"))
    assert card.classes == {"1.0": 0, "2.0": 0, "3.0": 1, "4.0": 2, "5.0": 2}
    assert read_labelled(str(file), card=card)[:3] == [(f"the kettle is number {n}", (0, 0, 1)[n]) for n in range(3)]
    whole = replace(card, classes={"1": 0, "3": 1, "5": 2, "5.0": None})  # as written comes first
    file.write_text("body,stars\ngood,5\nbad,1.0\nspam,5.0\n", "utf-8")
    assert read_labelled(str(file), card=whole) == [("good", 2), ("bad", 0)]


def test_a_card_without_labels_says_so(tmp_path: Path) -> None:
    file = tmp_path / "posts.txt"
    file.write_text("a post\n", "utf-8")
    card = load_card(draft_card(file, tmp_path / "cards"))
    with pytest.raises(InputError, match=r"card posts: role informal has no labels; name with --card one of role rev"):
        read_labelled(str(file), card=card)
