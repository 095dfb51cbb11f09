"""Artifacts of a whole run, written by hand with figures one can work out: what the report stage reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.common.labels import LABELS
from pipeline.machine.stage import Run
from tests import toy_measures
from tests.toy_measures import DOCUMENTS, figure, put_json, put_rows, right

LADDER = {"naive": 0.55, "careful": 0.61, "adapted": 0.63, "full": 0.72}
"""Share of each class that an arm gets right, in every corpus: its accuracy, its macro-recall and its macro-F1."""
ADAPTED = ("adapted", "full")
FLOORS = {"tfidf": 0.6, "features": 0.5}
SECONDS = {"prepare": 4.0, "source": 1.0, "tokenizer": 3.5, "pretrain": 60.0, "finetune": 25.0, "evaluate": 12.0}
TEXTS = 300
LEARNT = 1800
"""How many of its 2,400 training texts an arm learnt from: the others are a target's."""


@dataclass(frozen=True)
class Toy:
    """What a toy run has."""

    arms: Mapping[str, float] = field(default_factory=lambda: LADDER)
    seeds: Sequence[int] = (0,)
    corpora: Sequence[str] = ("starter-reviews",)
    general: bool = True
    emoji: bool = True
    pretty_name: str = "Starter reviews"
    text: str = "so good 😂 (1.00)"
    restored: bool = False
    measured: bool = True
    """Whether layers, the frontier and emoji were looked at."""
    budget: float | None = 0.95
    floors: Mapping[str, float] = field(default_factory=lambda: FLOORS)
    folds: int = 0
    """Above 0: reviews have no test split, each text is tested in one of the folds."""
    few: Sequence[str] = ()
    """Corpora with eight neutral test texts, too few for a macro-recall."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """How many arms learn from, where not from ``LEARNT``."""


def write(root: Path, toy: Toy) -> dict[str, dict[Run, Path]]:
    """Write every stage's artifacts below ``root``; arms share prepare and source as they would."""
    stages: dict[str, dict[Run, Path]] = {}
    for arm in toy.arms:
        for seed in toy.seeds:
            made = {
                "prepare": _prepare(root / "prepare" / "p0", toy),
                "source": _source(root / "source" / "s0", toy),
                "tokenizer": _tokenizer(root / "tokenizer" / arm, toy, arm),
                "pretrain": _pretrain(root / "pretrain" / arm, arm),
                "finetune": _finetune(root / "finetune" / f"{arm}-{seed}", toy, arm, seed),
                "evaluate": _evaluate(root / "evaluate" / f"{arm}-{seed}", toy, arm, seed),
            }
            for stage, folder in made.items():
                _manifest(folder, stage, arm, seed, toy)
                stages.setdefault(stage, {})[Run(arm, seed)] = folder
    return stages


def predictions(toy: Toy, share: float, corpus: str) -> list[dict[str, Any]]:
    """Predictions in which every class is found with the given share."""
    rows = []
    for place in range(TEXTS):
        label = place % 3
        predicted = label if right(place, share) else (label + 1) % 3
        sure = 0.4 + 0.59 * ((place * 61) % 100) / 100
        chances = [(1 - sure) * part for part in (0.6, 0.4)]
        chances.insert(predicted, sure)
        rows.append({"id": f"{corpus}:{place}", "label": label, "predicted": predicted, "probabilities": chances,
                     "emoji": toy.emoji and place % 5 == 0, "plain": predicted}
                    | ({"fold": place % toy.folds} if toy.folds else {}))  # fmt: skip
    return [row for place, row in enumerate(rows) if corpus not in toy.few or place % 3 != 1 or place < 3 * 8]


def _prepare(folder: Path, toy: Toy) -> Path:
    reviews = {
        name: {
            "role": "reviews",
            "pretty_name": toy.pretty_name,
            "splits": {"train": 2400, "dev": 300, "test": TEXTS},
            **({"folds": toy.folds} if toy.folds else {}),
            "classes": {"train": {"negative": 1500, "neutral": 500, "positive": 400}},
            "dropped": {"empty": 12, "duplicate": 340, "label conflict": 8},
        }
        for name in toy.corpora
    }
    informal = {
        "role": "informal",
        "pretty_name": "Posts",
        "splits": {"train": 9000, "dev": 300},
        "dropped": {"empty": 3},
    }
    general = {
        "role": "general",
        "pretty_name": "Encyclopedia",
        "splits": {"train": 900, "test": DOCUMENTS},
        "dropped": {},
    }
    corpora = {**reviews, "posts": informal, **({"encyclopedia": general} if toy.general else {})}
    put_json(folder / "corpora.json", corpora)
    for name in toy.corpora:
        texts = [
            {"id": f"{name}:{place}", "text": _review(toy, place), "label": place % 3, "fold": place % (toy.folds or 1)}
            for place in range(TEXTS)
        ]
        put_rows(folder / "texts" / name / "test.jsonl", texts)
    leak = {"held_out_texts": 3, "exact": 2, "near": 1, "rows_removed": 4, "examples": [toy.text]}
    within = {f"{toy.corpora[0]}/train": {"duplicates": 5, "conflicts": 8}}
    across = {f"{toy.corpora[0]}/train <-> {toy.corpora[0]}/test": leak}
    put_json(folder / "audit.json", {"near_duplicate_threshold": 0.8, "within": within, "across": across})
    habits = {"texts": 3000, "mean_words": 14.5, "emoji_rate": 0.12}
    strange = {**habits, "vocabulary_overlap": 0.91, "commonest_unknown_words": "meh lol"}
    put_json(folder / "shift.json", {**dict.fromkeys(toy.corpora, strange), "encyclopedia": habits})
    return folder


def _review(toy: Toy, place: int) -> str:
    """Texts of three lengths and several habits; every fifth holds the toy's own."""
    words = ("not worth it", "arrived on tuesday", "great value, thank you")[place % 3]
    habit = (toy.text, "soooo late, is this a joke?", "no idea why", "as expected", "!!")[place % 5]
    return f"{habit} {words}" + " and what came in the box was never what I had seen before" * (place % 4 == 0)


def _source(folder: Path, toy: Toy) -> Path:
    restored = {"head_tokens": 150_000, "model_tokens": 500_000} if toy.restored else None
    told = {"name": "minilm", "revision": None, "parameters": 22_900_000, "vocabulary": 30_522}
    put_json(folder / "source.json", told | {"restored": restored})
    put_rows(folder / "history.jsonl", [])
    return folder


def _tokenizer(folder: Path, toy: Toy, arm: str) -> Path:
    mode = "all" if arm == "full" else "none"
    before = {"unk_rate_emoji_texts": 0.99 if toy.emoji else None, "words_lost_rate": 0.02, "tokens_per_text": 21.5}
    after = {"unk_rate_emoji_texts": 0.0 if toy.emoji else None, "words_lost_rate": 0.0, "tokens_per_text": 22.75}
    names = [*toy.corpora, "posts"]
    found = {
        "texts": 3000,
        "emoji_texts": 360 if toy.emoji else 0,
        "before": before,
        "after": after if mode == "all" else before,
    }
    told = {"emoji": mode, "rows_added": 1438 if mode == "all" else 0, "first_row": 30_522}
    put_json(folder / "coverage.json", told | {"corpora": dict.fromkeys(names, found)})
    return folder


def _pretrain(folder: Path, arm: str) -> Path:
    if arm not in ADAPTED:
        put_json(folder / "pretrain.json", {"method": "none", "tokens_seen": 0, "steps": 0})
        put_rows(folder / "history.jsonl", [])
        return folder
    story = {"method": "dapt", "tokens_seen": 2_000_000, "steps": 400, "stopped": "done", "best_step": 400}
    story |= {"emoji_rows_never_seen": 31, "padding_share": 0.042}
    put_json(folder / "pretrain.json", story)
    curve = [
        {"step": 40 * place, "train_loss": 4.2 - 0.1 * place,
         "informal_dev_loss": 3.2 + math.exp(-place / 3), "general_dev_loss": 2.5 + 0.02 * place}
        for place in range(1, 11)
    ]  # fmt: skip
    put_rows(folder / "history.jsonl", curve)
    return folder


def _finetune(folder: Path, toy: Toy, arm: str, seed: int) -> Path:
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "model.safetensors").write_bytes(f"weights of {arm} {seed}".encode())
    put_json(folder / "model" / "config.json", {"model_type": "bert", "id2label": dict(enumerate(LABELS))})
    told = {"trainable_parameters": 1_600_000, "frozen_parameters": 3_800_000, "best_epoch": 3, "dev_macro_recall": 0.7}
    told["chosen_dev_macro_recall"] = toy.arms[arm] + 0.02 * (arm == "full")
    told |= {"frozen_cache_megabytes": 12.5, "padding_share": 0.039, "train_texts": toy.labels.get(arm, LEARNT)}
    put_json(folder / "finetune.json", told)
    if toy.measured and toy.general:
        put_json(folder / "frontier.json", toy_measures.frontier(budget=toy.budget))
    put_rows(folder / "history.jsonl", [{"epoch": 1, "step": 75, "train_loss": 0.9, "dev_macro_recall": 0.7}])
    return folder


def _evaluate(folder: Path, toy: Toy, arm: str, seed: int) -> Path:
    share = toy.arms[arm] + 0.01 * seed
    corpora = {}
    for corpus in toy.corpora:
        found = predictions(toy, share, corpus)
        put_rows(folder / "predictions" / f"{corpus}.jsonl", found)
        for name, level in toy.floors.items():
            put_rows(folder / "floors" / name / f"{corpus}.jsonl", predictions(toy, level, corpus))
        figures = {name: figure(share, TEXTS) for name in ("accuracy", "macro_recall", "macro_f1")}
        if corpus in toy.few:
            figures["macro_recall"] = dict.fromkeys(("value", "low", "high")) | {"n": len(found)}
        nothing = figure(0.0, TEXTS) | {"p": 1.0}
        plain = {**figures, "changed": 0.04, "minus_model": dict.fromkeys(figures, nothing)}
        corpora[corpus] = {
            "model": {
                "n": TEXTS,
                **figures,
                "per_class": {
                    label: {"precision": share, "recall": share, "f1": share, "n": TEXTS // 3} for label in LABELS
                },
                "confusion": _confusion(found),
            },
            "plain": plain,
        }
    put_json(folder / "scores.json", {"corpora": corpora})
    toy_measures.retention(folder, arm, seed, corpora=toy.corpora, general=toy.general, layers=toy.measured,
                           adapted=arm in ADAPTED)  # fmt: skip
    if toy.measured:
        put_json(folder / "behaviour.json", toy_measures.behaviour())
    if toy.measured and toy.emoji:
        put_json(folder / "emoji.json", toy_measures.emoji(toy.corpora))
    return folder


def _manifest(folder: Path, stage: str, arm: str, seed: int, toy: Toy) -> None:
    settings = {
        "finetune": {
            "learning_rate": 2e-4 if arm == "naive" else 3e-5,
            "freezing": {"layers": 0 if arm == "naive" else 2},
            "max_length": 128,
            "train_reviews": toy.labels.get(arm),
        },
        "pretrain": {"num_train_epochs": 3 if arm in ADAPTED else 0},
        "tokenizer": {"emoji": "all" if arm == "full" else "none"},
    }
    manifest = {
        "stage": stage,
        "version": 1,
        "fingerprint": f"{stage}-{folder.name}".ljust(64, "0"),
        "settings": settings.get(stage, {}),
        "seed": seed,
        "seconds": SECONDS[stage],
        "libraries": {"torch": "2.13.0", "transformers": "5.23.0"},
        "python": "3.11.7",
        "platform": "Linux x86_64",
    }
    put_json(folder / "manifest.json", manifest)


def _confusion(rows: Iterable[Mapping[str, Any]]) -> list[list[int]]:
    matrix = [[0] * 3 for _ in range(3)]
    for row in rows:
        matrix[row["label"]][row["predicted"]] += 1
    return matrix
