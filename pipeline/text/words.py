"""The words of a text, and what it shows that models trip over: negation, elongation, its length, emoji, questions.

Words are for counting: runs of letters, case folded, apostrophes inside kept. Traits are read from a text as
``normalise`` leaves it, emoji in place: quotes are straight, ``sooooo`` is ``sooo``.
"""

from __future__ import annotations

import re

from pipeline.text.emoji import has_emoji

_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Chinese and Japanese, which put no blanks between words: each sign counts as one, as BERT reads them."""
_WORD = re.compile(rf"[{_SIGNS}]|[^\W\d_{_SIGNS}]+(?:'[^\W\d_{_SIGNS}]+)*")
TRAITS = ("emoji", "short", "middle", "long", "negation", "elongation", "question", "exclamation")
SHORT, LONG = 10, 20
"""A text of fewer than 10 words is short, one of 20 or more is long: about a third each of reviews and posts."""
_NEGATIONS = """
    never no nothing nowhere noone none not havent hasnt hadnt cant couldnt shouldnt wont wouldnt dont doesnt didnt isnt
    arent aint cannot wasnt werent nobody neither nor without hardly barely scarcely seldom rarely
"""
NEGATIONS = frozenset(_NEGATIONS.split())
"""Words that negate, beside all in n't: up to ``aint`` those of Potts 2011 (Sentiment Symposium Tutorial, "Negation"),
who counts what posts spell without an apostrophe; then what he leaves out, approximate negators among them (Huddleston
& Pullum 2002, The Cambridge Grammar of the English Language, chapter 9)."""
_THRICE = re.compile(r"([^\W\d_])\1\1")


def words(text: str) -> list[str]:
    """``Don't panic, it's 2 EASY!`` is ``don't panic it's easy``."""
    return _WORD.findall(text.casefold())


def negators(text: str) -> list[str]:
    """The words of a normalised text that negate, in order: ``I don't, never`` has ``don't`` and ``never``."""
    return [word for word in words(text) if _negates(word)]


def traits(text: str) -> frozenset[str]:
    """Those of ``TRAITS`` that a normalised text has; exactly one of short, middle and long is among them."""
    found = words(text)
    length = "short" if len(found) < SHORT else "long" if len(found) >= LONG else "middle"
    shows = {
        "emoji": has_emoji(text),
        "negation": any(map(_negates, found)),
        "elongation": any(_elongated(word) for word in found),
        "question": "?" in text,
        "exclamation": "!" in text,
    }
    return frozenset({length} | {trait for trait, shown in shows.items() if shown})


def _negates(word: str) -> bool:
    return word in NEGATIONS or word.endswith("n't")


def _elongated(word: str) -> bool:
    """A letter three times running beside another letter: ``sooo``, but neither ``AAA`` (batteries) nor ``www``."""
    return len(set(word)) > 1 and _THRICE.search(word) is not None
