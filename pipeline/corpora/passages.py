"""Held-out texts inside longer training documents, found by shared runs of five words.

A similarity of whole texts cannot see a paragraph of a test set inside an article. The share of the held-out text's
word 5-grams that one document holds can (contamination by n-grams, as in Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.text.words import words

RUN = 5
FEWEST_RUNS = 8
"""A text of fewer runs (12 words) is too short to tell a leak from a common phrase."""


def runs(text: str) -> NDArray[np.uint32]:
    """The set of hashed runs of five words of a text, sorted."""
    found = words(text)
    hashed = (zlib.crc32(" ".join(found[at : at + RUN]).encode()) for at in range(len(found) - RUN + 1))
    return np.unique(np.fromiter(hashed, np.uint32))


def contained(documents: Sequence[str], held_out: Sequence[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Yield (document, held-out text, share) where a document holds at least ``threshold`` of the text's runs.

    Both are positions in the arguments. One pass over the documents; memory grows with the held-out side only.
    """
    sets = [found if len(found := runs(text)) >= FEWEST_RUNS else found[:0] for text in held_out]
    sizes = np.array([len(members) for members in sets], dtype=np.int64)
    if not sizes.sum():
        return
    hashes = np.concatenate(sets)
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], np.repeat(np.arange(len(sets)), sizes)[order]
    for at, document in enumerate(documents):
        members = runs(document)
        left, right = np.searchsorted(hashes, members, "left"), np.searchsorted(hashes, members, "right")
        hit = [owners[start:end] for start, end in zip(left, right, strict=True) if start < end]
        if hit:
            found, counts = np.unique(np.concatenate(hit), return_counts=True)
            shares = counts / sizes[found]
            for text in np.flatnonzero(shares >= threshold):
                yield at, int(found[text]), float(shares[text])
