"""The audit: which texts stand twice, within a split and across splits and corpora, and which of them must go.

The training side gives way. Adaptation text (informal) and general text give way to every review that is held out;
train gives way to dev and test, and dev to test, of all corpora with the same role. A corpus scored by cross-validation
is both: it gives way to what is held out for good, and train gives way to it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.corpora.corpus import Corpus
from pipeline.corpora.duplicates import Keys, near_pairs, numbered, telling
from pipeline.corpora.passages import contained
from pipeline.corpora.splits import MUCH
from pipeline.corpora.texts import NO_LABEL, Texts, joined

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
    """Two numbers of texts that are the same or nearly so; the first may hold the second (a passage in a document)."""

    first: int
    second: int
    similarity: float


@dataclass
class Crossing:
    """What two sides share, seen from the held-out one."""

    exact: set[int] = field(default_factory=set)
    near: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    """Rows of the training side."""
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
    holders = _Holders(corpora)
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


class _Holders:
    """Which sides hold a text, and in which rows: positions among the texts of all corpora, one after the other."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        parts = [(corpus, split) for corpus in corpora for split in corpus.splits]
        self._sides = [
            Side(corpus.card.name, corpus.card.role, FOLDED if corpus.folds > 1 else split) for corpus, split in parts
        ]
        self._texts = joined([corpus.splits[split] for corpus, split in parts])
        lengths = [len(corpus.splits[split]) for corpus, split in parts]
        self._side = np.repeat(np.arange(len(parts)), lengths).astype(np.int16)
        self._number, self._labels = numbered(self._texts), self._texts.labels()
        self._order = np.argsort(self._number, kind="stable")
        self._starts = np.searchsorted(self._number[self._order], np.arange(len(self) + 1))

    def __len__(self) -> int:
        return int(self._number.max(initial=-1)) + 1

    def __getitem__(self, number: int) -> dict[Side, list[int]]:
        found: dict[Side, list[int]] = {}
        for row in self._order[self._starts[number] : self._starts[number + 1]].tolist():
            found.setdefault(self._sides[self._side[row]], []).append(row)
        return found

    def labels(self, rows: Sequence[int]) -> set[int]:
        return set(self._labels[rows].tolist())

    def text(self, row: int) -> str:
        return str(self._texts.cell("text", row))

    def telling(self, number: int) -> Any:
        return telling(self.text(int(self._order[self._starts[number]])))

    def twice(self) -> list[int]:
        """Texts that stand on two sides."""
        _, of = np.unique([self._sides.index(side) for side in self._sides], return_inverse=True)
        pairs = np.unique(self._number * len(self._sides) + of[self._side])
        numbers, sides = np.unique(pairs // max(1, len(self._sides)), return_counts=True)
        return list(map(int, numbers[sides > 1]))

    def where(self, asked: Callable[[Side], bool]) -> tuple[NDArray[np.int64], Texts]:
        """Texts that a side holds of which something is asked: their numbers, and the first row of each."""
        held = np.array([asked(side) for side in self._sides], np.bool_)[self._side]
        numbers = np.unique(self._number[held])
        rows = np.sort(self._order[self._starts[numbers]])
        return self._number[rows], self._texts.take(rows)


def _links(holders: _Holders, threshold: float) -> Iterator[Link]:
    """All texts that stand on two sides, pairs of short texts that are nearly the same, passages in documents."""
    yield from (Link(same, same, 1.0) for same in holders.twice())
    numbers, short = holders.where(lambda side: side.role != "general")
    keys = Keys(short)
    for pair in near_pairs(keys, threshold, by=keys.__getitem__):
        yield Link(int(numbers[pair.first]), int(numbers[pair.second]), pair.similarity)
    long, documents = holders.where(lambda side: side.role == "general" and side.split != "test")
    held, held_out = holders.where(lambda side: side.role != "informal" and side.split != "train")
    if documents:
        for at, of, share in contained(documents.column("text"), held_out.column("text"), threshold):
            if long[at] != held[of]:
                yield Link(int(long[at]), int(held[of]), share)


def _record_within(link: Link, holders: _Holders, within: dict[str, Counter[str]]) -> None:
    one, other = holders[link.first], holders[link.second]
    for side in one.keys() & other.keys():
        if _same_text(link, side, side, holders):
            counts = within.setdefault(str(side), Counter())
            counts["near_duplicate_pairs"] += 1
            counts["near_duplicate_pairs_with_two_labels"] += len(holders.labels(one[side] + other[side])) > 1


def _record(link: Link, holders: _Holders, crossings: dict[tuple[Side, Side], Crossing]) -> None:
    for mine, theirs in {(link.first, link.second), (link.second, link.first)}:
        held = holders[theirs]
        for training, rows in holders[mine].items():
            for held_out, others in held.items():
                if (
                    gives_way(training, held_out)
                    and _same_text(link, training, held_out, holders)
                    and (mine == theirs or _may_be_one(holders.labels(rows), holders.labels(others)))
                ):
                    crossing = crossings[training, held_out]
                    (crossing.exact if mine == theirs else crossing.near).add(theirs)
                    crossing.removed.update(rows)
                    crossing.examples.append((link.similarity, holders.text(others[0])))


def _same_text(link: Link, one: Side, other: Side, holders: _Holders) -> bool:
    """Reviews that differ in emoji, numbers or negation are not the same, however alike their words.

    😡 for 😍 turns the label, ``1 star`` for ``5 stars``, and a ``not``; elsewhere only the words count.
    """
    if link.first == link.second or {one.role, other.role} != {"reviews"}:
        return True
    return bool(holders.telling(link.first) == holders.telling(link.second))


def _may_be_one(labels: set[int], others: set[int]) -> bool:
    """Whether texts that are nearly the same may be one by their labels; where there are none, they say nothing.

    Under another label a text gives no answer away, and may teach what little it is that turns it.
    """
    return bool(labels & others) or NO_LABEL in labels | others


def _remove(corpora: Sequence[Corpus], crossings: Mapping[tuple[Side, Side], Crossing]) -> None:
    gone = np.array(sorted(set().union(*(crossing.removed for crossing in crossings.values()))), np.int64)
    begin = 0
    for corpus in corpora:
        for split, texts in corpus.splits.items():
            own = gone[(begin <= gone) & (gone < begin + len(texts))] - begin
            begin += len(texts)
            corpus.splits[split] = texts.take(np.setdiff1d(np.arange(len(texts)), own))
            corpus.dropped["leak"] += len(own)
            if len(own) > MUCH * len(texts):
                _LOG.warning(
                    "%s: %d of %d texts in %s are (nearly) the same as held-out ones and were removed; see audit.json",
                    *(corpus.card.name, len(own), len(texts), split),
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
