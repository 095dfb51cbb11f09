"""The same text with another emoji, without it, or with it elsewhere: what a model that understands emoji must notice.

Kaushik, Hovy & Lipton 2020, "Learning the Difference that Makes a Difference with Counterfactually-Augmented Data":
change one thing whose effect people know, and see whether the prediction follows. All texts here are a pure function
of (text, seed).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import emoji

from pipeline.measuring.emoji.reference import one_form
from pipeline.text.emoji import TYPOGRAPHY, emoji_list

UNMISTAKABLE = {1: ("😍", "❤️", "👍", "🎉"), -1: ("😡", "👎", "💔", "🤮")}
"""Emoji that nobody puts on the other side; those that are swapped in and appended. 😭, 😂, 🔥 and 💀 are not among
them, as people use them for praise and blame alike: the Emoji Sentiment Ranking has 😭 at -0.09."""
CLEAR = 0.5
"""An emoji has a side if the mean label (-1 to 1) of its training reviews is at least this far from 0. Half of them
positive and half neutral is just enough."""

KINDS = ("text", "words", "swapped", "moved", "appended")
"""The keys of a row (``variants``) that hold texts."""

Span = tuple[int, int]


def sides(polarity: Mapping[str, float]) -> dict[str, int]:
    """1 or -1 for each emoji whose side is clear: ``UNMISTAKABLE`` ones, and those with a ``polarity`` of ``CLEAR``.

    Args:
        polarity: from -1 to 1, of training texts (``reference.from_reviews``), never of the model in question.
    """
    known = {name: 1 if value > 0 else -1 for name, value in polarity.items() if abs(value) >= CLEAR}
    return known | {name: side for side, names in UNMISTAKABLE.items() for name in names}


def variants(texts: Sequence[str], known: Mapping[str, int], *, seed: int) -> list[dict[str, Any]]:
    """The counterfactual texts of each text, None where there can be none.

    Returns:
        One row a text:

        - ``text``: as it is;
        - ``words``: all emoji deleted; None where no word is left;
        - ``side``: 1 or -1 where all emoji with a known side agree, else None;
        - ``swapped``: with a ``side``, each of the emoji with a known side replaced by one unmistakable emoji of the
          other side; the rest stays;
        - ``moved``: one run of emoji, drawn, taken to another place between the words, drawn;
        - ``appended``: the words with an unmistakable emoji of each side at their end, by side (positive first).
    """
    return [_of(text, known, random.Random(f"{seed}\n{text}")) for text in texts]


def texts_of(made: Sequence[Mapping[str, Any]]) -> list[str]:
    """The texts in rows of ``variants``, each once, for a model to answer; rows may lack some of ``KINDS``."""
    every = (text for row in made for kind in KINDS if (text := row.get(kind)))
    return list(dict.fromkeys(one for text in every for one in ([text] if isinstance(text, str) else text)))


def answered(made: Sequence[Mapping[str, Any]], answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of ``variants`` with a model's answer in place of each text; ``side``, and None for no text, stay."""

    def answer(text: Any) -> Any:
        if text is None:
            return None
        return [answers[one] for one in text] if isinstance(text, list) else answers[text]

    return [{"side": row["side"], **{kind: answer(row[kind]) for kind in KINDS}} for row in made]


def _of(text: str, known: Mapping[str, int], draw: random.Random) -> dict[str, Any]:
    found = {known[one] for one in map(one_form, emoji_list(text)) if one in known}
    side = found.pop() if len(found) == 1 else None
    words = _without(text, _runs(text))
    chosen = {side: draw.choice(names) for side, names in UNMISTAKABLE.items()}
    return {
        "text": text,
        "words": words or None,
        "side": side,
        "swapped": _swap(text, known, chosen[-side]) if side else None,
        "moved": _move(text, draw),
        "appended": [f"{words} {chosen[side]}" for side in (1, -1)] if words else None,
    }


def _swap(text: str, known: Mapping[str, int], other: str) -> str:
    swapped: str = emoji.replace_emoji(text, lambda one, _: other if one_form(one) in known else one)
    return swapped


def _move(text: str, draw: random.Random) -> str | None:
    runs = _runs(text)
    if not runs:
        return None
    start, end = draw.choice(runs)
    home = len(text[:start].split())
    rest = [*text[:start].split(), *text[end:].split()]
    places = [place for place in range(len(rest) + 1) if place != home]
    if not places:
        return None
    place = draw.choice(places)
    return " ".join([*rest[:place], text[start:end], *rest[place:]])


def _runs(text: str) -> list[Span]:
    """Where emoji stand; those with nothing but white space between them are one run."""
    runs: list[Span] = []
    for match in emoji.emoji_list(text):
        if match["emoji"] in TYPOGRAPHY:
            continue
        start, end = match["match_start"], match["match_end"]
        if runs and not text[runs[-1][1] : start].strip():
            start = runs.pop()[0]
        runs.append((start, end))
    return runs


def _without(text: str, runs: Sequence[Span]) -> str:
    starts = [0, *(end for _, end in runs)]
    ends = [*(start for start, _ in runs), len(text)]
    return " ".join(" ".join(text[start:end] for start, end in zip(starts, ends, strict=True)).split())
