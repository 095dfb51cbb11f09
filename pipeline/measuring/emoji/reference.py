"""What people mean by an emoji, from -1 (negative) to 1 (positive): by the Emoji Sentiment Ranking, or by the reviews.

Kralj Novak, Smailović, Sluban & Mozetič 2015, "Sentiment of Emojis" (PLOS ONE): 751 emoji, rated in 70,000 tweets by
83 annotators. The reviews are the stand-in where the ranking is not at hand. They are weaker: few emoji, and a model
tuned on those very reviews has seen their labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import emoji

from pipeline.common.errors import InputError
from pipeline.common.labels import LABEL_TO_ID
from pipeline.corpora.readers import read_rows
from pipeline.text.emoji import emoji_list

SIGNS = {"Negative": -1, "Neutral": 0, "Positive": 1}
"""Columns of the ranking that count tweets, and what one tweet of each is worth."""

_DRESS = re.compile("[\ufe0f\U0001f3fb-\U0001f3ff]")
"""What may follow an emoji without making it another: the selector that asks for a picture, and skin tones."""
_QUALIFIED: dict[str, str] = {
    _DRESS.sub("", name): name
    for name, data in emoji.EMOJI_DATA.items()
    if data["status"] == emoji.STATUS["fully_qualified"] and not re.search("[\U0001f3fb-\U0001f3ff]", name)
}


def one_form(character: str) -> str:
    """The form under which an emoji is counted: ❤ and ❤️ are ❤️, and 👏🏿 is 👏, as a skin tone says nothing."""
    return _QUALIFIED.get(_DRESS.sub("", character), character)


def ranking(path: Path, at_least: int = 100) -> dict[str, float]:
    """(positive - negative) / occurrences of each emoji that occurs ``at_least`` times, the commonest first.

    Signs that are no emoji today (★, ►, │) are left out.

    Args:
        path: ``Emoji_Sentiment_Data_v1.0.csv`` as its authors published it.

    Raises:
        InputError: the file is not there, or it is another one.
    """
    place = f"emoji ranking {path.name}"
    found: dict[str, tuple[int, float]] = {}
    for number, row in read_rows(path, place):
        count, score = _rated(row, f"{place}, row {number}")
        name = one_form(row["Emoji"])
        if count >= at_least and emoji_list(name) == [name]:
            found[name] = max(found.get(name, (0, 0.0)), (count, score))
    if not found:
        raise InputError(f"{place}: no emoji occurs {at_least} times; fetch Emoji_Sentiment_Data_v1.0.csv again")
    return {name: found[name][1] for name in sorted(found, key=lambda name: (-found[name][0], name))}


def _rated(row: Mapping[str, str], place: str) -> tuple[int, float]:
    """Occurrences and score of one row; refuses what the ranking cannot hold."""
    lacking = [name for name in ("Emoji", "Occurrences", *SIGNS) if name not in row]
    if lacking:
        raise InputError(f"{place}: no column {lacking[0]}; give Emoji_Sentiment_Data_v1.0.csv as it was published")
    try:
        count, tweets = int(row["Occurrences"]), {name: int(row[name]) for name in SIGNS}
    except ValueError:
        raise InputError(f"{place}: a count is no whole number; fetch the file again") from None
    if count < 1 or min(tweets.values()) < 0 or sum(tweets.values()) != count:
        raise InputError(f"{place}: {', '.join(SIGNS)} do not add up to Occurrences; fetch the file again")
    return count, sum(SIGNS[name] * tweets[name] for name in SIGNS) / count


def labels_by_emoji(texts: Iterable[str], labels: Iterable[int]) -> dict[str, list[int]]:
    """Labels (negative -1, neutral 0, positive 1) of the texts with each emoji.

    Args:
        texts: training texts only, as those of the test split are what is to be predicted.
    """
    seen: dict[str, list[int]] = defaultdict(list)
    for text, label in zip(texts, labels, strict=True):
        for name in sorted({one_form(one) for one in emoji_list(text)}):
            seen[name].append(label - LABEL_TO_ID["neutral"])
    return dict(seen)


def from_reviews(seen: Mapping[str, Sequence[int]], at_least: int = 5) -> dict[str, float]:
    """Mean label of the texts with an emoji, the commonest emoji first; those in fewer texts are left out."""
    often = sorted((name for name in seen if len(seen[name]) >= at_least), key=lambda name: (-len(seen[name]), name))
    return {name: sum(seen[name]) / len(seen[name]) for name in often}
