"""Near-duplicates and passages: known similarities, and a guard that proves that it guards."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.corpora import duplicates
from pipeline.corpora.duplicates import _buckets, _proposed, _signatures, jaccard, key, near_pairs, shingles
from pipeline.corpora.passages import contained, runs

WORDS = [
    "shop",
    "late",
    "box",
    "blue",
    "door",
    "never",
    "again",
    "lovely",
    "broke",
    "phone",
    "battery",
    "cold",
    "soup",
    "waiter",
    "refund",
    "green",
    "lamp",
    "quick",
]


def sentences(count: int, words: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=words)) + f" {number}" for number in range(count)]


def test_jaccard_by_hand() -> None:
    # abcd bcde cdef | abcd bcde cdeg: two of four
    assert jaccard(shingles("abcdef"), shingles("abcdeg")) == pytest.approx(0.5)
    assert jaccard(shingles("abc"), shingles("abc")) == 1.0
    assert jaccard(shingles("abc"), shingles("abd")) == 0.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Great food!!", "great, food", True),
        ("@user thanks http", "Thanks", True),
        ("I❤️it", "i❤it", True),
        ("so good :)", "so good :(", False),
        ("so good 😍", "so good 😡", False),
        ("room 12", "room 21", False),
        ("!!!", "???", False),
    ],
)
def test_what_makes_two_texts_the_same(one: str, other: str, same: bool) -> None:
    assert (key(one) == key(other)) is same


def test_fifty_texts_with_one_letter_changed_are_all_found_among_a_thousand() -> None:
    originals = sentences(1000, 15)
    copies = [text.replace(text[30], "q", 1) for text in originals[:50]]
    keys = [key(text) for text in [*originals, *copies]]
    found = {(pair.first, pair.second) for pair in near_pairs(keys, 0.8)}
    assert found == {(number, 1000 + number) for number in range(50)}


def test_all_similarities_above_the_threshold_and_none_below() -> None:
    chance = random.Random(1)
    keys = []
    for text in sentences(40, 12, seed=2):
        letters = list(key(text))
        for _ in range(5):
            keys.append("".join(letters))
            letters[chance.randrange(len(letters))] = "z"
    sets = [shingles(one) for one in keys]
    wanted = {(a, b) for b in range(len(keys)) for a in range(b) if jaccard(sets[a], sets[b]) >= 0.8}
    assert {(pair.first, pair.second) for pair in near_pairs(keys, 0.8)} == wanted
    assert len(wanted) > 50


def test_a_phrase_everybody_writes_does_not_take_for_ever() -> None:
    keys = ["thankyouverymuchforeverything" + "!" * 0 + chr(0x4E00 + n) for n in range(3000)]
    assert len(near_pairs(keys, 0.8)) >= 3000 * 49


def test_a_held_out_paragraph_inside_a_document_is_found() -> None:
    paragraph, other = sentences(2, 40, seed=3)
    around = f"Before. {paragraph.upper()} After, {'more text ' * 50}"
    documents = [" ".join(sentences(30, 12, seed=4)), around, ""]
    assert list(contained(documents, [other, paragraph, "short one"], 0.8)) == [(1, 1, 1.0)]


def test_the_share_of_runs_by_hand() -> None:
    # 14 words have 10 runs of five; the first 10 words hold 6 of them
    held_out = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    assert len(runs(held_out)) == 10
    document = " ".join(held_out.split()[:10]) + " and then something else"
    assert list(contained([document], [held_out], 0.6)) == [(0, 0, 0.6)]
    assert list(contained([document], [held_out], 0.61)) == []


def test_nothing_held_out_or_too_short_gives_nothing() -> None:
    assert list(contained(["a b c d e f"], [], 0.8)) == []
    assert list(contained(["a b c d e f"], ["a b c d e f"], 0.8)) == []
    assert near_pairs([], 0.8) == []


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40) | st.text("ab1 é😂", max_size=12))
def test_shingles_are_the_crc_of_each_run_of_four(text: str) -> None:
    runs = {text[at : at + 4] for at in range(max(1, len(text) - 3))}
    assert shingles(text).tolist() == sorted({zlib.crc32(run.encode()) for run in runs})


def test_pairs_are_proposed_once_in_order_by_any_band_in_buckets_of_fifty() -> None:
    buckets = np.arange(16 * 5, dtype=np.uint64).reshape(16, 5)
    buckets[1, 3] = buckets[1, 1]  # the second band
    buckets[:2, 4] = buckets[:2, 1]  # the first and second
    assert _proposed(buckets).tolist() == [[1, 3], [1, 4], [3, 4]]
    one = np.zeros((16, 100), np.uint64)
    assert len(_proposed(one)) == sum(min(at, 50) for at in range(100))
    backwards = _proposed(one, by=lambda at: -at).tolist()
    assert len(backwards) == len(_proposed(one))
    assert [0, 49] not in backwards
    assert [0, 50] in backwards


def test_texts_are_in_one_bucket_where_they_agree_in_all_hashes_of_a_band(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = np.random.default_rng(0).integers(0, 1 << 32, (5, 80), np.uint32)
    signatures[3, 5:10] = signatures[1, 5:10]
    signatures[4, 5:9] = signatures[1, 5:9]  # one hash short
    given = iter((signatures[:2], signatures[2:4], signatures[4:]))
    monkeypatch.setattr(duplicates, "_AT_ONCE", 2)
    monkeypatch.setattr(duplicates, "_signatures", lambda keys: next(given))
    buckets = _buckets("abcde")
    assert buckets.shape == (16, 5)
    assert _proposed(buckets).tolist() == [[1, 3]]


def test_signatures_are_the_least_of_permuted_shingles() -> None:
    # as datasketch 2.0.0 (scheme affine32, seed 1) has them
    assert _signatures(["abcdef", "thesamewords", "é😂ab"])[:, :3].tolist() == [
        [462549588, 75871539, 1619183446],
        [418464247, 80351630, 1627369721],
        [2821134524, 3440846401, 940840787],
    ]
