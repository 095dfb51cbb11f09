"""How well one tuned model tells the classes apart, beside the floors, from stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from pipeline.common.cache import Question, Remember
from pipeline.common.errors import InputError
from pipeline.common.files import digest, read_jsonl, write_jsonl
from pipeline.common.labels import FLOORS
from pipeline.corpora.prepared import corpus_rows, folds_of, languages
from pipeline.corpora.stored_rows import Rows, StoredRows, columns_of
from pipeline.measuring import scoring
from pipeline.measuring.layers import ask as layers_ask
from pipeline.measuring.options import Options
from pipeline.measuring.reviews import feature_baseline, tfidf_baseline
from pipeline.measuring.reviews.score import compared
from pipeline.measuring.statistics.sampling import fixed_places
from pipeline.models import loading, sources
from pipeline.models.reader import Reader
from pipeline.text.emoji import demojize, has_emoji, named_in

Labelled = list[tuple[str, int]]
"""(text, label id) of each row."""
_Dealt = tuple[StoredRows, StoredRows, Rows]
"""Train, dev and test of a fold."""
FLOOR_TEXTS = {"tfidf": 100_000, "features": 10_000}
"""At most so many training texts of a fold, evenly of each class: a floor holds what it reads of all of them."""


def score_reviews(
    settings: Options,
    corpus: str,
    prepare: Path,
    base: Path,
    finetune: Path,
    remember: Remember,
    out: Path,
    known: scoring.Known | None = None,
    *,
    sources: Sequence[str] = (),
) -> dict[str, Any]:
    """Predict the test texts as prepared, as raw text and by the floors, store it, and score it.

    Args:
        sources: the corpora whose labels the floors learn from; none: ``corpus`` itself.
        known: what the tuned model has said; grows by what it says here.
    """
    folds = range(folds_of(prepare, corpus))
    tests = [corpus_rows(prepare, corpus, "test", fold) for fold in folds]
    test = StoredRows.joined(tests)
    if not test:
        raise InputError(f"corpus {corpus}: no test texts, so nothing can be scored; give its card a test split")
    ids, labels = columns_of(test, "id", "label")
    emoji = [has_emoji(row["text"]) for row in test]
    tested_in = [fold for fold, rows in enumerate(tests) for _ in rows] if len(tests) > 1 else None
    found, plain = _probabilities(settings, finetune, tests, known)
    floors = _floors(settings, sources or [corpus], prepare, base, tests, remember)
    predicted, from_raw = (table.argmax(axis=1).tolist() for table in (found, plain))
    for folder, table, more in (
        ("predictions", found, {"predicted": predicted, "plain": from_raw}),
        *(
            (f"floors/{name}", told["probabilities"], {"predicted": told["probabilities"].argmax(axis=1).tolist()})
            for name, told in floors.items()
        ),
    ):
        columns = {
            "id": ids,
            "label": labels,
            "probabilities": (row.tolist() for row in table),
            "emoji": emoji,
            **({"fold": tested_in} if tested_in else {}),
            **more,
        }
        rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        write_jsonl(out / folder / f"{corpus}.jsonl", rows)
    found_of = compared(labels, emoji, predicted, from_raw, tested_in, draws=settings.draws, seed=settings.seed)
    return found_of | {"floors": {name: told["settings"] for name, told in floors.items()}}


def _probabilities(
    settings: Options, finetune: Path, tests: Sequence[Rows], known: scoring.Known | None
) -> tuple[Any, Any]:
    """Class probabilities [n, 3] of the texts as prepared, and of the raw texts as a plain pipeline reads them.

    The model tests fold 0 (or the only test split); the other folds were tested when their models were tuned.
    """
    model = finetune / "model"
    classifier, reader = loading.load_classifier(model), Reader.of(model)
    ids, plain = reader.ids(row["text"] for row in tests[0]), reader.plain_ids(row["raw"] for row in tests[0])
    own = scoring.both_readings(classifier, ids, plain, settings.tokens_per_batch, known)
    tables = [[table] for table in own]
    for fold, rows in enumerate(tests[1:], start=1):
        told = {row["id"]: row for row in read_jsonl(finetune / "folds" / f"{fold}.jsonl")}
        for table, column in zip(tables, ("probabilities", "plain"), strict=True):
            table.append(np.array([told[row["id"]][column] for row in rows]).reshape(-1, 3))
    as_prepared, from_raw = (np.concatenate(table) for table in tables)
    return as_prepared, from_raw


def _floors(
    settings: Options, sources: Sequence[str], prepare: Path, base: Path, tests: Sequence[Rows], remember: Remember
) -> dict[str, dict[str, Any]]:
    """Options (of fold 0) and probabilities of each floor on all test texts; remembered, as equal for all arms."""
    dealt = []
    for fold, test in enumerate(tests):
        train, dev = (
            StoredRows.joined(corpus_rows(prepare, corpus, split, fold) for corpus in sources)
            for split in ("train", "dev")
        )
        dealt.append((train, dev, test))
    codes = (code for corpus in sources for code in languages(prepare)[corpus])
    named = partial(demojize, language=named_in(codes))
    questions = {"tfidf": _tfidf(dealt), "features": _features(settings, base, dealt, named)}
    answers = remember([questions[name] for name in FLOORS])
    tables = [[np.asarray(fold["probabilities"]).reshape(-1, 3) for fold in answer] for answer in answers]
    return {
        name: {"settings": answer[0]["settings"], "probabilities": np.concatenate(table)}
        for name, answer, table in zip(FLOORS, answers, tables, strict=True)
    }


def _tfidf(dealt: Sequence[_Dealt]) -> Question:
    """The TF-IDF floor, asked of train, dev and test rows of each fold."""
    folds = [_as_fold(_some(train, "tfidf"), dev, test) for train, dev, test in dealt]
    key = ["tfidf floor", tfidf_baseline.VERSION, sklearn.__version__, digest(folds)]
    return key, partial(tfidf_baseline.floor_scores, folds)


def _features(settings: Options, base: Path, dealt: Sequence[_Dealt], named: Callable[[str], str]) -> Question:
    """The feature floor, asked of the same rows with emoji in words."""
    folds = [_as_fold(_some(train, "features"), dev, test, named) for train, dev, test in dealt]
    reads = [sources.weight_digests(base), loading.how_it_reads(loading.load_tokenizer(base)), settings.max_length]
    key = ["feature floor", feature_baseline.VERSION, layers_ask.VERSION, sklearn.__version__, *reads, digest(folds)]
    scores = partial(feature_baseline.feature_floor_scores, max_length=settings.max_length)
    return key, partial(scores, base, folds, tokens_per_batch=settings.tokens_per_batch)


def _some(train: StoredRows, floor: str) -> StoredRows:
    """The training rows that a floor learns from."""
    most = FLOOR_TEXTS[floor]
    return train if len(train) <= most else train.take(fixed_places(train, most, 0, by="label"))


def _as_fold(
    train: Rows, dev: Rows, test: Rows, read: Callable[[str], str] = str
) -> tuple[Labelled, Labelled, list[str]]:
    """The rows of a fold as floors are given them; the truth of test texts is kept from them."""
    labelled = [[(read(row["text"]), row["label"]) for row in rows] for rows in (train, dev)]
    return labelled[0], labelled[1], [read(row["text"]) for row in test]
