"""Corpora put together: cards found by name, duplicates dropped, splits made, everything written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.cards import Card, Split, load_card
from pipeline.errors import InputError
from pipeline.labels import LABELS
from pipeline.text.corpora import Corpus, Text
from pipeline.text.leaks import twins, without
from pipeline.text.splits import cut

CARDS = Path("data_cards")

SPLITS_OF: dict[str, tuple[Split, ...]] = {
    "reviews": ("train", "dev", "test"),
    "informal": ("train", "dev"),
    "general": ("train", "dev", "test"),
    "pairs": ("test",),
}
"""The files that a corpus of each role is written to; one may be empty."""


def load_cards(names: Sequence[str], data_root: Path | None) -> list[Card]:
    """The cards of a recipe: each a folder's name under ``data_cards/``, or a path. Raises InputError."""
    found: dict[str, Card] = {}
    for name in names:
        known = CARDS / name
        folder = known if len(Path(name).parts) == 1 and known.is_dir() else Path(name)
        if not folder.is_dir():
            there = sorted(path.parent.name for path in CARDS.glob("*/README.md"))
            raise InputError(f"corpus {name}: no folder {known} and none at {name}; there are {', '.join(there)}")
        card = load_card(folder, data_root)
        if card.name in found:
            raise InputError(f"corpus {card.name}: two cards have this name; rename one folder")
        found[card.name] = card
    return list(found.values())


def split(corpus: Corpus, dev_share: float, test_share: float, seed: int) -> None:
    """Drop doubles on the training side, then cut from train what the card does not give; in place.

    A given dev or test split is a benchmark that others use too: it stays as it is.
    """
    given = corpus.splits
    role = corpus.card.role
    if role == "informal" and "test" in given:
        raise InputError(f"card {corpus.card.name}: role informal has no test split; call it dev or train")
    train = given.get("train", [])
    doubles = twins(train)
    corpus.dropped.update({"duplicate": len(doubles.duplicates), "label conflict": len(doubles.conflicts)})
    train = without(train, [*doubles.duplicates, *doubles.conflicts])
    shares = {"test": test_share, "dev": dev_share}
    missing: dict[Split, float] = {
        name: shares[name] for name in ("test", "dev") if name in SPLITS_OF[role] and name not in given
    }
    if train:
        corpus.splits = given | cut(train, missing, seed)


def write(corpora: Sequence[Corpus], out: Path) -> None:
    """Write corpora.json and texts/<corpus>/<split>.jsonl."""
    described = {}
    for corpus in corpora:
        folder = out / "texts" / corpus.card.name
        folder.mkdir(parents=True, exist_ok=True)
        rows = {name: [_row(text, name, corpus.card.role) for text in texts] for name, texts in corpus.splits.items()}
        if corpus.card.role == "pairs":
            rows = {"test": [_pair_row(pair) for pair in corpus.pairs]}
        rows = {name: rows.get(name, []) for name in SPLITS_OF[corpus.card.role]}
        for name, content in rows.items():
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        described[corpus.card.name] = _description(corpus, {name: len(content) for name, content in rows.items()})
    write_json(out / "corpora.json", described)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people to read too: indented, UTF-8."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _row(text: Text, name: Split, role: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": text.id, "text": text.text}
    if role == "reviews":
        row["label"] = text.label
        if name != "train":
            row["raw"] = text.raw
    return row


def _pair_row(pair: Any) -> dict[str, str]:
    return {"id": pair.id, "good": pair.good, "bad": pair.bad, "phenomenon": pair.phenomenon}


def _description(corpus: Corpus, counts: dict[str, int]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "role": corpus.card.role,
        "pretty_name": corpus.card.pretty_name,
        "splits": counts,
        "dropped": {reason: count for reason, count in sorted(corpus.dropped.items()) if count},
    }
    if corpus.card.role == "reviews":
        described["classes"] = {name: _classes(corpus.splits.get(name, [])) for name in SPLITS_OF["reviews"]}
    return described


def _classes(texts: Sequence[Text]) -> dict[str, int]:
    rows = Counter(text.label for text in texts)
    return {label: rows[index] for index, label in enumerate(LABELS)}
