"""What a toy run measured of its models: general English, layers, emoji, and the models between base and tuned."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.measuring.layers.probes import TASKS

NATS_LOST = {"naive": 0.9, "careful": 0.1, "adapted": 0.3, "full": 0.35}
PAIRS_RIGHT = {"naive": 0.62, "careful": 0.79, "adapted": 0.75, "full": 0.74}
BASE_NATS, BASE_PAIRS = 2.0, 0.8
DOCUMENTS, MASKED, PAIRS, SENTENCES, LAYERS = 40, 10, 200, 120, 5
INFORMAL_GAINED, GENERAL_LOST = 0.8, 0.2
"""Nats by which adaptation lowered the loss on posts, and, as the tables have it, raised it on general English."""
EMOJI = {"😂": 0.2, "❤": 0.75, "😍": 0.68, "😭": -0.1, "😡": -0.2, "👍": 0.5, "😒": -0.4, "🙄": -0.35, "🎉": 0.7,
         "💔": -0.1, "😊": 0.65, "🔥": 0.15, "😱": 0.2, "👎": -0.2, "🤔": 0.0, "✨": 0.35}  # fmt: skip


def right(place: int, share: float) -> bool:
    """Whether item ``place`` is one of the ``share`` that come out right: exact on every 100 items, in every class."""
    return (place * 37) % 100 < round(100 * share)


def retention(
    folder: Path, arm: str, seed: int, *, corpora: Sequence[str], general: bool, layers: bool, adapted: bool
) -> None:
    """Write ``retention.json`` and its items."""
    lost = {"base": 0.0, "adapted": NATS_LOST.get(arm, 0.3) / 3, "tuned": NATS_LOST.get(arm, 0.3) + 0.01 * seed}
    pairs = {"base": BASE_PAIRS, "adapted": BASE_PAIRS, "tuned": PAIRS_RIGHT.get(arm, 0.7)}
    models: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    for model in lost if general else ():
        put_rows(folder / "retention" / f"{model}.jsonl", _documents(lost[model]))
        put_rows(folder / "retention" / f"pairs_{model}.jsonl", _pairs(pairs[model]))
        models[model] = {
            "masked": {"encyclopedia": {"loss": figure(BASE_NATS + lost[model], DOCUMENTS),
                                        "loss_full": figure(BASE_NATS + lost[model] + 0.1, DOCUMENTS),
                                        "bits_per_byte": figure(0.9, DOCUMENTS), "accuracy": figure(0.4, DOCUMENTS)}},
            "pairs": {"pairs": {"accuracy": figure(pairs[model], PAIRS)}},
        }  # fmt: skip
        share = (pairs[model] - 0.5) / (BASE_PAIRS - 0.5)
        scores[f"base_to_{model}"] = {
            "masked": {"encyclopedia": figure(math.exp(-lost[model]), DOCUMENTS)},
            "pairs": {"pairs": figure(share, PAIRS)},
        }
    for model, change in (("base", 0.0), ("adapted", -INFORMAL_GAINED if adapted else 0.0)):
        sums = {"nats": MASKED * (3.3 + change), "masked": MASKED}
        rows = [{"corpus": "posts", "id": f"posts:{place}", **sums} for place in range(DOCUMENTS)]
        put_rows(folder / "retention" / f"shift_{model}.jsonl", rows)
    found = {"models": models, "scores": scores, "shift": _shift(corpora, general=general, adapted=adapted)}
    put_json(folder / "retention.json", found | (_layers() if layers and general else {}) | {"masks": {}})


def _shift(corpora: Sequence[str], *, general: bool, adapted: bool) -> dict[str, Any]:
    """Masked loss of the base and the adapted model on every corpus."""

    def losses(role: str, split: str, before: float, change: float) -> dict[str, Any]:
        now = before + (change if adapted else 0.0)
        return {"role": role, "split": split, "base": figure(before, 300), "adapted": figure(now, 300)}

    found = {name: losses("reviews", "test", 3.1, -0.7) for name in corpora}
    found["posts"] = losses("informal", "dev", 3.3, -INFORMAL_GAINED)
    return found | ({"encyclopedia": losses("general", "test", BASE_NATS, GENERAL_LOST)} if general else {})


def _layers() -> dict[str, Any]:
    """Probes, CKA and drift: embeddings and four layers."""
    bend = {"base": 0.0, "adapted": 0.01, "tuned": 0.04}

    def by_model(start: float, gain: float) -> dict[str, Any]:
        return {
            model: [figure(start + gain * layer - drop * layer, SENTENCES) for layer in range(LAYERS)]
            for model, drop in bend.items()
        }

    probes = {
        task.name: {
            "chance": 0.5 - 0.15 * place,
            "accuracy": by_model(0.52 + 0.08 * place, 0.07),
            "selectivity": by_model(0.0, 0.05),
            "minus_base": {model: levels for model, levels in by_model(0.0, 0.0).items() if model != "base"},
        }
        for place, task in enumerate(TASKS)
    }
    cka = {model: [figure(1 - drop * layer**1.5, SENTENCES) for layer in range(LAYERS)] for model, drop in bend.items()}
    parts = {"adaptation": 0.1, "tuning": 0.25, "interface": 0.18, "real": 0.09, "refitting": -0.02}
    drift = {part: figure(nats, DOCUMENTS) for part, nats in parts.items()}
    return {"probes": probes, "cka": {model: cka[model] for model in ("adapted", "tuned")},
            "drift": {"encyclopedia": drift}}  # fmt: skip


def frontier(*, budget: float | None = 0.95) -> dict[str, Any]:
    """Nine models from base to tuned: each step keeps less and scores more, until the last one scores less again."""
    scores = [0.40, 0.47, 0.54, 0.60, 0.65, 0.685, 0.705, 0.72, 0.715]
    points = [
        {"name": f"{place / 8:g}", "alpha": place / 8,
         "alphas": dict.fromkeys(("embeddings", "lower", "upper", "pooler"), place / 8),
         "macro_recall": figure(score, 300), "kept": figure(math.exp(-0.35 * (place / 8) ** 2), DOCUMENTS),
         "at_least": math.exp(-0.35 * (place / 8) ** 2) - 0.025, "front": place < 8}
        for place, score in enumerate(scores)
    ]  # fmt: skip
    points.append({"name": "lower 0", "alpha": None,
                   "alphas": {"embeddings": 0.0, "lower": 0.0, "upper": 1.0, "pooler": 1.0},
                   "macro_recall": figure(0.69, 300), "kept": figure(0.91, DOCUMENTS), "at_least": 0.88,
                   "front": True})  # fmt: skip
    cost = {"macro_recall": figure(-0.115, 300), "kept": figure(0.25, DOCUMENTS)} if budget else None
    return {"points": points, "budget": budget, "within": True if budget else None, "cost": cost,
            "chosen": "0.375" if budget else "1", "answers": [], "reason": None}  # fmt: skip


def emoji(corpora: Iterable[str]) -> dict[str, Any]:
    """Polarity of each emoji in the models, the tuned one nearest to the reference, and the counterfactuals."""
    bend = {"base": 0.1, "adapted": 0.5, "tuned": 1.2, "names": 1.2, "default": 0.7}
    polarity = {
        model: {"spearman": figure(0.3 + 0.4 * slope, len(EMOJI)) if slope > 0.1 else None,
                "emoji": {name: slope * value + 0.2 * ((place * 7) % 5 - 2) / 2
                          for place, (name, value) in enumerate(EMOJI.items())},
                "asked": len(EMOJI) + 2, "unknown": 2}
        for model, slope in bend.items()
    }  # fmt: skip
    asked = {"swap": 0.84, "flips": 0.92, "delete": 0.77, "move": 0.95, "control": 0.9}
    found: dict[str, Any] = {name: figure(share, 60) for name, share in asked.items()}
    return {
        "reference": {"name": "ranking", "emoji": EMOJI},
        "polarity": polarity,
        "counterfactuals": {name: {**found, "flips": None} if place else found for place, name in enumerate(corpora)},
    }


def behaviour() -> dict[str, Any]:
    """Twenty words, of which blame is turned less often than praise; reviews that slang turns most."""
    asked = {
        "negation": {"plain": (0.95, 20), "praise": (0.8, 10), "blame": (0.6, 10), "control": (0.9, 20)},
        "writing": {"slang": (0.8, 90), "typos": (0.9, 290), "dropped": (0.92, 290), "elongated": (0.97, 300)},
    }
    return {"shares": {name: {key: figure(*told) for key, told in found.items()} for name, found in asked.items()}}


def figure(value: float, count: int) -> dict[str, Any]:
    """A figure with an interval of 0.03 to either side."""
    return {"value": value, "low": value - 0.03, "high": value + 0.03, "n": count}


def _documents(lost: float) -> list[dict[str, Any]]:
    """Sums over documents whose mean loss is BASE_NATS + lost: what differs between them adds up to nothing."""
    found = []
    for place in range(DOCUMENTS):
        nats = MASKED * (BASE_NATS + lost + 0.1 * (place % 5 - 2) + 0.2 * lost * (place % 2 - 0.5))
        sums = {"nats": nats, "nats_full": nats + 1, "masked": MASKED, "correct": 4, "bytes": 48}
        found.append({"corpus": "encyclopedia", "id": f"encyclopedia:{place}", **sums})
    return found


def _pairs(share: float) -> list[dict[str, Any]]:
    return [
        {
            "corpus": "pairs",
            "id": f"pairs:{place}",
            "phenomenon": f"agreement {place // 20}",
            "good": -20.0,
            "bad": -21.0 if right(place, share) else -19.0,
        }
        for place in range(PAIRS)
    ]


def put_json(path: Path, content: Any) -> None:
    """Write JSON as the stages do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def put_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
