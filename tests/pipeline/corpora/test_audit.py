"""The audit: who gives way to whom, what is found, what is removed, what is only reported."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pipeline.corpora.audit import Side, audit, gives_way
from pipeline.corpora.cards import Card, Reading, Role, Split
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.texts import Text, stored

LONG = "the old harbour keeps its lights on until the last boat has come home safe and everyone is counted again"


def corpus(name: str, role: str, **splits: list[str]) -> Corpus:
    """Texts by split; a review ends in its label after a bar."""
    card = Card(name, Path(), name, cast(Role, role), {}, {}, {}, Reading(), None, "")
    rows = [
        (cast(Split, split), Text(f"{name}:{split}:{at}", text, text, int(label) if label else None))
        for split, texts in splits.items()
        for at, (text, _, label) in enumerate(text.partition("|") for text in texts)
    ]
    return Corpus(card, stored(rows))


def left(made: Corpus, split: Split) -> list[str]:
    return [text.text for text in made.splits[split]]


@pytest.mark.parametrize(
    ("training", "held_out", "yes"),
    [
        ("reviews train", "reviews dev", True),
        ("reviews train", "reviews test", True),
        ("reviews dev", "reviews test", True),
        ("reviews test", "reviews dev", False),
        ("reviews dev", "reviews train", False),
        ("informal train", "reviews dev", True),
        ("informal dev", "reviews dev", True),
        ("informal train", "reviews train", False),
        ("informal train", "informal dev", True),
        ("informal train", "general test", True),
        ("general train", "general test", True),
        ("general train", "reviews test", True),
        ("general test", "reviews test", True),
        ("reviews train", "informal dev", False),
        ("reviews train", "general test", False),
        ("reviews folds", "reviews test", True),
        ("reviews folds", "reviews dev", True),
        ("reviews dev", "reviews folds", False),
        ("reviews train", "reviews folds", True),
        ("reviews folds", "reviews train", False),
        ("informal train", "reviews folds", True),
        ("reviews folds", "reviews folds", False),
    ],
)
def test_who_gives_way(training: str, held_out: str, yes: bool) -> None:
    sides = [Side("c", *cast("tuple[str, Split]", tuple(side.split()))) for side in (training, held_out)]
    assert gives_way(*sides) is yes


def test_exact_leaks_leave_the_training_side() -> None:
    shop = corpus("shop", "reviews", train=["Fine by me!|2", "kept|0"], dev=["also FINE|1"], test=["fine by me|2"])
    other = corpus("other", "reviews", train=["@user fine by me http|2", "kept too|0"])
    posts = corpus("posts", "informal", train=["fine by me...", "a post"], dev=["another post"])
    found = audit([shop, other, posts], 0.8)
    assert left(shop, "train") == ["kept"]
    assert left(other, "train") == ["kept too"]
    assert left(posts, "train") == ["a post"]
    assert left(shop, "test") == ["fine by me"]
    assert left(shop, "dev") == ["also FINE"]
    assert found["across"] == {
        f"{side} <-> shop/test": {
            "held_out_texts": 1,
            "exact": 1,
            "near": 0,
            "rows_removed": 1,
            "examples": ["fine by me (1.00)"],
        }
        for side in ("other/train", "posts/train", "shop/train")
    }
    assert (found["rows_removed"], shop.dropped["leak"], posts.dropped["leak"]) == (3, 1, 1)


def test_near_leaks_are_found_and_reported_with_their_similarity() -> None:
    text = "the delivery was late and the box was broken again"
    shop = corpus("shop", "reviews", train=[text.replace("late", "lake") + "|0", "kept|1"], test=[text + "|0"])
    found = audit([shop], 0.8)
    assert left(shop, "train") == ["kept"]
    ((pair, crossing),) = found["across"].items()
    assert (pair, crossing["near"], crossing["exact"]) == ("shop/train <-> shop/test", 1, 0)
    assert crossing["examples"][0].startswith(text)
    assert audit([corpus("shop", "reviews", train=["x " + text + "|0"], test=[text + "|0"])], 1.0)["across"] == {}


def test_reviews_that_differ_in_their_emoji_are_not_the_same() -> None:
    words = "so i tried the fish of the day and went home with a bag of it"
    shop = corpus("shop", "reviews", train=[f"{words} 😍|0", f"{words} 😡😡|0"], test=[f"{words} 😡|0"])
    posts = corpus("posts", "informal", train=[f"{words} 🐟"])
    found = audit([shop, posts], 0.8)
    assert left(shop, "train") == [f"{words} 😍"]
    assert left(posts, "train") == []
    assert set(found["across"]) == {"shop/train <-> shop/test", "posts/train <-> shop/test"}


def test_reviews_that_differ_in_their_numbers_are_not_the_same() -> None:
    words = "the kettle that i ordered from the shop on the corner, number"
    shop = corpus("shop", "reviews", train=[f"{words} 12|0", f"{words}: 13|0"], test=[f"{words} 13|0"])
    audit([shop], 0.8)
    assert left(shop, "train") == [f"{words} 12"]


def test_reviews_that_differ_in_negation_or_label_are_not_the_same() -> None:
    would = "I would recommend this shop to all of my friends and family."
    wouldnt = would.replace("would", "would not")
    shop = corpus("shop", "reviews", train=[f"{would}|0", f"{wouldnt} Ok|0"], test=[f"{wouldnt}|0"])
    other = corpus("other", "reviews", train=[f"{wouldnt} Ye|2", f"{wouldnt} Aha|1"])
    posts = corpus("posts", "informal", train=[would])  # without labels the words alone count
    found = audit([shop, other, posts], 0.8)
    assert left(shop, "train") == [would]
    assert left(other, "train") == [f"{wouldnt} Ye", f"{wouldnt} Aha"]
    assert left(posts, "train") == []
    assert set(found["across"]) == {"shop/train <-> shop/test", "posts/train <-> shop/test"}
    assert found["within"] == {"other/train": {"near_duplicate_pairs": 1, "near_duplicate_pairs_with_two_labels": 1}}


def test_the_loss_of_much_is_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    audit([corpus("shop", "reviews", train=["same|2", "other|2"], test=["same|0"])], 0.8)
    assert caplog.messages == [
        "shop: 1 of 2 texts in train are (nearly) the same as held-out ones and were removed; see audit.json"
    ]


def test_a_held_out_passage_costs_the_training_document() -> None:
    train = [f"Chapter one. {LONG.upper()}. More follows, " + "and more of it " * 20, "An article about boats."]
    general = corpus("wiki", "general", train=train, dev=["a harbour article"], test=[LONG])
    shop = corpus("shop", "reviews", test=["a short review|1"])
    found = audit([general, shop], 0.8)
    assert left(general, "train") == ["An article about boats."]
    assert found["across"]["wiki/train <-> wiki/test"]["near"] == 1


def test_what_stands_twice_within_a_split_is_reported_and_stays() -> None:
    shop = corpus("shop", "reviews", train=[f"{LONG} one|0", f"{LONG} two|2", f"{LONG} ones|0"], test=["a|1"])
    found = audit([shop], 0.8)
    assert found["within"] == {
        "shop/train": {"near_duplicate_pairs": 3, "near_duplicate_pairs_with_two_labels": 2},
    }
    assert len(left(shop, "train")) == 3


def test_clean_corpora_are_called_clean() -> None:
    found = audit([corpus("shop", "reviews", train=["good|2", "bad|0"], test=["so so|1"])], 0.8)
    assert found == {
        "near_duplicate_threshold": 0.8,
        "different_texts_compared": 3,
        "rows_removed": 0,
        "within": {},
        "across": {},
    }
