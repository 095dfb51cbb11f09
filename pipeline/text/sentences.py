"""Sentences cut out of running text, each with a twin in which two neighbouring words have changed places.

The twin is the "bigram shift" of Conneau et al. 2018, "What you can cram into a single $&!#* vector: Probing sentence
embeddings for linguistic properties", section 2.2: whoever tells the two apart knows something of word order.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

SHORTEST, LONGEST = 5, 40
"""Words in a sentence that is worth asking about."""
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+")
_ABBREVIATED = re.compile(
    r"(?:\b[A-Za-z]|\b(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|approx|no|vol|fig|ca|e\.g|i\.e))\.$", re.I
)


def split_sentences(text: str) -> list[str]:
    """Cut at a full stop, question or exclamation mark before white space, but not after initials and abbreviations."""
    found, start = [], 0
    for end in _END.finditer(text):
        if not _ABBREVIATED.search(text[start : end.start()]):
            found.append(text[start : end.end()].strip())
            start = end.end()
    return [sentence for sentence in (*found, text[start:].strip()) if sentence]


def shuffle_bigram(sentence: str) -> str | None:
    """The sentence with two neighbouring words swapped; which ones is drawn from nothing but the sentence.

    The first and the last word stay, and so does whatever touches punctuation or has a capital: those would tell
    without any grammar. None where no two neighbours are left, or they are the same word.
    """
    words = sentence.split()
    places = [
        place
        for place in range(1, len(words) - 2)
        if all(word.isalpha() and word.islower() for word in words[place : place + 2])
        and words[place] != words[place + 1]
    ]
    if not places:
        return None
    place = random.Random(hashlib.sha256(sentence.encode()).digest()).choice(places)
    words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def with_twins(corpus: str, texts: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Every sentence of the texts, given as (id, text), that has a twin; once each.

    Yields:
        ``{"id", "corpus", "text", "shuffled", "words"}``; ``words`` is how many it has, 5 to 40.
    """
    seen = set()
    for document, whole in texts:
        for place, sentence in enumerate(split_sentences(whole)):
            text = " ".join(sentence.split())
            words = len(text.split())
            twin = shuffle_bigram(text) if SHORTEST <= words <= LONGEST and text not in seen else None
            if twin is not None:
                seen.add(text)
                yield {"id": f"{document}#{place}", "corpus": corpus, "text": text, "shuffled": twin, "words": words}
