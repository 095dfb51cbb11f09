"""A prepared artifact by hand: a few dozen texts of each role, as the prepare stage lays them out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.common.files import read_jsonl, write_json, write_jsonl
from pipeline.corpora.splits import split_of
from tests.toys import SENTENCES

WORDS = {
    0: ["bad", "terrible", "rude", "broken", "never again", "worst"],
    1: ["it is a bucket", "it holds water", "works", "nothing special", "the box", "a phone"],
    2: ["good", "great", "loved", "best", "lasts for days", "great service"],
}
EMOJI = {0: ["😡", "👎"], 1: ["🤷"], 2: ["😍", "👍"]}


def reviews(count: int, seed: int) -> list[dict[str, Any]]:
    """Reviews whose class the words tell, every third with an emoji."""
    draw = random.Random(seed)
    rows = []
    for index in range(count):
        label = index % 3
        text = (
            f"{draw.choice(WORDS[label])} food and {draw.choice(WORDS[label])} {draw.choice(['place', 'staff', 'box'])}"
        )
        if index % 9 < 3:
            text += draw.choice(EMOJI[label])
        rows.append({"id": f"toy-reviews:{seed}-{index}", "text": text, "label": label, "raw": text})
    return rows


def write_prepared(folder: Path, *, without: Iterable[str] = ()) -> Path:
    """Write corpora.json, audit.json, shift.json and texts/; roles in ``without`` are left out. Return the folder."""
    general = [{"id": f"toy-general:{index}", "text": " ".join(SENTENCES)} for index in range(6)]
    informal = [{"id": f"toy-informal:{row['id']}", "text": row["text"] + " lol 😂"} for row in reviews(60, 9)]
    pair = {
        "id": "toy-pairs:0",
        "good": "the cat sat on the mat",
        "bad": "the cat sat mat the on",
        "phenomenon": "order",
    }
    corpora = {
        "toy-reviews": ("reviews", {"train": reviews(90, 1), "dev": reviews(30, 2), "test": reviews(30, 3)}),
        "toy-informal": ("informal", {"train": informal, "dev": informal[:8]}),
        "toy-general": ("general", {"train": general, "dev": general[:2], "test": general[:3]}),
        "toy-pairs": (
            "pairs",
            {"test": [pair, {**pair, "id": "toy-pairs:1", "good": "good food", "bad": "food good"}]},
        ),
    }
    described = {}
    for name, (role, splits) in corpora.items():
        if role in without:
            continue
        described[name] = {
            "role": role,
            "pretty_name": name,
            "splits": {split: len(rows) for split, rows in splits.items()},
            "dropped": {},
        }
        for split, rows in splits.items():
            path = folder / "texts" / name / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    for name, content in (("corpora", described), ("audit", {}), ("shift", {})):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def with_target(prepared: Path, *, turned: bool = False) -> Path:
    """Make every other toy review one of ``toy-target``, a domain with a word of its own; its labels may be turned."""
    described = json.loads((prepared / "corpora.json").read_text(encoding="utf-8"))
    described["toy-target"] = described["toy-reviews"]
    for path in sorted((prepared / "texts" / "toy-reviews").glob("*.jsonl")):
        rows = read_jsonl(path)
        target = [row | {"id": f"target {row['id']}", "text": f"cat {row['text']}"} for row in rows[::2]]
        (prepared / "texts" / "toy-target").mkdir(exist_ok=True)
        write_jsonl(path, rows[1::2])
        write_jsonl(
            prepared / "texts" / "toy-target" / path.name,
            [row | {"label": 2 - row["label"] if turned else row["label"]} for row in target],
        )
    write_json(prepared / "corpora.json", described)
    return prepared


def in_folds(prepared: Path, folds: int) -> dict[int, list[str]]:
    """Deal the toy reviews into folds, as prepare does; the ids of each."""
    folder = next((prepared / "texts").glob("*reviews*"))
    rows = [row for split in ("train", "dev", "test") for row in read_jsonl(folder / f"{split}.jsonl")]
    for place, row in enumerate(rows):
        row |= {"fold": place % folds, "raw": row["text"]}
    for split in ("train", "dev", "test"):
        write_jsonl(folder / f"{split}.jsonl", [row for row in rows if split_of(row["fold"], 0, folds) == split])
    described = json.loads((prepared / "corpora.json").read_text(encoding="utf-8"))
    described[folder.name]["folds"] = folds
    write_json(prepared / "corpora.json", described)
    return {fold: [row["id"] for row in rows if row["fold"] == fold] for fold in range(folds)}
