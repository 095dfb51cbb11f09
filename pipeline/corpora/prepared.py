"""Reading what the prepare stage wrote: rows of text by role and split, for each fold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.common.files import read_jsonl
from pipeline.corpora.splits import split_of

Rows = list[dict[str, Any]]


def corpora_of(prepare: Path, role: str) -> list[str]:
    """Names of the prepared corpora with a role, in the recipe's order."""
    return [name for name, corpus in _described(prepare).items() if corpus["role"] == role]


def folds_of(prepare: Path, corpus: str) -> int:
    """Number of folds that a corpus is scored by; 1: it has a test split instead."""
    return int(_described(prepare)[corpus].get("folds", 1))


def rows(prepare: Path, *, role: str, split: str, fold: int = 0) -> Rows:
    """All rows of one split of all corpora with a role, when ``fold`` is tested; empty where there is none."""
    return [row for name in corpora_of(prepare, role) for row in corpus_rows(prepare, name, split, fold)]


def corpus_rows(prepare: Path, corpus: str, split: str, fold: int = 0) -> Rows:
    """Rows of one split of a corpus when ``fold`` is tested. A corpus without folds has the same split every time."""
    folds = folds_of(prepare, corpus)
    if folds == 1 or fold == 0:
        return read_jsonl(prepare / "texts" / corpus / f"{split}.jsonl")
    every = [
        row for name in ("train", "dev", "test") for row in read_jsonl(prepare / "texts" / corpus / f"{name}.jsonl")
    ]
    return [row for row in every if split_of(row["fold"], fold, folds) == split]


def texts_by_corpus(prepare: Path, characters: int = 4_000_000) -> dict[str, list[str]]:
    """Texts of each corpus but the minimal pairs, all splits together, up to ``characters`` each, in file order."""
    return {
        name: list(_first_texts(prepare / "texts" / name, characters))
        for name, corpus in _described(prepare).items()
        if corpus["role"] != "pairs"
    }


def _described(prepare: Path) -> dict[str, Any]:
    return dict(json.loads((prepare / "corpora.json").read_text(encoding="utf-8")))


def _first_texts(folder: Path, characters: int) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                text: str = json.loads(line)["text"]
                characters -= len(text)
                if characters < 0:
                    return
                yield text
