"""Domain shift: how far the way of writing in each corpus is from general text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.corpora.corpus import Corpus
from pipeline.text.cleaning import MASK, without_masks
from pipeline.text.emoji import emoji_list
from pipeline.text.words import words

TOP = 10_000
_SHOWN = 15
_ELONGATED = re.compile(r"([^\W\d_])\1\1")
_CAPITALS = re.compile(r"\b[A-Z]\w*[A-Z]\b")


def shift(corpora: Sequence[Corpus]) -> dict[str, dict[str, Any]]:
    """For each corpus of texts, its habits of writing and how much of its vocabulary general text knows.

    ``vocabulary_overlap``: share of word tokens whose word stands anywhere in the general corpora.
    ``vocabulary_overlap_types``: the same over different words. ``top_words_overlap``: share of the commonest 10,000
    words of both that they have in common (Gururangan et al. 2020, section 3). None without a general corpus.
    The masks ``@user`` and ``http`` are no words here.
    """
    texts = {corpus.card.name: corpus.texts() for corpus in corpora if corpus.card.role != "pairs"}
    vocabulary = {name: counted(found.column("text")) for name, found in texts.items()}
    general: Counter[str] = Counter()
    for corpus in corpora:
        if corpus.card.role == "general":
            general += vocabulary[corpus.card.name]
    return {
        corpus.card.name: habits(texts[corpus.card.name].column("text"), vocabulary[corpus.card.name])
        | (overlap(vocabulary[corpus.card.name], general) if corpus.card.role != "general" else {})
        for corpus in corpora
        if corpus.card.name in texts
    }


def counted(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in texts; masks are no words."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(words(without_masks(text, by=" ")))
    return found


def habits(texts: Iterable[str], own: Mapping[str, int]) -> dict[str, float]:
    """How people write here, from texts and their words (word -> count): rates per text, shares of words, means."""
    emoji: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for text in texts:
        some = emoji_list(text)
        emoji.update(some)
        found.update(texts=1, with_emoji=bool(some), capitals=_capitals(text), masks=len(MASK.findall(text)))
    count = max(1, found["texts"])
    tokens = max(1, sum(own.values()))
    return {
        "texts": found["texts"],
        "mean_words": sum(own.values()) / count,
        "emoji_rate": found["with_emoji"] / count,
        "emoji_per_text": emoji.total() / count,
        "different_emoji": len(emoji),
        "elongated_words": sum(often for word, often in own.items() if _ELONGATED.search(word)) / tokens,
        "capital_words": found["capitals"] / tokens,
        "masks_per_text": found["masks"] / count,
    }


def overlap(own: Mapping[str, int], general: Mapping[str, int]) -> dict[str, Any]:
    """How much of a vocabulary (word -> count) general text knows; None for each figure where there is none."""
    if not general:
        return {"vocabulary_overlap": None, "vocabulary_overlap_types": None, "top_words_overlap": None}
    known = sum(count for word, count in own.items() if word in general)
    top = min(TOP, len(own), len(general))
    strange = [word for word in _commonest(own, len(own)) if word not in general]
    return {
        "vocabulary_overlap": known / max(1, sum(own.values())),
        "vocabulary_overlap_types": sum(word in general for word in own) / max(1, len(own)),
        "top_words_overlap": len({*_commonest(own, top)} & {*_commonest(general, top)}) / max(1, top),
        "commonest_unknown_words": " ".join(strange[:_SHOWN]),
    }


def _capitals(text: str) -> int:
    """Words of at least two letters, all of them capitals."""
    return sum(word.isalpha() and word.isupper() for word in _CAPITALS.findall(text))


def _commonest(counts: Mapping[str, int], most: int) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))[:most]
