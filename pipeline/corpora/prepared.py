"""Writing prepared corpora, and reading them by role, split and fold: the same rows give the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.common.files import read_json, write_json, write_jsonl
from pipeline.common.labels import LABELS
from pipeline.common.languages import ENGLISH, reads
from pipeline.corpora.cards import Split
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.splits import SPLITS_OF, split_of
from pipeline.corpora.stored_rows import StoredRows
from pipeline.corpora.texts import NONE, Text, Texts
from pipeline.text.cleaning import normalise

_WRITTEN_BY_PEOPLE = ("reviews", "informal")


def write_corpora(corpora: Sequence[Corpus], out: Path, uncleaned: Sequence[str] = ()) -> None:
    """Write corpora.json and texts/<corpus>/<split>.jsonl.

    Args:
        uncleaned: rules of cleaning that reviews and posts are written without. What stands twice, leaks and in which
            split it is was decided with all of them, so that arms which clean otherwise are tested on the same rows.
    """
    described = {}
    for corpus in corpora:
        folder = out / "texts" / corpus.card.name
        counts: dict[str, int] = {}
        for name in SPLITS_OF[corpus.card.role]:
            texts = corpus.splits.get(name, NONE)
            counts[name] = len(texts) + len(corpus.pairs)
            rows = (_row(text, name, corpus.card.role, uncleaned) for text in texts)
            write_jsonl(folder / f"{name}.jsonl", chain(rows, map(asdict, corpus.pairs)))
        described[corpus.card.name] = _description(corpus, counts)
        if uncleaned and corpus.card.role in _WRITTEN_BY_PEOPLE:
            described[corpus.card.name]["uncleaned"] = list(uncleaned)
    write_json(out / "corpora.json", described)


def _row(text: Text, name: Split, role: str, uncleaned: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": text.id, "text": text.text}
    if uncleaned and role in _WRITTEN_BY_PEOPLE:
        row["text"] = normalise(text.raw, uncleaned)
    if role == "reviews":
        row["label"] = text.label
        if name != "train" or text.fold is not None:
            row["raw"] = text.raw
        if text.fold is not None:
            row["fold"] = text.fold
    return row


def _description(corpus: Corpus, counts: dict[str, int]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "role": corpus.card.role,
        "pretty_name": corpus.card.pretty_name,
        "licence": corpus.card.licence,
        "splits": counts,
        "dropped": {reason: count for reason, count in sorted(corpus.dropped.items()) if count},
    }
    if corpus.card.languages != ENGLISH:
        described["language"] = list(corpus.card.languages)
    if corpus.card.role == "reviews":
        described["folds"] = corpus.folds
        described["classes"] = {name: _classes(corpus.splits.get(name, NONE)) for name in SPLITS_OF["reviews"]}
    return described


def _classes(texts: Texts) -> dict[str, int]:
    rows = Counter(texts.labels().tolist())
    return {label: rows[index] for index, label in enumerate(LABELS)}


def told(prepare: Path) -> list[str]:
    """A line for people on each corpus: how many rows its splits have, and what was dropped for which reason.

    With folds the splits are fold 0's, whose model is taken away; together the folds test every row.
    """
    return [
        f"{name}{f', fold 0 of {folds}' if (folds := corpus.get('folds', 1)) > 1 else ''}: "
        f"{counted(corpus['splits'], corpus['dropped'])}"
        for name, corpus in _described(prepare).items()
    ]


def counted(splits: Mapping[str, int], dropped: Mapping[str, int]) -> str:
    """Rows in words: ``400 train, 100 test; dropped: 3 empty``."""
    rows, gone = (", ".join(f"{count:,} {what}" for what, count in of.items() if count) for of in (splits, dropped))
    return f"{rows or 'no rows'}{f'; dropped: {gone}' if gone else ''}"


def corpora_of(prepare: Path, role: str) -> list[str]:
    """Names of the prepared corpora with a role, in the recipe's order."""
    return [name for name, corpus in _described(prepare).items() if corpus["role"] == role]


def folds_of(prepare: Path, corpus: str) -> int:
    """Number of folds that a corpus is scored by; 1: it has a test split instead."""
    return int(_described(prepare)[corpus].get("folds", 1))


def languages(prepare: Path, role: str | None = None) -> dict[str, tuple[str, ...]]:
    """The languages of each prepared corpus, or those with a role, as their cards say."""
    described = _described(prepare).items()
    return {name: tuple(told.get("language", ENGLISH)) for name, told in described if role in (None, told["role"])}


def in_english(prepare: Path, spoken: Sequence[str]) -> bool:
    """Whether base (``spoken``: its languages; none: nobody says) and all reviews may be asked in English sentences."""
    return all(reads(one, ENGLISH) for one in (spoken, *languages(prepare, "reviews").values()))


def uncleaned(prepare: Path) -> list[str]:
    """Rules of cleaning that reviews and posts were written without."""
    return next((corpus["uncleaned"] for corpus in _described(prepare).values() if "uncleaned" in corpus), [])


def rows(prepare: Path, *, role: str, split: str, fold: int = 0) -> StoredRows:
    """All rows of one split of all corpora with a role, when ``fold`` is tested; empty where there is none."""
    return StoredRows.joined(corpus_rows(prepare, name, split, fold) for name in corpora_of(prepare, role))


def corpus_rows(prepare: Path, corpus: str, split: str, fold: int = 0) -> StoredRows:
    """Rows of one split of a corpus when ``fold`` is tested. A corpus without folds has the same split every time."""
    folds, folder = folds_of(prepare, corpus), prepare / "texts" / corpus
    if folds == 1 or fold == 0:
        return StoredRows.of(folder / f"{split}.jsonl")
    every = StoredRows.joined(StoredRows.of(folder / f"{name}.jsonl") for name in ("train", "dev", "test"))
    return every.where(lambda row: split_of(row["fold"], fold, folds) == split)


def texts_by_corpus(prepare: Path, characters: int = 4_000_000) -> dict[str, list[str]]:
    """Texts of each corpus but the minimal pairs, all splits together, up to ``characters`` each, in file order."""
    return {
        name: list(_first_texts(prepare / "texts" / name, characters))
        for name, corpus in _described(prepare).items()
        if corpus["role"] != "pairs"
    }


def _described(prepare: Path) -> dict[str, Any]:
    return dict(read_json(prepare / "corpora.json"))


def _first_texts(folder: Path, characters: int) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                text: str = json.loads(line)["text"]
                characters -= len(text)
                if characters < 0:
                    return
                yield text
