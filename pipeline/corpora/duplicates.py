"""When two texts are the same, and what to do with those that stand twice in one place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.corpora.corpus import Text
from pipeline.corpora.near import near_pairs
from pipeline.text.emoji import emoji_list

_IGNORED = str.maketrans(dict.fromkeys(" \t\n.,!?…\"'’‘“”-–—_*#@`\ufe0f"))
# Brackets and colons count: they are what tells :) from :(
_NUMBERS = re.compile(r"\d+")
_MASKS = re.compile(r"@user|\bhttp\b")


def key(text: str) -> str:
    """What makes two normalised texts the same: letters (case folded), digits, signs and emoji.

    Spaces, punctuation and the masks of names and links do not count: copies of a post often differ in just those.
    """
    return _MASKS.sub("", text).casefold().translate(_IGNORED) or text


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
