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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from pipeline.common.printable import printable
from pipeline.corpora.corpus import Text
from pipeline.text.cleaning import without_masks
from pipeline.text.emoji import emoji_list

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
_MIXERS = np.random.RandomState(1).randint(0, 1 << 64, ROWS, np.uint64)
"""What makes one number of a band's hashes; where two bands share it by accident, their texts are compared in vain."""
_MOST_IN_BUCKET = 50
_SHOWN, _SHOWN_CHARACTERS = 3, 60


def key(text: str) -> str:
    """What makes two normalised texts the same: letters (case folded), digits, signs and emoji.

    Spaces, punctuation and the masks of names and links do not count: copies of a post often differ in just those.
    """
    return without_masks(text, by="").casefold().translate(_IGNORED) or text


@dataclass(frozen=True)
class Twins:
    """Equal texts among some: the rows that repeat an earlier one, and the groups that bear two labels or more."""

    duplicates: list[Text]
    conflicts: list[list[Text]]

    def counts(self) -> Counter[str]:
        """Their figures for the audit."""
        return Counter(
            duplicates=len(self.duplicates),
            texts_with_two_labels=len(self.conflicts),
            rows_with_two_labels=sum(len(group) for group in self.conflicts),
        )


def twins(texts: Iterable[Text]) -> Twins:
    """Find equal texts (same ``key``). A group with two labels is a conflict, and none of it a duplicate."""
    groups: dict[str, list[Text]] = {}
    for text in texts:
        groups.setdefault(key(text.text), []).append(text)
    found = Twins([], [])
    for group in groups.values():
        if len({text.label for text in group}) > 1:
            found.conflicts.append(group)
        else:
            found.duplicates.extend(group[1:])
    return found


def commonest(texts: Iterable[Text]) -> list[str]:
    """The three that stand most often among some, shortened, each with how often."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(key(text.text), []).append(text.text)
    shown = sorted(groups.values(), key=len, reverse=True)[:_SHOWN]
    return [f'"{printable(same[0][:_SHOWN_CHARACTERS])}" ({len(same)} rows)' for same in shown]


def telling(text: str) -> tuple[set[str], list[str]]:
    """What makes two reviews different texts, however alike their words: 😡 for 😍, ``1 star`` for ``5 stars``."""
    return {*emoji_list(text)}, _NUMBERS.findall(text)


def near_twins(texts: Sequence[Text], threshold: float) -> list[Text]:
    """The later one of each pair of reviews that are nearly the same, with nothing that tells them apart."""
    keys = [key(text.text) for text in texts]
    pairs = near_pairs(keys, threshold)
    return [texts[pair.second] for pair in pairs if telling(keys[pair.first]) == telling(keys[pair.second])]


def without(texts: Sequence[Text], gone: Iterable[Text]) -> list[Text]:
    """The texts less some of them, order kept."""
    ids = {text.id for text in gone}
    return [text for text in texts if text.id not in ids]


@dataclass(frozen=True)
class NearPair:
    """Two texts by their positions, first < second, and their Jaccard similarity."""

    first: int
    second: int
    similarity: float


def shingles(key: str) -> NDArray[np.uint32]:
    """The set of hashed runs of four characters of a text's key, sorted; a shorter text is one shingle."""
    if key.isascii() and len(key) >= _SHINGLE:
        signs = np.frombuffer(key.encode(), np.uint8)
        hashed = np.full(len(key) - _SHINGLE + 1, zlib.crc32(_BLANK), np.uint32)
        for at, table in enumerate(_CRC):
            hashed ^= table[signs[at : at + len(hashed)]]
    else:
        runs = {key[at : at + _SHINGLE] for at in range(max(1, len(key) - _SHINGLE + 1))}
        hashed = np.fromiter((zlib.crc32(run.encode()) for run in runs), np.uint32, len(runs))
    hashed.sort()
    return np.append(hashed[:1], hashed[1:][hashed[1:] != hashed[:-1]])


def near_pairs(keys: Sequence[str], threshold: float) -> list[NearPair]:
    """All pairs of keys with a similarity of at least ``threshold``, but for the rare ones that no band proposes.

    In a bucket of very many texts (a phrase everybody writes) each is compared to the first fifty only.
    """
    pairs = _proposed(_signatures(keys))
    sets = {at: shingles(keys[at]) for at in np.unique(pairs).tolist()}
    found = (NearPair(one, other, jaccard(sets[one], sets[other])) for one, other in pairs.tolist())
    return [pair for pair in found if pair.similarity >= threshold]


def jaccard(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """Shared shingles over all shingles, of two sorted sets."""
    if min(len(one), len(other)) == 0:
        return 0.0
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _signatures(keys: Sequence[str]) -> NDArray[np.uint32]:
    """MinHash signatures [texts, BANDS * ROWS]."""
    sketch = MinHash(num_perm=BANDS * ROWS, seed=1, hashfunc=int, scheme="affine32")
    found = np.empty((len(keys), BANDS * ROWS), np.uint32)
    for at, key in enumerate(keys):
        sketch.clear()
        sketch.update_batch(shingles(key).tolist())
        found[at] = sketch.hashvalues
    return found


def _proposed(signatures: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Pairs [pairs, 2] of rows that agree in all hashes of at least one band, in order."""
    found = np.empty(0, np.int64)
    for band in range(BANDS):
        bucket = signatures[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64) @ _MIXERS
        order = np.argsort(bucket, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(bucket[order])) + 1, len(order))
        parts = [found]
        for start, end in zip(np.append(0, ends[:-1]), ends, strict=True):
            for at in range(start, min(end - 1, start + _MOST_IN_BUCKET)):
                parts.append(order[at] << 32 | order[at + 1 : end])
        found = np.unique(np.concatenate(parts))
    return np.stack([found >> 32, found & 0xFFFFFFFF], axis=1)
