"""Train, dev and test by a seeded hash of each text: no chance, no order of rows, no state.

A text's rank depends on the text and the seed alone, so it falls on the same side again when rows are added around it
(but for the few at the borders), and equal texts can never be torn apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from pipeline.cards import Split
from pipeline.text.corpora import Text

Key = TypeVar("Key", bound=Hashable)


def rank(text: str, seed: int) -> str:
    """Where a text stands in the seeded order: hex digits, uniform over texts."""
    return hashlib.sha256(f"{seed}\n{text}".encode()).hexdigest()


def cut(texts: Sequence[Text], shares: Mapping[Split, float], seed: int) -> dict[Split, list[Text]]:
    """Split texts so that every class has its exact share (rounded) in each part; the rest is ``train``.

    Args:
        texts: equal ones (same ``text``) must have been dropped before.
        shares: of the parts to cut off, such as ``{"test": 0.2, "dev": 0.1}``, in that order.
        seed: of the hash.

    Returns:
        Each part in the order of ``texts``. Every class keeps at least one text in train.
    """
    side: dict[str, Split] = {}
    for label in {text.label for text in texts}:
        ordered = sorted((text for text in texts if text.label == label), key=lambda text: rank(text.text, seed))
        at = 0
        for split, share in shares.items():
            until = min(at + round(share * len(ordered)), len(ordered) - 1)
            side |= {text.id: split for text in ordered[at:until]}
            at = until
    parts: dict[Split, list[Text]] = {"train": [], **{split: [] for split in shares}}
    for text in texts:
        parts[side.get(text.id, "train")].append(text)
    return parts
