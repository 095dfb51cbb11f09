"""Train, dev and test, or folds, by a seeded hash of each text: no chance, no order of rows, no state.

A text's rank depends on the text and the seed alone, so it falls on the same side again when rows are added around it
(but for the few at the borders), and equal texts can never be torn apart.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.common.printable import many
from pipeline.corpora.cards import Split
from pipeline.corpora.corpus import FEWEST, Corpus
from pipeline.corpora.duplicates import commonest, near_twins, twins
from pipeline.corpora.texts import NONE, Texts

MUCH = 0.1
"""Share of a corpus, or of a split, above which a loss is said aloud."""
_LOG = logging.getLogger(__name__)


SPLITS_OF: dict[str, tuple[Split, ...]] = {
    "reviews": ("train", "dev", "test"),
    "informal": ("train", "dev"),
    "general": ("train", "dev", "test"),
    "pairs": ("test",),
}
"""The files that a corpus of each role is written to; one may be empty."""


def rank(text: str, seed: int) -> bytes:
    """Where a text stands in the seeded order: 32 bytes, uniform over texts."""
    return hashlib.sha256(f"{seed}\n{text}".encode()).digest()


def _ordered(texts: Texts, seed: int) -> Iterator[NDArray[np.int64]]:
    """The positions of each class's texts, in the seeded order."""
    ranks = np.fromiter((rank(text, seed) for text in texts.column("text")), "S32", len(texts))
    order, labels = np.argsort(ranks, kind="stable"), texts.labels()
    for label in np.unique(labels):
        yield order[labels[order] == label]


def cut(texts: Texts, shares: Mapping[Split, float], seed: int) -> dict[Split, Texts]:
    """Split texts so that every class has its exact share (rounded) in each part; the rest is ``train``.

    Args:
        texts: equal ones (same ``text``) must have been dropped before.
        shares: of the parts to cut off, such as ``{"test": 0.2, "dev": 0.1}``, in that order.
        seed: of the hash.

    Returns:
        Each part in the order of ``texts``. Every class keeps at least one text in train.
    """
    side = np.zeros(len(texts), np.int8)
    for ordered in _ordered(texts, seed):
        at = 0
        for number, share in enumerate(shares.values(), start=1):
            until = min(at + round(share * len(ordered)), len(ordered) - 1)
            side[ordered[at:until]] = number
            at = until
    names: tuple[Split, ...] = ("train", *shares)
    return {split: texts.take(side == number) for number, split in enumerate(names)}


def thin(corpus: Corpus, share: float, seed: int) -> None:
    """Keep a share of the texts of each split and class (rounded up), those that come first in an order by hash.

    The rest is dropped, in place, as ``not in the share``. Pairs are kept, and general text: a bound on what is kept of
    general English takes documents, and a fifth of a few hundred would leave it none.
    Raises InputError if a class of reviews is left with fewer than ``FEWEST`` rows.
    """
    if share == 1 or corpus.card.role == "general":
        return
    for split, texts in corpus.splits.items():
        kept = np.zeros(len(texts), np.bool_)
        for ordered in _ordered(texts, seed):
            kept[ordered[: math.ceil(share * len(ordered))]] = True
        corpus.splits[split] = texts.take(kept)
        corpus.dropped["not in the share"] += len(texts) - int(kept.sum())
    rows = corpus.classes()
    for index, name in enumerate(LABELS if corpus.card.role == "reviews" else ()):
        if rows[index] < FEWEST:
            raise InputError(
                f"card {corpus.card.name}: {share:g} of class {name} is {many(rows[index], 'row')}, needs {FEWEST}; "
                "raise prepare.share_of_rows"
            )


def split_of(fold: int, tested: int, folds: int) -> Split:
    """Where the texts of a fold stand when another one is tested: the tested one, the next one dev, the rest train."""
    return {0: "test", 1: "dev"}.get((fold - tested) % folds, "train")  # type: ignore[return-value]


def deal(texts: Texts, folds: int, seed: int) -> NDArray[np.int8]:
    """The fold of every text: each class spread evenly over all of them, by the hash of the texts."""
    fold = np.zeros(len(texts), np.int8)
    for ordered in _ordered(texts, seed):
        fold[ordered] = np.arange(len(ordered)) * folds // len(ordered)
    return fold


def split(
    corpus: Corpus, dev_share: float, test_share: float, seed: int, *, folds: int = 1, threshold: float = 1.0
) -> None:
    """Drop what stands twice in train, then cut from train the splits that the card does not give; in place.

    A dev or test split that is given is a benchmark that others use too: it stays as it is, doubles counted.
    Reviews without one are dealt into ``folds`` where there are several; texts nearly the same as another (similarity
    of at least ``threshold``) are dropped then, since each fold is trained on by the others.
    Raises InputError for a split that the card's role has no use for.
    """
    role, given = corpus.card.role, corpus.splits
    if role == "pairs":
        return
    for name in given:
        if name not in SPLITS_OF[role]:
            raise InputError(f"card {corpus.card.name}: role {role} has no {name} split; call it train or dev")
    train = given.get("train", NONE)
    found = twins(train)
    corpus.dropped.update({"duplicate": len(found.duplicates), "label conflict": len(found.conflicts)})
    corpus.doubles = {name: twins(texts).counts() for name, texts in given.items() if name != "train"}
    corpus.doubles["train" if corpus.doubles else "all"] = found.counts()
    shares: dict[Split, float] = {"test": test_share, "dev": dev_share}
    missing = {name: share for name, share in shares.items() if name in SPLITS_OF[role] and name not in given}
    gone = np.concatenate([found.duplicates, found.conflicts])
    rest = np.setdiff1d(np.arange(len(train)), gone)
    kept = train.take(rest)
    if kept and folds > 1 and role == "reviews" and set(given) == {"train"}:
        echoes = near_twins(kept, threshold)
        corpus.dropped["near duplicate"] += len(echoes)
        gone = np.concatenate([gone, rest[echoes]])
        kept = kept.take(np.setdiff1d(np.arange(len(kept)), echoes))
        corpus.folds, fold = folds, deal(kept, folds, seed)
        sides = np.array([split_of(each, 0, folds) for each in range(folds)])[fold]
        corpus.splits = {name: kept.dealt(fold).take(sides == name) for name in SPLITS_OF[role]}
    elif "train" in given:
        corpus.splits = given | cut(kept, missing, seed)
    corpus.repeated = commonest(train, found.numbers, gone)
    if len(gone) > MUCH * len(train):
        _LOG.warning(
            "%s: %d of %d rows went as duplicates or with two labels, most often %s; is retone.columns.text right?",
            *(corpus.card.name, len(gone), len(train), ", ".join(corpus.repeated)),
        )


def check_trainable(corpus: Corpus) -> None:
    """Raise InputError where duplicates, conflicts and leaks left a class with too few rows, or with none in train."""
    if corpus.card.role != "reviews":
        return
    every = corpus.classes()
    train = Counter(corpus.splits["train"].labels().tolist()) if "train" in corpus.splits else every
    for index, label in enumerate(LABELS):
        if every[index] >= FEWEST and train[index]:
            continue
        left = f"class {label} has {many(every[index], 'row')} left, needs {FEWEST}"
        left = left if train[index] else f"no {label} row is left in train"
        lost = {reason: count for reason, count in corpus.dropped.most_common() if count}
        told = f" (dropped: {', '.join(f'{count} {reason}' for reason, count in lost.items())})" if lost else ""
        shown = f"; most often {', '.join(corpus.repeated)}" if corpus.repeated else ""
        advice = next((_ADVICE[reason] for reason in lost if reason in _ADVICE), "add some")
        raise InputError(f"card {corpus.card.name}: {left}{told}{shown}; {advice}")


_ADVICE = {
    "label conflict": "the same texts bear two labels: check retone.columns and retone.labels",
    "duplicate": "the same texts stand there again and again: add other ones",
    "near duplicate": "nearly the same texts stand there again and again: add others, or raise "
    "prepare.near_duplicate_threshold",
    "leak": "do train and test hold the same texts? If they only look alike, raise prepare.near_duplicate_threshold",
}
"""What to do, by what took most rows."""
