"""When two texts are the same, or nearly, and what to do with those that stand twice in one place.

Near-duplicates are pairs of texts whose sets of shingles overlap by at least a Jaccard similarity. MinHash signatures
(Broder 1997) cut into bands propose pairs; the true Jaccard similarity of each decides, so there is no false alarm, and
with 16 bands of 5 a pair at 0.8 is missed once in 580 (at 0.9: once in 130,000). Sets of shingles are not kept: those
of the few texts that are proposed are made again.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from pipeline.common.printable import many, printable
from pipeline.corpora.texts import Texts, unnamed
from pipeline.text.cleaning import without_masks
from pipeline.text.emoji import emoji_list
from pipeline.text.words import negators

_IGNORED = str.maketrans(dict.fromkeys(" \t\n.,!?…\"'’‘“”-–—_*#@`\ufe0f"))
# Brackets and colons count: they are what tells :) from :(
_NUMBERS = re.compile(r"\d+")
BANDS, ROWS = 16, 5
_SHINGLE = 4
_BLANK = bytes(_SHINGLE)
_CRC = np.array(
    [[zlib.crc32(_BLANK[:at] + bytes([sign]) + _BLANK[at + 1 :]) for sign in range(128)] for at in range(_SHINGLE)],
    np.uint32,
) ^ np.uint32(zlib.crc32(_BLANK))
"""What each sign in each place of a shingle adds to the CRC-32 of a blank one: it is linear, additions are XOR."""
_PERMUTATIONS = MinHash(num_perm=BANDS * ROWS, seed=1, scheme="affine32").permutations
_MIXERS = np.random.RandomState(1).randint(0, 1 << 64, ROWS, np.uint64)
"""What makes one number of a band's hashes; where two bands share it by accident, their texts are compared in vain."""
_MOST_IN_BUCKET = 50
_AT_ONCE = 4096
"""Texts whose signatures are made at a time, and a quarter of the pairs that are compared."""
_SHOWN, _SHOWN_CHARACTERS = 3, 60


def key(text: str) -> str:
    """What makes two normalised texts the same: letters (case folded), digits, signs and emoji.

    Spaces, punctuation and the masks of names and links do not count: copies of a post often differ in just those.
    """
    return without_masks(text, by="").casefold().translate(_IGNORED) or text


class Keys(Sequence[str]):
    """The key of each of some texts, made when it is asked for."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return map(key, self._texts.column("text"))

    def __getitem__(self, at: Any) -> Any:
        return key(self._texts.cell("text", at))


def numbered(texts: Texts) -> NDArray[np.int64]:
    """A number for each text, from 0 up as they come; equal texts (same ``key``) have the same."""
    digests = (blake2b(each.encode(), digest_size=16).digest() for each in Keys(texts))
    _, first, number = np.unique(np.fromiter(digests, "S16", len(texts)), return_index=True, return_inverse=True)
    ordered = np.empty_like(first)
    ordered[np.argsort(first)] = np.arange(len(first))
    return ordered[number]


@dataclass(frozen=True)
class Twins:
    """Equal texts among some, by their positions."""

    duplicates: NDArray[np.int64]
    """Those that repeat an earlier one."""
    conflicts: NDArray[np.int64]
    """All of those that stand there with two labels or more."""
    conflicting: int
    """How many different texts these are."""
    numbers: NDArray[np.int64]
    """Of all texts, as ``numbered`` has them."""

    def counts(self) -> Counter[str]:
        """Their figures for the audit."""
        return Counter(
            duplicates=len(self.duplicates),
            texts_with_two_labels=self.conflicting,
            rows_with_two_labels=len(self.conflicts),
        )


def twins(texts: Texts) -> Twins:
    """Find equal texts (same ``key``). Where they bear two labels it is a conflict, and none of them a duplicate."""
    numbers = numbered(texts)
    order = np.argsort(numbers, kind="stable")
    number, labels = numbers[order], texts.labels()[order]
    repeats = np.diff(number, prepend=-1) == 0
    two_labels = repeats & (np.diff(labels, prepend=-1) != 0)
    torn = np.isin(number, number[two_labels])
    return Twins(order[repeats & ~torn], order[torn], len(np.unique(number[torn])), numbers)


def commonest(texts: Texts, numbers: NDArray[np.int64], some: NDArray[np.int64]) -> list[str]:
    """The three that stand most often among those at some positions, shortened, each with how often."""
    _, first, counts = np.unique(numbers[some], return_index=True, return_counts=True)
    return [
        f'"{printable(texts[int(some[first[at]])].text[:_SHOWN_CHARACTERS])}" ({many(counts[at], "row")})'
        for at in np.lexsort((first, -counts))[:_SHOWN]
    ]


def telling(text: str) -> tuple[set[str], list[str], int]:
    """What makes two reviews different texts, however alike their words: 😡 for 😍, ``1 star`` for ``5 stars``, and a
    ``not`` more or less. That it is a ``never`` instead makes no other text.

    Args:
        text: normalised; a key has no words.
    """
    same = key(text)
    return {*emoji_list(same)}, _NUMBERS.findall(same), len(negators(text))


def near_twins(texts: Texts, threshold: float) -> NDArray[np.int64]:
    """Of each pair of reviews that are nearly the same, of one label, and that nothing tells apart, each later one,
    once.
    """
    labels = texts.labels()

    def same(pair: NearPair) -> bool:
        if labels[pair.first] != labels[pair.second]:
            return False
        one, other = (telling(texts.cell("text", at)) for at in (pair.first, pair.second))
        return one == other

    pairs = filter(same, near_pairs(Keys(texts), threshold))
    return np.unique(np.fromiter((pair.second for pair in pairs), np.int64))


@dataclass(frozen=True)
class NearPair:
    """Two texts by their positions, first < second, and their Jaccard similarity."""

    first: int
    second: int
    similarity: float


def shingles(key: str) -> NDArray[np.uint32]:
    """The set of hashed runs of four characters of a text's key, sorted; a shorter text is one shingle."""
    hashed = np.sort(_hashed(key))
    return np.append(hashed[:1], hashed[1:][hashed[1:] != hashed[:-1]])


def _hashed(key: str) -> NDArray[np.uint32]:
    """``shingles`` as they stand there."""
    if key.isascii() and len(key) >= _SHINGLE:
        signs = np.frombuffer(key.encode(), np.uint8)
        hashed = np.full(len(key) - _SHINGLE + 1, zlib.crc32(_BLANK), np.uint32)
        for at, table in enumerate(_CRC):
            hashed ^= table[signs[at : at + len(hashed)]]
        return hashed
    runs = {key[at : at + _SHINGLE] for at in range(max(1, len(key) - _SHINGLE + 1))}
    return np.fromiter((zlib.crc32(run.encode()) for run in runs), np.uint32, len(runs))


def near_pairs(keys: Sequence[str], threshold: float, by: Callable[[int], Any] | None = None) -> list[NearPair]:
    """All pairs of keys with a similarity of at least ``threshold``, but for the rare ones that no band proposes.

    In a bucket of very many texts (a phrase everybody writes) each is compared to the first fifty only.

    Args:
        by: what orders positions there; None: as they are.
    """
    proposed, found = _proposed(_buckets(keys), by), []
    for start in range(0, len(proposed), 4 * _AT_ONCE):
        pairs = proposed[start : start + 4 * _AT_ONCE]
        sets = {at: shingles(keys[at]) for at in np.unique(pairs).tolist()}
        near = (NearPair(one, other, jaccard(sets[one], sets[other])) for one, other in pairs.tolist())
        found += [pair for pair in near if pair.similarity >= threshold]
    return found


def jaccard(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """Shared shingles over all shingles, of two sorted sets."""
    if min(len(one), len(other)) == 0:
        return 0.0
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _signatures(keys: Sequence[str]) -> NDArray[np.uint32]:
    """MinHash signatures [texts, BANDS * ROWS], as datasketch (affine32, seed 1) makes them one by one."""
    sets = [_hashed(key) for key in keys]
    starts = np.cumsum([0, *map(len, sets[:-1])])
    mixed = np.concatenate(sets)  # by MurmurHash3's finaliser
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ mixed >> np.uint32(shift)) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    found = np.empty((BANDS * ROWS, len(keys)), np.uint32)
    for least, factor, more in zip(found, *_PERMUTATIONS, strict=True):
        np.minimum.reduceat(mixed * factor + more, starts, out=least)
    return found.T


def _buckets(keys: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each band of each text's signature [BANDS, texts], on disk: one band is looked at at a time."""
    with unnamed() as file:
        rest, at = iter(keys), 0
        while some := list(islice(rest, _AT_ONCE)):
            bands = _signatures(some).reshape(len(some), BANDS, ROWS).astype(np.uint64) @ _MIXERS
            for band in range(BANDS):
                file.seek(8 * (band * len(keys) + at))
                file.write(bands[:, band].tobytes())
            at += len(some)
        file.flush()
        return np.memmap(file, np.uint64, "r", shape=(BANDS, at)) if at else np.empty((BANDS, 0), np.uint64)


def _proposed(buckets: NDArray[np.uint64], by: Callable[[int], Any] | None = None) -> NDArray[np.int64]:
    """Pairs [pairs, 2] of texts that are in one bucket of at least one band, in order."""
    found = np.empty(0, np.int64)
    for bucket in buckets:
        order = np.argsort(bucket, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(bucket[order])) + 1, len(order))
        starts = np.append(0, ends[:-1])
        shared, parts = ends - starts > 1, [found]
        for start, end in zip(starts[shared], ends[shared], strict=True):
            members = order[start:end]
            if by is not None and len(members) > _MOST_IN_BUCKET:
                members = np.array(sorted(members.tolist(), key=by))
            for at in range(min(len(members) - 1, _MOST_IN_BUCKET)):
                one, others = members[at], members[at + 1 :]
                parts.append(np.minimum(one, others) << 32 | np.maximum(one, others))
        found = np.unique(np.concatenate(parts))
    return np.stack([found >> 32, found & 0xFFFFFFFF], axis=1)
