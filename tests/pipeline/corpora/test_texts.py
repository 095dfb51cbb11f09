"""Texts on disk: what was written comes back, and what is found among them is what lists of rows would give."""

from __future__ import annotations

import errno
import random
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.corpora import texts as module
from pipeline.corpora.duplicates import Keys, commonest, key, near_twins, numbered, telling, twins
from pipeline.corpora.splits import cut, deal, rank
from pipeline.corpora.texts import NO_LABEL, NONE, Text, Texts, joined, stored


@pytest.fixture(autouse=True, params=[2, 4096])
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All of it with batches of two texts, and in one."""
    monkeypatch.setattr(module, "_BATCH", request.param)
    return


def held(rows: Iterable[Text]) -> Texts:
    return stored(("", row) for row in rows).get("", NONE)


SOME = [
    Text("a:1", "Good &amp; cheap", "Good & cheap", 2),
    Text("a:2", "😂 café", "😂 café", None, domain="shops"),
    Text("a:3", "", "", 0, domain=""),
    Text("a:4", "x", "x", 1),
    Text("a:5", "X!", "X!", 1),
]


def test_what_was_written_comes_back_in_order() -> None:
    found = held(SOME)
    assert list(found) == [found[at] for at in range(5)] == SOME
    assert found[-1] == SOME[-1]
    assert list(found[1:4:2]) == SOME[1:4:2]
    assert found.labels().tolist() == [2, NO_LABEL, 0, 1, 1]
    assert list(found.column("raw")) == ["Good &amp; cheap", None, None, None, None]  # the others are as the text
    assert (len(NONE), list(NONE), NONE.labels().tolist(), bool(NONE)) == (0, [], [], False)
    assert stored([]) == {}


def test_splits_of_one_file_and_files_one_after_the_other() -> None:
    sides = ["train", "test", "train", "train", "test"]
    found = stored(zip(sides, SOME, strict=True))
    assert list(found) == ["train", "test"]
    assert [list(found[side]) for side in found] == [[SOME[0], SOME[2], SOME[3]], [SOME[1], SOME[4]]]
    part = found["train"].take(np.array([False, True, True]))
    assert [text.id for text in part.dealt(np.array([3, 4], np.int8)).take(np.array([1]))] == ["a:4"]
    assert [text.fold for text in part.dealt(np.array([3, 4], np.int8))] == [3, 4]
    every = joined([part, found["test"], NONE, held(SOME[:1])])
    assert list(every) == [SOME[2], SOME[3], SOME[1], SOME[4], SOME[0]]
    assert list(every.take(np.array([1, 4]))) == [SOME[3], SOME[0]]
    assert list(joined([])) == []


def test_a_batch_ends_after_many_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHARACTERS", 10)
    found = held(SOME)
    assert list(found) == SOME
    assert len(found._batches) >= 2


def test_a_full_disk_is_one_line() -> None:
    def rows() -> Iterator[tuple[str, Text]]:
        yield "", SOME[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=f"disk full at {tempfile.gettempdir()}; free some space, or set TMPDIR"):
        stored(rows())


def many(seed: int) -> list[Text]:
    """Many equal and nearly equal texts, with one label or several."""
    draw = random.Random(seed)
    said = ["good", "Good!", "bad", "so so", "fine 😍", "fine 😡", "good 1", "good 2"]
    said += [f"the kettle that i ordered from the shop on the corner broke {'again ' * n}" for n in range(6)]
    drawn = [draw.choice(said) + draw.choice(["", "!", f" {draw.randrange(40)}"]) for _ in range(90)]
    labels = [draw.randrange(3) if draw.random() < 0.03 else 0 for _ in drawn]
    return [Text(f"a:{n}", text, text, label) for n, (text, label) in enumerate(zip(drawn, labels, strict=True))]


@pytest.mark.parametrize("seed", range(4))
def test_twins_are_those_that_groups_of_rows_give(seed: int) -> None:
    rows = many(seed)
    groups: dict[str, list[Text]] = {}
    for row in rows:
        groups.setdefault(key(row.text), []).append(row)
    torn = [group for group in groups.values() if len({row.label for row in group}) > 1]
    repeats = [row for group in groups.values() if group not in torn for row in group[1:]]
    found, texts = twins(held(rows)), held(rows)
    assert [rows[at] for at in found.duplicates] == repeats
    assert [rows[at] for at in found.conflicts] == [row for group in torn for row in group]
    assert (found.conflicting, len(torn) > 0, len(repeats) > 3) == (len(torn), True, True)
    numbers = {same: number for number, same in enumerate(groups)}
    assert numbered(texts).tolist() == [numbers[key(row.text)] for row in rows]
    gone = np.concatenate([found.duplicates, found.conflicts])
    counted: dict[str, list[str]] = {}
    for row in [*repeats, *(row for group in torn for row in group)]:
        counted.setdefault(key(row.text), []).append(row.text)
    shown = sorted(counted.values(), key=len, reverse=True)[:3]
    assert commonest(texts, found.numbers, gone) == [f'"{same[0][:60]}" ({len(same)} rows)' for same in shown]


@pytest.mark.parametrize("seed", range(4))
def test_parts_and_folds_are_those_that_sorted_rows_give(seed: int) -> None:
    rows = [Text(f"a:{n}", text, text, n % 3) for n, text in enumerate(sorted({row.text for row in many(seed)}))]
    test, dev, fold = set(), set(), {}
    for label in range(3):
        ordered = sorted((row for row in rows if row.label == label), key=lambda row: rank(row.text, seed).hex())
        first, second = round(0.2 * len(ordered)), round(0.1 * len(ordered))
        test |= {row.id for row in ordered[:first]}
        dev |= {row.id for row in ordered[first : first + second]}
        fold |= {row.id: place * 5 // len(ordered) for place, row in enumerate(ordered)}
    parts = cut(held(rows), {"test": 0.2, "dev": 0.1}, seed)
    assert {side: [row.id for row in part] for side, part in parts.items()} == {
        "train": [row.id for row in rows if row.id not in test | dev],
        "test": [row.id for row in rows if row.id in test],
        "dev": [row.id for row in rows if row.id in dev],
    }
    assert deal(held(rows), 5, seed).tolist() == [fold[row.id] for row in rows]


def test_the_later_of_two_that_are_nearly_the_same() -> None:
    words = "the parcel came on tuesday and it was fine by"
    written = [f"{words} me", "x", f"{words} us", f"{words} 😡"]
    texts = held(Text(str(n), text, text, 0) for n, text in enumerate(written))
    assert near_twins(texts, 0.8).tolist() == [2]
    assert [Keys(texts)[at] for at in (1, 2)] == list(Keys(texts))[1:3]


def test_nearly_the_same_words_with_another_label_or_a_not_are_other_texts() -> None:
    would = "I would recommend this shop to all of my friends and family."
    wouldnt = would.replace("would", "would not")
    written = [
        (would, 2),
        (wouldnt, 0),
        (f"{would} Ok", 2),
        (f"{would} Aha", 1),
        (f"{wouldnt} Ok", 2),
        (wouldnt[:-2], 0),
    ]
    texts = held(Text(str(n), text, text, label) for n, (text, label) in enumerate(written))
    assert near_twins(texts, 0.8).tolist() == [2, 5]
    assert telling("I don't, I never do: 5 stars 😍❤️") == telling("i DO not, nor do I 5 stars, 😍 ❤")
