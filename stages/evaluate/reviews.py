"""How well one tuned model tells the classes apart, beside the floor, from stored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.files import digest, read_jsonl, write_jsonl
from pipeline.memo import Remember
from stages.evaluate.settings import Rows, Settings


def score_reviews(
    settings: Settings, corpus: str, prepare: Path, finetune: Path, remember: Remember, out: Path
) -> dict[str, Any]:
    """Predict the test texts three ways (as prepared, as raw text, by the floor), store it, and score it."""
    from pipeline.metrics.scorecard import compared
    from pipeline.text.emojis import has_emoji
    from pipeline.text.prepared import corpus_rows, folds_of

    folds = range(folds_of(prepare, corpus))
    tests = [corpus_rows(prepare, corpus, "test", fold) for fold in folds]
    test = [row for rows in tests for row in rows]
    if not test:
        raise InputError(f"corpus {corpus}: no test texts, so nothing can be scored; give its card a test split")
    labels, emoji = [row["label"] for row in test], [has_emoji(row["text"]) for row in test]
    tested_in = [fold for fold, rows in enumerate(tests) for _ in rows] if len(tests) > 1 else None
    found, plain = _probabilities(settings, finetune, tests)
    floor = _floor(corpus, prepare, folds, remember)
    predicted, from_raw, floored = (table.argmax(axis=1).tolist() for table in (found, plain, floor["probabilities"]))
    for folder, table, more in (
        ("predictions", found, {"predicted": predicted, "plain": from_raw}),
        ("floor", floor["probabilities"], {"predicted": floored}),
    ):
        columns = {
            "id": [row["id"] for row in test],
            "label": labels,
            "probabilities": table.tolist(),
            "emoji": emoji,
            **({"fold": tested_in} if tested_in else {}),
            **more,
        }
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        write_jsonl(out / folder / f"{corpus}.jsonl", rows)
    card = compared(labels, emoji, predicted, floored, from_raw, tested_in, draws=settings.draws, seed=settings.seed)
    return {**card, "floor_settings": floor["settings"]}


def _probabilities(settings: Settings, finetune: Path, tests: Sequence[Rows]) -> tuple[Any, Any]:
    """Class probabilities [n, 3] of the texts as prepared, and of the raw texts as a plain pipeline reads them.

    The model tests fold 0 (or the only test split); the other folds were tested when their models were tuned.
    """
    import numpy as np

    from pipeline.modeling import models, scoring
    from pipeline.text.emojis import as_model_reads

    model = finetune / "model"
    mode, tokenizer = models.emoji_mode(model), models.load_tokenizer(model)
    own = scoring.both_readings(
        models.load_classifier(model),
        tokenizer,
        [as_model_reads(row["text"], mode) for row in tests[0]],
        [row["raw"] for row in tests[0]],
        tokens_per_batch=settings.tokens_per_batch,
        max_length=tokenizer.model_max_length,
    )
    tables = [[table] for table in own]
    for fold, rows in enumerate(tests[1:], start=1):
        told = {row["id"]: row for row in read_jsonl(finetune / "folds" / f"{fold}.jsonl")}
        for table, column in zip(tables, ("probabilities", "plain"), strict=True):
            table.append(np.array([told[row["id"]][column] for row in rows]).reshape(-1, 3))
    as_prepared, from_raw = (np.concatenate(table) for table in tables)
    return as_prepared, from_raw


def _floor(corpus: str, prepare: Path, folds: range, remember: Remember) -> dict[str, Any]:
    """Settings (of fold 0) and probabilities of the floor on all test texts; remembered, as equal for all arms."""
    import numpy as np
    import sklearn

    from pipeline.modeling import floor
    from pipeline.text.prepared import corpus_rows

    questions = []
    for fold in folds:
        rows = [corpus_rows(prepare, corpus, split, fold) for split in ("train", "dev", "test")]
        train, dev, test = ([(row["text"], row["label"]) for row in split] for split in rows)
        key = ["floor", floor.VERSION, sklearn.__version__, digest([train, dev, test])]
        questions.append((key, partial(floor.floor_scores, train, dev, [text for text, _ in test])))
    found = remember(questions)
    tables = [np.asarray(fold["probabilities"]).reshape(-1, 3) for fold in found]
    return {**found[0], "probabilities": np.concatenate(tables)}
