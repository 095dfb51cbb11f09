"""Splits by a seeded hash: exact shares, equal texts together, given splits as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.cards import load_card
from pipeline.corpora.corpus import Corpus, Limits, read_corpus
from pipeline.corpora.splits import check_trainable, cut, deal, rank, split, split_of, thin
from pipeline.corpora.texts import Text, Texts, stored
from tests.cards import REVIEWS, write_card, write_reviews

SHARES = {"test": 0.2, "dev": 0.1}


def texts(count: int, label: int) -> list[Text]:
    return [Text(f"{label}:{n}", "", f"text {n} of {label}", label) for n in range(count)]


def held(rows: Sequence[Text]) -> Texts:
    return stored(("train", row) for row in rows)["train"]


def test_every_class_has_its_exact_share() -> None:
    parts = cut(held([*texts(100, 0), *texts(50, 1), *texts(10, 2)]), SHARES, seed=0)
    counts = {name: Counter(text.label for text in rows) for name, rows in parts.items()}
    assert counts == {"train": {0: 70, 1: 35, 2: 7}, "dev": {0: 10, 1: 5, 2: 1}, "test": {0: 20, 1: 10, 2: 2}}


def test_the_known_order_of_a_hash() -> None:
    # by `printf '0\na' | sha256sum`: a is 0d3b..., b is 3e27..., c is efc7...; test is cut off first, then dev
    assert [rank(text, 0).hex()[:4] for text in "abc"] == ["0d3b", "3e27", "efc7"]
    parts = cut(held([Text(one, one, one) for one in "cba"]), {"test": 0.34, "dev": 0.34}, seed=0)
    assert {name: [text.text for text in rows] for name, rows in parts.items()} == {
        "train": ["c"],
        "test": ["a"],
        "dev": ["b"],
    }


def test_a_split_depends_on_text_and_seed_not_on_order() -> None:
    some = texts(200, 0)
    one, other = cut(held(some), SHARES, 0), cut(held(some[::-1]), SHARES, 0)
    assert all({text.id for text in one[name]} == {text.id for text in other[name]} for name in one)
    assert {text.id for text in cut(held(some), SHARES, 1)["test"]} != {text.id for text in one["test"]}


def test_more_rows_move_few_texts() -> None:
    before = {text.id for text in cut(held(texts(1000, 0)), SHARES, 0)["test"]}
    after = cut(held(texts(1100, 0)), SHARES, 0)
    moved = sum(text.id in before for name in ("train", "dev") for text in after[name])
    assert moved < 20


def corpus(folder: Path) -> Corpus:
    found = read_corpus(load_card(folder), Limits())
    split(found, 0.1, 0.2, 0)
    return found


def test_a_share_of_each_class_is_kept_whatever_the_order_and_the_rest_is_counted(tmp_path: Path) -> None:
    shop = load_card(write_reviews(tmp_path / "shop", 60))
    corpus, turned = read_corpus(shop, Limits()), read_corpus(shop, Limits())
    turned.splits["train"] = held(list(turned.splits["train"])[::-1])
    for each in (corpus, turned):
        thin(each, 0.26, seed=0)
    train = corpus.splits["train"]
    assert Counter(text.label for text in train) == {0: 16, 1: 16, 2: 16}  # 15.6
    assert corpus.dropped["not in the share"] == 180 - 48
    assert [text.id for text in turned.splits["train"]] == [text.id for text in list(train)[::-1]]
    thin(turned, 1.0, seed=0)
    assert len(turned.splits["train"]) == 48
    with pytest.raises(InputError, match=r"card shop: 0.5 of class negative is 8 rows, needs 10; raise prepare.share"):
        thin(corpus, 0.5, seed=0)


def test_folds_hold_every_class_evenly() -> None:
    dealt = [*texts(50, 0), *texts(25, 1), *texts(11, 2)]
    folds = deal(held(dealt), 5, seed=0).tolist()
    counts = Counter((fold, text.label) for fold, text in zip(folds, dealt, strict=True))
    assert [counts[fold, 0] for fold in range(5)] == [10] * 5
    assert [counts[fold, 1] for fold in range(5)] == [5] * 5
    assert sorted(counts[fold, 2] for fold in range(5)) == [2, 2, 2, 2, 3]


def test_each_fold_is_tested_once_and_the_next_one_is_dev() -> None:
    assert [[split_of(fold, tested, 4) for fold in range(4)] for tested in range(4)] == [
        ["test", "dev", "train", "train"],
        ["train", "test", "dev", "train"],
        ["train", "train", "test", "dev"],
        ["dev", "train", "train", "test"],
    ]


def test_folds_only_where_the_card_gives_no_split_and_near_doubles_go_first(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop", 20)
    with (folder / "reviews.csv").open("a") as file:
        file.write(
            "the parcel came on tuesday and it was fine by me,5\nthe parcel came on tuesday and it was fine by us,5\n"
        )
        file.write("the parcel came on tuesday and it was fine by all,5\n")  # of three pairs two rows go
        file.write("the parcel came on tuesday and it was fine by me 😡,1\n")
    found = read_corpus(load_card(folder), Limits())
    split(found, 0.1, 0.2, 0, folds=5, threshold=0.8)
    assert (found.folds, found.dropped["near duplicate"]) == (5, 2)
    assert sum(len(rows) for rows in found.splits.values()) == 62
    assert {name: {text.fold for text in rows} for name, rows in found.splits.items()} == {
        "test": {0}, "dev": {1}, "train": {2, 3, 4},
    }  # fmt: skip
    given = write_reviews(tmp_path / "given", 20, **{"test.csv": "text,stars\nheld,1\n"})
    files = "[{split: train, path: reviews.csv}, {split: test, path: test.csv}]"
    other = read_corpus(load_card(write_card(given, files, REVIEWS)), Limits())
    split(other, 0.1, 0.2, 0, folds=5, threshold=0.8)
    assert other.folds == 1


def test_doubles_go_before_the_cut(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop", 20)
    with (folder / "reviews.csv").open("a") as file:
        file.write("Fine!,5\nfine,5\nFINE...,5\nhm,1\nHm,3\n")
    found = corpus(folder)
    assert {name: len(rows) for name, rows in found.splits.items()} == {"train": 43, "dev": 6, "test": 12}
    assert dict(found.dropped) == {"duplicate": 2, "label conflict": 2}
    assert found.doubles["all"] == {"duplicates": 2, "texts_with_two_labels": 1, "rows_with_two_labels": 2}


def test_given_splits_stay_and_a_missing_one_is_cut_from_train(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop", 20, **{"test.csv": "text,stars\nheld,1\nHeld,1\nhe ld,5\n"})
    files = "[{split: train, path: reviews.csv}, {split: test, path: test.csv}]"
    found = corpus(write_card(folder, files, REVIEWS))
    assert {name: len(rows) for name, rows in found.splits.items()} == {"train": 54, "dev": 6, "test": 3}
    assert found.doubles["test"]["texts_with_two_labels"] == 1
    assert found.doubles["train"].total() == 0
    only_test = corpus(write_card(folder, "[{split: test, path: reviews.csv}]", REVIEWS))
    assert {name: len(rows) for name, rows in only_test.splits.items()} == {"test": 60}


def test_informal_text_has_no_test_split(tmp_path: Path) -> None:
    folder = write_card(tmp_path / "posts", "[{split: train, path: a.txt}]", "role: informal")
    (folder / "a.txt").write_text("\n".join(f"post number {n}" for n in range(20)))
    assert {name: len(rows) for name, rows in corpus(folder).splits.items()} == {"train": 18, "dev": 2}
    write_card(folder, "[{split: test, path: a.txt}]", "role: informal")
    with pytest.raises(InputError, match="card posts: role informal has no test split"):
        corpus(folder)


def test_a_train_split_without_a_class_is_refused(tmp_path: Path) -> None:
    found = corpus(write_reviews(tmp_path / "shop", 20))
    check_trainable(found)
    found.splits["train"] = held([text for text in found.splits["train"] if text.label != 1])
    with pytest.raises(InputError, match="no neutral row is left in train"):
        check_trainable(found)


def test_class_minima_hold_for_what_is_left_and_the_cause_is_named(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop", 12)
    with (folder / "reviews.csv").open("a") as file:
        file.write("".join(f"the plain teapot of shop number {n} {'plain' * (n % 4)},1\n" for n in range(9)))
    found = corpus(folder)
    with pytest.raises(InputError) as refused:
        check_trainable(found)
    assert str(refused.value) == (
        "card shop: class neutral has 3 rows left, needs 10 (dropped: 18 label conflict); most often "
        '"the plain teapot of shop number 0" (2 rows), "the plain teapot of shop number 1 plain" (2 rows), '
        '"the plain teapot of shop number 2 plainplain" (2 rows); the same texts bear two labels: check retone.columns '
        "and retone.labels"
    )


def test_where_every_text_has_two_labels_no_row_is_both_dropped_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_card(tmp_path / "shop", "reviews.csv", REVIEWS)
    rows = [f"sample {number},{stars}\n" for number in range(10) for stars in (1, 3, 5)]
    (folder / "reviews.csv").write_text("text,stars\n" + "".join(rows))
    found = corpus(folder)
    assert {name: len(rows) for name, rows in found.splits.items()} == {"train": 0, "test": 0, "dev": 0}
    assert dict(found.dropped) == {"duplicate": 0, "label conflict": 30}
    with pytest.raises(
        InputError, match=r"no negative row is left in train \(dropped: 30 label conflict\).*two labels"
    ):
        check_trainable(found)


def test_losing_over_a_tenth_to_repeats_is_said_with_the_commonest_texts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_reviews(tmp_path / "shop", 12)
    with (folder / "reviews.csv").open("a") as file:
        file.write("love it,5\n" * 4 + "ok,3\n" * 2)
    corpus(folder)
    assert caplog.messages == []  # 4 of 42
    with (folder / "reviews.csv").open("a") as file:
        file.write("Love it!,5\nhm,1\nhm,5\n")
    corpus(folder)
    assert caplog.messages == [
        'shop: 7 of 45 rows went as duplicates or with two labels, most often "love it" (4 rows), "hm" (2 rows), '
        '"ok" (1 row); is retone.columns.text right?'
    ]
