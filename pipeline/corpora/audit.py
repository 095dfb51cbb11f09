"""The audit: which texts stand twice, within a split and across splits and corpora, and which of them must go.

The training side gives way. Adaptation text (informal) and general text give way to every review that is held out;
train gives way to dev and test, and dev to test, of all corpora with the same role. A corpus scored by cross-validation
is both: it gives way to what is held out for good, and train gives way to it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.corpora.corpus import Corpus, Text
from pipeline.corpora.duplicates import key, near_pairs, telling
from pipeline.corpora.passages import contained
from pipeline.corpora.splits import MUCH

_ROLES = ("informal", "general", "reviews")
FOLDED = "folds"
"""The one side of a corpus that is scored by cross-validation: every text is trained on, and tested."""
_SPLITS = ("train", FOLDED, "dev", "test")
_EXAMPLES = 3
_LOG = logging.getLogger(__name__)
_EXAMPLE_CHARACTERS = 120


class Side(NamedTuple):
    """One split of one corpus."""

    corpus: str
    role: str
    split: str
    """train, dev or test, or all folds together."""

    def __str__(self) -> str:
        return f"{self.corpus}/{self.split}"


class Link(NamedTuple):
    """Two keys that are the same text or nearly so; the first side may hold the second (a passage in a document)."""

    first: str
    second: str
    similarity: float


@dataclass
class Crossing:
    """What two sides share, seen from the held-out one."""

    exact: set[str] = field(default_factory=set)
    near: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    """Ids of the training side's rows."""
    examples: list[tuple[float, str]] = field(default_factory=list)


def gives_way(training: Side, held_out: Side) -> bool:
    """Whether a text of the first side must go because the second has it."""
    if training.split == held_out.split == FOLDED and training.role == held_out.role:
        return training.corpus > held_out.corpus  # of two such corpora one must: the later one by name
    return held_out.split != "train" and _standing(training) < _standing(held_out)


def _standing(side: Side) -> tuple[int, int]:
    return _ROLES.index(side.role), _SPLITS.index(side.split)


def audit(corpora: Sequence[Corpus], threshold: float) -> dict[str, Any]:
    """Find duplicates, near-duplicates and leaks; remove the leaks from the training side, in place; describe it all.

    Args:
        corpora: split already. Their splits lose the leaks, their ``dropped`` counts them.
        threshold: Jaccard similarity of character 4-grams (texts), or share of a held-out text's word 5-grams that a
            document holds, from which on two texts count as nearly the same.

    Returns:
        ``within``: by split, what stands twice in it (and stays, in a dev or test split that was given); ``across``:
        by pair of splits, how many texts of the held-out one the other holds, and how many rows it lost for that.
    """
    holders = _holders(corpora)
    within: dict[str, Counter[str]] = {}
    for corpus in corpora:
        within |= {f"{corpus.card.name}/{part}": counts.copy() for part, counts in corpus.doubles.items()}
    crossings: dict[tuple[Side, Side], Crossing] = defaultdict(Crossing)
    for link in _links(holders, threshold):
        if link.first != link.second:
            _record_within(link, holders, within)
        _record(link, holders, crossings)
    _remove(corpora, crossings)
    told = {
        what: {corpus.card.name: dict(sorted(counts.items())) for corpus, counts in counted if counts}
        for what, counted in (
            ("mended", [(corpus, corpus.mended) for corpus in corpora]),
            ("unknown", [(corpus, corpus.unknown) for corpus in corpora]),
        )
    }
    return {
        **{what: counts for what, counts in told.items() if counts},
        "near_duplicate_threshold": threshold,
        "different_texts_compared": len(holders),
        "rows_removed": len({row for crossing in crossings.values() for row in crossing.removed}),
        "within": {
            part: {what: count for what, count in counts.items() if count}
            for part, counts in sorted(within.items())
            if counts.total()
        },
        "across": {
            f"{training} <-> {held_out}": _described(crossings[training, held_out])
            for training, held_out in sorted(crossings)
        },
    }


def _holders(corpora: Sequence[Corpus]) -> dict[str, dict[Side, list[Text]]]:
    """Which sides hold the text of a key, and their rows."""
    found: dict[str, dict[Side, list[Text]]] = {}
    for corpus in corpora:
        for split, texts in corpus.splits.items():
            side = Side(corpus.card.name, corpus.card.role, FOLDED if corpus.folds > 1 else split)
            for text in texts:
                found.setdefault(key(text.text), {}).setdefault(side, []).append(text)
    return found


def _links(holders: Mapping[str, Mapping[Side, list[Text]]], threshold: float) -> Iterator[Link]:
    """All texts that stand on two sides, pairs of short texts that are nearly the same, passages in documents."""
    yield from (Link(same, same, 1.0) for same, sides in holders.items() if len(sides) > 1)
    short = sorted(same for same, sides in holders.items() if any(side.role != "general" for side in sides))
    for pair in near_pairs(short, threshold):
        yield Link(short[pair.first], short[pair.second], pair.similarity)
    documents = [same for same, sides in holders.items() if any(_is_training_document(side) for side in sides)]
    held_out = [same for same, sides in holders.items() if any(_is_protected(side) for side in sides)]
    texts = {same: next(iter(holders[same].values()))[0].text for same in {*documents, *held_out}}
    found = contained([texts[same] for same in documents], [texts[same] for same in held_out], threshold)
    yield from (Link(documents[at], held_out[of], share) for at, of, share in found if documents[at] != held_out[of])


def _is_training_document(side: Side) -> bool:
    return side.role == "general" and side.split != "test"


def _is_protected(side: Side) -> bool:
    return side.role != "informal" and side.split != "train"


def _record_within(
    link: Link, holders: Mapping[str, Mapping[Side, list[Text]]], within: dict[str, Counter[str]]
) -> None:
    for side in holders[link.first].keys() & holders[link.second].keys():
        if _same_text(link, side, side):
            counts = within.setdefault(str(side), Counter())
            counts["near_duplicate_pairs"] += 1
            labels = {text.label for half in (link.first, link.second) for text in holders[half][side]}
            counts["near_duplicate_pairs_with_two_labels"] += len(labels) > 1


def _record(
    link: Link,
    holders: Mapping[str, Mapping[Side, list[Text]]],
    crossings: dict[tuple[Side, Side], Crossing],
) -> None:
    for mine, theirs in {(link.first, link.second), (link.second, link.first)}:
        for training in holders[mine]:
            for held_out in holders[theirs]:
                if gives_way(training, held_out) and _same_text(link, training, held_out):
                    crossing = crossings[training, held_out]
                    (crossing.exact if mine == theirs else crossing.near).add(theirs)
                    crossing.removed.update(text.id for text in holders[mine][training])
                    crossing.examples.append((link.similarity, holders[theirs][held_out][0].text))


def _same_text(link: Link, one: Side, other: Side) -> bool:
    """Reviews that differ in emoji or numbers are not the same, however alike their words.

    😡 for 😍 turns the label, and ``1 star`` for ``5 stars``; elsewhere only the words count.
    """
    if link.first == link.second or {one.role, other.role} != {"reviews"}:
        return True
    return telling(link.first) == telling(link.second)


def _remove(corpora: Sequence[Corpus], crossings: Mapping[tuple[Side, Side], Crossing]) -> None:
    gone = set().union(*(crossing.removed for crossing in crossings.values()))
    for corpus in corpora:
        for split, texts in corpus.splits.items():
            corpus.splits[split] = [text for text in texts if text.id not in gone]
            lost = len(texts) - len(corpus.splits[split])
            corpus.dropped["leak"] += lost
            if lost > MUCH * len(texts):
                _LOG.warning(
                    "%s: %d of %d texts in %s are (nearly) the same as held-out ones and were removed; see audit.json",
                    *(corpus.card.name, lost, len(texts), split),
                )


def _described(crossing: Crossing) -> dict[str, Any]:
    least: dict[str, float] = {}
    for similarity, text in crossing.examples:
        least[text] = min(similarity, least.get(text, 1.0))
    shown = sorted(least.items(), key=lambda example: (example[1], example[0]))[:_EXAMPLES]
    return {
        "held_out_texts": len(crossing.exact | crossing.near),
        "exact": len(crossing.exact),
        "near": len(crossing.near - crossing.exact),
        "rows_removed": len(crossing.removed),
        "examples": [f"{text[:_EXAMPLE_CHARACTERS]} ({similarity:.2f})" for text, similarity in shown],
    }
