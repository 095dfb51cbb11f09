"""When two texts are the same, and what to do with those that stand twice in one place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.text.corpora import Text

_IGNORED = str.maketrans(dict.fromkeys(" \t\n.,!?…\"'’‘“”-–—_*#@`\ufe0f"))
# Brackets and colons count: they are what tells :) from :(
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


def without(texts: Sequence[Text], gone: Iterable[Text]) -> list[Text]:
    """The texts less some of them, order kept."""
    ids = {text.id for text in gone}
    return [text for text in texts if text.id not in ids]
