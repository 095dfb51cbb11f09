"""Held-out texts inside longer training documents, found by shared runs of five words.

A similarity of whole texts cannot see a paragraph of a test set inside an article. The share of the held-out text's
word 5-grams that one document holds can (contamination by n-grams, as in Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.text.words import words

RUN = 5
FEWEST_RUNS = 8
"""A text of fewer runs (12 words) is too short to tell a leak from a common phrase."""
_LOW = np.uint64(0xFFFFFFFF)


def runs(text: str) -> NDArray[np.uint32]:
    """The set of hashed runs of five words of a text, sorted."""
    found = words(text)
    hashed = (zlib.crc32(" ".join(found[at : at + RUN]).encode()) for at in range(len(found) - RUN + 1))
    return np.unique(np.fromiter(hashed, np.uint32))


def contained(documents: Iterable[str], held_out: Iterable[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Yield (document, held-out text, share) where a document holds at least ``threshold`` of the text's runs.

    Both are positions in the arguments. One pass over the documents; memory grows with the held-out side only, by 8
    bytes a run.
    """
    held = array("Q")  # each run, and below it whose it is
    sizes = array("I")
    for number, whole in enumerate(held_out):
        members = runs(whole)
        sizes.append(len(members))
        if len(members) >= FEWEST_RUNS:
            held.frombytes((members.astype(np.uint64) << 32 | np.uint64(number)).tobytes())
    if not held:
        return
    index, size = np.frombuffer(held, np.uint64), np.array(sizes)
    index.sort()
    for at, document in enumerate(documents):
        least = runs(document).astype(np.uint64) << 32
        left, right = np.searchsorted(index, least), np.searchsorted(index, least | _LOW, "right")
        hit = [index[start:end] & _LOW for start, end in zip(left, right, strict=True) if start < end]
        if hit:
            found, counts = np.unique(np.concatenate(hit), return_counts=True)
            shares = counts / size[found]
            for text in np.flatnonzero(shares >= threshold):
                yield at, int(found[text]), float(shares[text])
