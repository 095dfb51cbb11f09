"""Writing prepared corpora: the same rows give the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.common.files import write_jsonl
from pipeline.common.labels import LABELS
from pipeline.corpora.cards import Split
from pipeline.corpora.corpus import Corpus, Text
from pipeline.corpora.splits import SPLITS_OF


def write_corpora(corpora: Sequence[Corpus], out: Path) -> None:
    """Write corpora.json and texts/<corpus>/<split>.jsonl."""
    described = {}
    for corpus in corpora:
        folder = out / "texts" / corpus.card.name
        rows = {name: [_row(text, name, corpus.card.role) for text in texts] for name, texts in corpus.splits.items()}
        if corpus.card.role == "pairs":
            rows = {"test": [_pair_row(pair) for pair in corpus.pairs]}
        rows = {name: rows.get(name, []) for name in SPLITS_OF[corpus.card.role]}
        for name, content in rows.items():
            write_jsonl(folder / f"{name}.jsonl", content)
        described[corpus.card.name] = _description(corpus, {name: len(content) for name, content in rows.items()})
    write_json(out / "corpora.json", described)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people to read too: indented, UTF-8."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _row(text: Text, name: Split, role: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": text.id, "text": text.text}
    if role == "reviews":
        row["label"] = text.label
        if name != "train" or text.fold is not None:
            row["raw"] = text.raw
        if text.fold is not None:
            row["fold"] = text.fold
    return row


def _pair_row(pair: Any) -> dict[str, str]:
    return {"id": pair.id, "good": pair.good, "bad": pair.bad, "phenomenon": pair.phenomenon}


def _description(corpus: Corpus, counts: dict[str, int]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "role": corpus.card.role,
        "pretty_name": corpus.card.pretty_name,
        "licence": corpus.card.licence,
        "splits": counts,
        "dropped": {reason: count for reason, count in sorted(corpus.dropped.items()) if count},
    }
    if corpus.card.role == "reviews":
        described["folds"] = corpus.folds
        described["classes"] = {name: _classes(corpus.splits.get(name, [])) for name in SPLITS_OF["reviews"]}
    return described


def _classes(texts: Sequence[Text]) -> dict[str, int]:
    rows = Counter(text.label for text in texts)
    return {label: rows[index] for index, label in enumerate(LABELS)}
