"""The work that all sides are given: a model, labelled texts, posts, lines to tokenise, and sentences in pairs."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
MINILM = SHARED / "models" / "minilm-wiki"
TWEETS = SHARED / "data" / "tweet_sentiment" / "train.csv"
MORE_TWEETS = (
    (SHARED / "data" / "tweet_sentiment" / "val.csv", "label"),
    (SHARED / "data" / "tweet_sentiment" / "test.csv", "label"),
    (SHARED / "data" / "reviews_airline" / "Tweets.csv", "airline_sentiment"),
)
"""Read where those are too few: files, and the column of the class in each."""
STARTER = ROOT / "data_cards"
MAX_LENGTH = 64
"""Of a text, in tokens."""
SHAPE = {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
TOY = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
LINES, LABELLED, PAIRS = 16, 4, 8
"""For each text to train on so many lines to tokenise (and rows to prepare), and to label; for so many one pair."""


@dataclass(frozen=True)
class Rows:
    """Distinct texts in an order drawn once: ``labelled`` (text, class), and ``plain``."""

    labelled: list[tuple[str, int]]
    plain: list[str]
    source: str


def texts() -> Rows:
    """Tweets where they are present, else the corpora that ship."""
    real = TWEETS.exists()
    labelled = dict(_tweets(TWEETS, "label") if real else _starter_reviews())
    plain = list(labelled) if real else list(dict.fromkeys([*labelled, *_starter_posts()]))
    more = dict(row for path, column in MORE_TWEETS if real and path.exists() for row in _tweets(path, column))
    order = random.Random(0)
    chosen = sorted(labelled.items())
    order.shuffle(chosen)
    order.shuffle(plain)
    rest = sorted(row for row in more.items() if row[0] not in labelled)
    order.shuffle(rest)
    return Rows(chosen + rest, plain, "tweets" if real else "starter")


def _tweets(path: Path, column: str) -> Iterator[tuple[str, int]]:
    from pipeline.common.labels import LABEL_TO_ID

    with path.open(encoding="utf-8", newline="") as file:
        yield from ((row["text"], LABEL_TO_ID[row[column]]) for row in csv.DictReader(file))


def _starter_reviews() -> Iterator[tuple[str, int]]:
    with (STARTER / "starter-reviews" / "reviews.csv").open(encoding="utf-8", newline="") as file:
        yield from ((row["text"], (0, 0, 1, 2, 2)[int(row["stars"]) - 1]) for row in csv.DictReader(file))


def _starter_posts() -> Iterator[str]:
    yield from (STARTER / "starter-informal" / "informal.txt").read_text(encoding="utf-8").splitlines()
    for row in _jsonl(STARTER / "starter-general" / "general.jsonl"):
        yield from re.split(r"(?<=[.!?]) ", row["text"])


def _jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(each) for each in path.read_text(encoding="utf-8").splitlines()]


def write(folder: Path, *, count: int, toy: bool) -> dict[str, Any]:
    """Lay out model and texts as the stages read them; return the model's shape, and rows and tokens of each part."""
    from pipeline.common.files import write_json, write_jsonl
    from pipeline.models import loading

    found = texts()
    tokenizer, config = _model(folder / "tokenizer" / "model", found.plain, toy)
    write_json(folder / "tokenizer" / "coverage.json", {"first_row": len(tokenizer)})
    counts: dict[str, Any] = {}
    dev = max(8, count // 4)
    for role, rows in (("reviews", found.labelled), ("informal", [(text, 0) for text in found.plain])):
        kept = list(_short(tokenizer, rows, count + dev))
        for split, part in (("dev", kept[:dev]), ("train", kept[dev:])):
            named = [
                {"id": f"{role}:{split}:{place}", "text": text, "label": label}
                for place, (text, label, _) in enumerate(part)
            ]
            (folder / "prepare" / "texts" / role).mkdir(parents=True, exist_ok=True)
            write_jsonl(folder / "prepare" / "texts" / role / f"{split}.jsonl", named)
            counts[f"{role}_{split}"] = {"rows": len(part), "tokens": sum(length for *_, length in part)}
    write_json(folder / "prepare" / "corpora.json", {role: {"role": role} for role in ("reviews", "informal")})
    pairs = _jsonl(STARTER / "starter-pairs" / "minimal_pairs.jsonl")[: max(2, count // PAIRS)]
    sentences = [pair[side] for pair in pairs for side in ("good", "bad")]
    lengths = [len(ids) for ids in tokenizer(sentences)["input_ids"]]
    counts["pairs"] = {"rows": sum(lengths) - 2 * len(lengths), "tokens": sum((n - 2) * n for n in lengths)}
    lines = found.plain[: count * LINES]
    tokens = sum(map(len, tokenizer(lines, truncation=True, max_length=MAX_LENGTH)["input_ids"]))
    counts["lines"] = {"rows": len(lines), "tokens": tokens}
    counts |= {"prepare": {"rows": count * LINES, "tokens": 0}, "tasks": {"rows": count, "tokens": 0}}
    write_json(folder / "lines.json", lines)
    asked = lines[: count * LABELLED]
    tokens = sum(map(len, tokenizer(asked, truncation=True, max_length=MAX_LENGTH)["input_ids"]))
    counts["predict"] = {"rows": len(asked), "tokens": tokens}
    write_jsonl(folder / "predict.jsonl", ({"text": text} for text in asked))
    loading.save(
        loading.load_classifier(folder / "tokenizer" / "model"), tokenizer, folder / "classifier", emoji="none"
    )
    write_json(folder / "sentences.json", sentences)
    shape = [config.num_hidden_layers, config.hidden_size, config.intermediate_size, config.vocab_size]
    return {"shape": shape, "counts": counts, "source": found.source, "model": config.name_or_path or "random"}


def _short(tokenizer: Any, rows: Iterable[tuple[str, int]], count: int) -> Iterator[tuple[str, int, int]]:
    """The first ``count`` rows that no side has to cut, with their length in tokens."""
    for text, label in rows:
        length = len(tokenizer(text)["input_ids"]) if count else 0
        if 2 < length <= MAX_LENGTH:
            count -= 1
            yield text, label, length
        if not count:
            return


def _model(folder: Path, texts: list[str], toy: bool) -> tuple[Any, Any]:
    """The model in ``folder``, as it is downloaded, or random; its tokenizer and config."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from pipeline.learning import scratch
    from pipeline.models import loading

    if MINILM.is_dir() and not toy:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(MINILM.resolve(), target_is_directory=True)
        config = BertConfig.from_pretrained(folder)
        config.name_or_path = MINILM.name
        return loading.load_tokenizer(folder), config
    tokenizer = scratch.train_wordpiece(texts[: 500 if toy else None], 800 if toy else 30_522, 512)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer) if toy else 30_522, **(TOY if toy else SHAPE))
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer, config
