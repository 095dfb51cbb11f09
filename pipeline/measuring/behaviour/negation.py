"""Minimal pairs that differ in one word: "The food was good." and "The food was not good."

The third sentence of each, "The food was really good.", is the control: a word more, and nothing to turn. After the
negation tests of Ribeiro et al. 2020, section 2. Sentences about one word are much alike, so words are the items: each
counts by the share of its sentences, and the interval is Wilson's of as many trials as there are words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.common.labels import LABELS
from pipeline.measuring.behaviour.asked import Behaviour, Classify, Review
from pipeline.measuring.statistics.bootstrap import Figure, share

SUBJECTS = ("food", "service", "delivery", "quality", "phone", "room")
PRAISE = ("good", "great", "nice", "excellent", "perfect", "wonderful", "amazing", "fantastic", "beautiful", "lovely")
BLAME = ("bad", "terrible", "awful", "horrible", "poor", "disappointing", "useless", "disgusting", "annoying", "ugly")


class Opinion(NamedTuple):
    """One opinion on one subject, said in three ways."""

    word: str
    side: int
    plain: str
    negated: str
    stressed: str


OPINIONS = tuple(
    Opinion(word, LABELS.index(side), *(f"The {subject} was {how}{word}." for how in ("", "not ", "really ")))
    for side, words in (("positive", PRAISE), ("negative", BLAME))
    for word in words
    for subject in SUBJECTS
)


def measure(classify: Classify, _reviews: Sequence[Review], _seed: int) -> Mapping[str, Figure]:
    """Shares of sentences.

    - ``plain``: of all, those that get the class that their word says. The others are not asked further: there is
      nothing to turn.
    - ``praise``, ``blame``: of those of each side, the ones whose class "not" changed.
    - ``control``: those whose class "really" did not change.
    """
    texts = [text for one in OPINIONS for text in (one.plain, one.negated, one.stressed)]
    called = dict(zip(texts, classify(texts), strict=True))
    right = [one for one in OPINIONS if called[one.plain] == one.side]
    turned = {side: [(one, called[one.negated] != one.side) for one in right if LABELS[one.side] == side]
              for side in ("positive", "negative")}  # fmt: skip
    return {
        "plain": _by_word((one, called[one.plain] == one.side) for one in OPINIONS),
        "praise": _by_word(turned["positive"]),
        "blame": _by_word(turned["negative"]),
        "control": _by_word((one, called[one.stressed] == one.side) for one in right),
    }


def _by_word(found: Iterable[tuple[Opinion, bool]]) -> Figure:
    words: dict[str, list[bool]] = {}
    for one, true in found:
        words.setdefault(one.word, []).append(true)
    return share([float(np.mean(each)) for each in words.values()])


BEHAVIOUR = Behaviour(
    "Negation",
    f"{len(PRAISE)} words of praise and {len(BLAME)} of blame, each of {len(SUBJECTS)} subjects: "
    f'"{OPINIONS[0].plain}", "{OPINIONS[0].negated}", "{OPINIONS[0].stressed}" Of sentences '
    "that were called right without the word; higher is better everywhere. Intervals are over words.",
    {
        "plain": "called right, %",
        "praise": "praise: another class after not, %",
        "blame": "blame: another class after not, %",
        "control": "the same class after really, %",
    },
    measure,
)
