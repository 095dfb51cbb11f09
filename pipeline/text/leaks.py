"""Duplicates, texts with two labels, and leaks: test texts that a model would have seen before it is tested.

The training side always gives way: a test text stays, its twin in train, dev or the adaptation text goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.text.corpora import Text

_IGNORED = str.maketrans(dict.fromkeys(" \t\n.,!?…\"'’‘“”-–—_*#@`\ufe0f"))
# Brackets and colons count: they are what tells :) from :(


def key(text: str) -> str:
    """What makes two texts the same: letters (case folded), digits, signs and emoji; no spaces, no punctuation."""
    return text.casefold().translate(_IGNORED) or text


@dataclass
class Twins:
    """Exact duplicates among some texts: what to drop, and examples for the audit."""

    duplicates: list[Text] = field(default_factory=list)
    conflicts: list[Text] = field(default_factory=list)


def twins(texts: Iterable[Text]) -> Twins:
    """Find equal texts: all but the first of a group are duplicates; a group with two labels is all conflicts."""
    groups: dict[str, list[Text]] = {}
    for text in texts:
        groups.setdefault(key(text.text), []).append(text)
    found = Twins()
    for group in groups.values():
        if len({text.label for text in group}) > 1:
            found.conflicts += group
        else:
            found.duplicates += group[1:]
    return found


def without(texts: Sequence[Text], gone: Iterable[Text]) -> list[Text]:
    """The texts less some of them, order kept."""
    ids = {text.id for text in gone}
    return [text for text in texts if text.id not in ids]
