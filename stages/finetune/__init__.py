"""Fine-tune the adapted encoder on reviews: low rates, early layers frozen or a retention budget, the best epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.files import remove, write_jsonl
from pipeline.corpora.cards import need
from pipeline.machine.stage import Stage
from stages.finetune import tuning
from stages.finetune.frontier import Ground, frontier_of, general_dev, take_best
from stages.finetune.settings import Settings
from stages.finetune.tuning import merged, reviews


def finetune(
    settings: Settings, *, seed: int, prepare: Path, tokenizer: Path, pretrain: Path, cache: Path, out: Path
) -> None:
    """Write ``model/`` (loads in plain transformers), ``adapter/`` with lora, ``history.jsonl``, ``finetune.json``, and
    ``frontier.json``: models between the base and the tuned one (layout: ``pipeline/measuring/frontier/score.py``).
    With a ``retention_budget`` the one chosen there is ``model/``; ``adapter/`` is the tuned one's in any case.

    With cross-validation ``model/`` is tuned with fold 0 held out, and ``folds/<n>.jsonl`` holds what models tuned with
    each other fold held out say of it: ``{"id", "probabilities", "plain": of the raw text}``.
    """
    from pipeline.corpora import prepared
    from pipeline.models import loading

    ground = Ground(tokenizer, pretrain / "model", general_dev(settings, prepare))
    folds = max((prepared.folds_of(prepare, corpus) for corpus in prepared.corpora_of(prepare, "reviews")), default=1)
    for fold in range(1, folds):
        _test_fold(settings, ground, prepare, seed, fold, cache, out)
    tuned = tuning.tuned(settings, ground.adapted, prepare, seed, 0, cache, out / "checkpoints" / "0")
    model = merged(settings, tuned, out / "adapter")
    told = frontier_of(settings, model, tuned, reviews(prepare, "dev", 0), ground)
    tuned.vocabulary.model_max_length = settings.max_length  # a plain pipeline then cuts texts where training did
    loading.save(model, tuned.vocabulary, out / "model", emoji=tuned.mode)
    chosen = {point["name"]: point["macro_recall"]["value"] for point in told["points"]}
    story = tuned.story | {
        "chosen": told["chosen"],
        "chosen_dev_macro_recall": chosen.get(told["chosen"], tuned.story["dev_macro_recall"]),
    }
    for name, content in (("finetune", story), ("frontier", told)):
        (out / f"{name}.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    write_jsonl(out / "history.jsonl", tuned.history)


def _test_fold(settings: Settings, ground: Ground, prepare: Path, seed: int, fold: int, cache: Path, out: Path) -> None:
    """Tune with a fold held out and write what the model says of it, unless an interrupted run has done so."""
    from pipeline.corpora import prepared
    from pipeline.measuring import scoring
    from pipeline.text import emoji

    path, folder = out / "folds" / f"{fold}.jsonl", out / "checkpoints" / str(fold)
    if path.exists():
        return
    tuned = tuning.tuned(settings, ground.adapted, prepare, seed, fold, cache, folder)
    model = tuned.model
    if settings.retention_budget is not None:  # what is tested is what would be taken
        model = merged(settings, tuned, folder / "adapter")
        take_best(settings, model, tuned, reviews(prepare, "dev", fold), ground)
    folded = [corpus for corpus in prepared.corpora_of(prepare, "reviews") if prepared.folds_of(prepare, corpus) > 1]
    rows = [row for corpus in folded for row in prepared.corpus_rows(prepare, corpus, "test", fold)]
    tables = scoring.both_readings(
        model,
        tuned.vocabulary,
        [emoji.as_model_reads(row["text"], tuned.mode) for row in rows],
        [row["raw"] for row in rows],
        max_length=settings.max_length,
    )
    told = zip(rows, *(table.tolist() for table in tables), strict=True)
    write_jsonl(path, ({"id": row["id"], "probabilities": read, "plain": raw} for row, read, raw in told))
    remove(folder)


def check(settings: Mapping[str, Any]) -> None:
    """Refuse to tune without reviews, and to keep a share of general English without any."""
    own, prepare = settings["finetune"], settings["prepare"]
    need(["reviews"], "finetune learns from reviews", prepare.corpora, prepare.data_root)
    if own.retention_budget is not None:
        why = "finetune.retention_budget is measured on general text"
        need(["general"], why, prepare.corpora, prepare.data_root)


STAGE = Stage(
    finetune,
    makes=("model", "history.jsonl", "finetune.json", "frontier.json"),
    may_make=("adapter", "folds"),
    version=9,
    check=check,
    resumes=True,
)
