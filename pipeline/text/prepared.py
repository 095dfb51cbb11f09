"""Reading what the prepare stage wrote: rows of text by role and split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def corpora_of(prepare: Path, role: str) -> list[str]:
    """Names of the prepared corpora with a role, in the recipe's order."""
    described = json.loads((prepare / "corpora.json").read_text(encoding="utf-8"))
    return [name for name, corpus in described.items() if corpus["role"] == role]


def rows(prepare: Path, *, role: str, split: str) -> list[dict[str, Any]]:
    """All rows of one split of all corpora with a role; empty where there is none."""
    found = []
    for name in corpora_of(prepare, role):
        path = prepare / "texts" / name / f"{split}.jsonl"
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                found += [json.loads(line) for line in lines]
    return found


def texts_by_corpus(prepare: Path, characters: int = 4_000_000) -> dict[str, list[str]]:
    """Texts of each corpus but the minimal pairs, all splits together, up to ``characters`` each, in file order."""
    described = json.loads((prepare / "corpora.json").read_text(encoding="utf-8"))
    return {
        name: list(_first_texts(prepare / "texts" / name, characters))
        for name, corpus in described.items()
        if corpus["role"] != "pairs"
    }


def _first_texts(folder: Path, characters: int) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                text: str = json.loads(line)["text"]
                characters -= len(text)
                if characters < 0:
                    return
                yield text
