"""The stage as the machine runs it: what it reads, what it writes, the same bytes every time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from pipeline.common.errors import InputError
from pipeline.corpora import prepared
from pipeline.corpora.cards import load_card
from pipeline.machine.recipe import load_recipe
from pipeline.text.cleaning import RULES
from stages import STORY
from stages.prepare import STAGE, Rule, Settings, prepare, tell
from tests.cards import REVIEWS, write_card, write_reviews

ROOT = Path(__file__).parents[2]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepare")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        prepare(Settings(), out=out)
    finally:
        os.chdir(before)
    return out


def test_it_makes_what_it_declares(starter: Path) -> None:
    assert sorted(path.name for path in starter.iterdir()) == sorted(STAGE.makes)
    assert sorted(files(starter / "texts")) == [
        "starter-general/dev.jsonl",
        "starter-general/test.jsonl",
        "starter-general/train.jsonl",
        "starter-informal/dev.jsonl",
        "starter-informal/train.jsonl",
        "starter-pairs/test.jsonl",
        "starter-reviews/dev.jsonl",
        "starter-reviews/test.jsonl",
        "starter-reviews/train.jsonl",
    ]


def test_the_starter_is_split_by_class_and_every_row_is_accounted_for(starter: Path) -> None:
    described = json.loads((starter / "corpora.json").read_text())
    assert list(described) == ["starter-reviews", "starter-informal", "starter-general", "starter-pairs"]
    total = {"starter-reviews": 5791, "starter-informal": 10_776, "starter-general": 357, "starter-pairs": 480}
    for name, corpus in described.items():
        assert sum(corpus["splits"].values()) + sum(corpus["dropped"].values()) == total[name]
    reviews = described["starter-reviews"]
    assert reviews["classes"]["test"] == {"negative": 392, "neutral": 352, "positive": 414}
    test = rows(starter / "texts" / "starter-reviews" / "test.jsonl")
    assert Counter(row["label"] for row in test) == {0: 392, 1: 352, 2: 414}


def test_people_are_told_what_became_of_each_corpus(starter: Path) -> None:
    reviews, informal, general, pairs = tell(starter)
    assert re.fullmatch(r"starter-reviews: [\d,]+ train, \d+ dev, 1,158 test(; dropped: .+)?", reviews)
    assert "test" not in informal
    assert general.startswith("starter-general: ")
    assert pairs == "starter-pairs: 480 test"


def test_rows_have_the_keys_others_rely_on(starter: Path) -> None:
    keys = {
        "starter-reviews/train": {"id", "text", "label"},
        "starter-reviews/dev": {"id", "text", "label", "raw"},
        "starter-reviews/test": {"id", "text", "label", "raw"},
        "starter-informal/train": {"id", "text"},
        "starter-general/test": {"id", "text"},
        "starter-pairs/test": {"id", "good", "bad", "phenomenon"},
    }
    for name, wanted in keys.items():
        found = rows(starter / "texts" / f"{name}.jsonl")
        assert all(set(row) == wanted for row in found)
        assert len({row["id"] for row in found}) == len(found) > 0


def test_no_split_shares_a_text_with_another(starter: Path) -> None:
    texts = [row["text"].casefold() for path in (starter / "texts").glob("starter-[rig]*/*") for row in rows(path)]
    assert len(set(texts)) == len(texts)


def test_another_process_with_another_hash_seed_and_locale_writes_the_same_bytes(starter: Path, tmp_path: Path) -> None:
    code = f"from pathlib import Path; from stages.prepare import *; prepare(Settings(), out=Path({str(tmp_path)!r}))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert files(tmp_path) == files(starter)


def test_it_reads_the_meaning_of_the_cards_and_their_files(tmp_path: Path) -> None:
    shop = write_reviews(tmp_path / "shop")
    settings = Settings(corpora=(str(shop),))
    assert STAGE.reads(settings) == load_card(shop).reads()
    assert "card shop" in STAGE.reads(settings)
    with pytest.raises(InputError, match="no folder"):
        STAGE.reads(Settings(corpora=("nothing",)))


@pytest.mark.parametrize(
    "wrong", [{"corpora": []}, {"dev_share": 0.6}, {"near_duplicate_threshold": 0}, {"seed": -1}, {"speed": 1}]
)
def test_settings_are_closed_and_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_bad_input_leaves_nothing_behind(tmp_path: Path) -> None:
    good, bad = write_reviews(tmp_path / "good"), write_reviews(tmp_path / "bad")
    with (bad / "reviews.csv").open("a") as file:
        file.write("what,6\n")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match="label 6"):
        prepare(Settings(corpora=(str(good), str(bad))), out=out)
    assert list(out.iterdir()) == []


def test_leaks_conflicts_and_drops_end_up_in_the_figures(tmp_path: Path) -> None:
    shop = write_reviews(tmp_path / "shop", 30)
    with (shop / "reviews.csv").open("a") as file:
        file.write("held out lovely thing,5\nHeld out lovely thing!!!,5\nboth,1\nboth,5\n,3\n")
    (shop / "test.csv").write_text("text,stars\nheld out lovely thing,5\n")
    write_card(shop, "[{split: train, path: reviews.csv}, {split: test, path: test.csv}]", REVIEWS)
    posts = write_card(tmp_path / "posts", "a.txt", "role: informal")
    (posts / "a.txt").write_text("held OUT lovely thing\na post of my own\nanother post of mine\n")
    out = tmp_path / "out"
    out.mkdir()
    prepare(Settings(corpora=(str(shop), str(posts))), out=out)
    described = json.loads((out / "corpora.json").read_text())
    assert described["shop"]["dropped"] == {"duplicate": 1, "empty": 1, "label conflict": 2, "leak": 1}
    assert described["shop"]["splits"] == {"train": 81, "dev": 9, "test": 1}
    assert described["posts"]["dropped"] == {"leak": 1}
    audit = json.loads((out / "audit.json").read_text())
    assert audit["within"]["shop/train"]["texts_with_two_labels"] == 1
    assert audit["rows_removed"] == 2
    assert json.loads((out / "shift.json").read_text())["shop"]["vocabulary_overlap"] is None


def test_a_share_of_the_rows_is_taken_before_they_are_split_and_general_text_stays(tmp_path: Path) -> None:
    shop = write_reviews(tmp_path / "shop", 60)
    posts = write_card(tmp_path / "posts", "a.txt", "role: informal")
    (posts / "a.txt").write_text(
        "".join(f"a post of mine, of which there are more, {number}\n" for number in range(40))
    )
    articles = write_card(tmp_path / "articles", "a.txt", "role: general")
    (articles / "a.txt").write_text("".join(f"an article on the {number} rivers of a country\n" for number in range(9)))
    cards = tuple(map(str, (shop, posts, articles)))
    prepare(Settings(corpora=cards, share_of_rows=0.5, near_duplicate_threshold=1), out=tmp_path)
    described = json.loads((tmp_path / "corpora.json").read_text())
    assert described["shop"]["dropped"] == {"not in the share": 90}
    assert described["shop"]["classes"]["test"] == {"negative": 6, "neutral": 6, "positive": 6}
    assert described["posts"]["dropped"] == {"not in the share": 20}
    assert sum(described["posts"]["splits"].values()) == 20
    assert sum(described["articles"]["splits"].values()) == 9


def test_importing_the_stage_is_cheap() -> None:
    code = "import sys, stages.prepare as p; p.STAGE.reads(p.Settings()); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    heavy = {"torch", "transformers", "datasets", "pandas", "sklearn", "numpy", "ftfy", "emoji", "datasketch"}
    assert not heavy & set(found.stdout.split())


def test_a_rule_left_out_changes_what_is_read_and_not_which_rows(starter: Path, tmp_path: Path) -> None:
    """Texts of people alone; a rule that is left out here cannot make two rows, or two splits, of one."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        prepare(Settings(uncleaned=("elongation", "quotes and spaces")), out=tmp_path)
    finally:
        os.chdir(before)
    changed = []
    for name in files(starter / "texts"):
        usual, left = rows(starter / "texts" / name), rows(tmp_path / "texts" / name)
        assert [row["id"] for row in usual] == [row["id"] for row in left]
        apart = [(one, other) for one, other in zip(usual, left, strict=True) if one != other]
        assert all(one | {"text": ""} == other | {"text": ""} for one, other in apart)
        changed += [name] * len(apart)
    assert {name.partition("/")[0] for name in changed} == {"starter-reviews", "starter-informal"}
    assert prepared.uncleaned(tmp_path) == ["elongation", "quotes and spaces"]
    assert prepared.uncleaned(starter) == []
    assert [files(folder)["audit.json"] for folder in (starter, tmp_path)] == [files(starter)["audit.json"]] * 2


def test_rules_are_those_of_cleaning_and_an_unknown_one_is_refused_with_the_nearest() -> None:
    assert get_args(Rule) == RULES
    with pytest.raises(InputError, match=r"prepare\.uncleaned\.0: unknown 'linkz'; did you mean links\?"):
        load_recipe("starter", STORY, {"prepare.uncleaned": ["linkz"]})
