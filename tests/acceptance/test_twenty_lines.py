"""What a user would write first, on the reviews of `make all`: the published encoder, plain Trainer, emoji as names.

Run by hand, a quarter of an hour of one core: ``pytest -s -m acceptance --timeout 0
tests/acceptance/test_twenty_lines.py`` after `make all`. ``RETONE_STORE`` and ``SEED`` name another store and seed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.corpora import prepared
from pipeline.corpora.stored_rows import Rows
from pipeline.measuring.statistics.classification import METRICS
from pipeline.measuring.statistics.comparison import classified, minus
from tests.acceptance.test_real_text import ROOT

STORE = Path(os.environ.get("RETONE_STORE", ROOT / "artifacts"))
RUN = STORE / "runs" / "starter.json"
CORPUS = "starter-reviews"


def plainly_tuned(train: Rows, test: Rows, folder: Path, seed: int) -> list[int]:
    """The class of each test text; three of six layers frozen, 1e-4, three epochs, as one would do without Retone."""
    import emoji
    import torch
    from transformers import (
        AutoTokenizer,
        BertForSequenceClassification,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from pipeline.models import sources

    base = sources.resolve("minilm", None)
    tokenizer: Any = AutoTokenizer.from_pretrained(base)

    def read(rows: Rows) -> list[dict[str, Any]]:
        texts = [emoji.demojize(row["text"], delimiters=(" ", " ")).replace("_", " ") for row in rows]
        ids = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
        return [{"input_ids": each, "label": row["label"]} for each, row in zip(ids, rows, strict=True)]

    set_seed(seed)
    model = BertForSequenceClassification.from_pretrained(base, num_labels=3)
    for part in (model.bert.embeddings, *model.bert.encoder.layer[:3]):
        part.requires_grad_(False)
    arguments = TrainingArguments(
        str(folder),
        learning_rate=1e-4,
        num_train_epochs=3,
        per_device_train_batch_size=16,
        save_strategy="no",
        report_to="none",
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = Trainer(model, arguments, DataCollatorWithPadding(tokenizer), train_dataset=read(train))
    trainer.train()
    return [int(place) for place in trainer.predict(read(test)).predictions.argmax(axis=1)]


@pytest.mark.acceptance
@pytest.mark.skipif(not RUN.is_file(), reason="`make all` has left no run of the starter in artifacts/")
def test_full_beats_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = json.loads(RUN.read_text(encoding="utf-8"))["full#0"]
    prepare, evaluated = (STORE / stage / run[stage][:16] for stage in ("prepare", "evaluate"))
    train, test = (prepared.corpus_rows(prepare, CORPUS, split) for split in ("train", "test"))
    lines = (evaluated / "predictions" / f"{CORPUS}.jsonl").read_text(encoding="utf-8").splitlines()
    ours = {row["id"]: row for row in map(json.loads, lines)}
    plain = np.array(plainly_tuned(train, test, tmp_path, int(os.environ.get("SEED", "0"))))
    labels, full = (np.array([ours[row["id"]][column] for row in test]) for column in ("label", "predicted"))
    with_emoji = np.array([bool(ours[row["id"]]["emoji"]) for row in test])
    leads = {}
    for name, own in (("all texts", with_emoji | True), ("with emoji", with_emoji), ("without", ~with_emoji)):
        two = [classified(labels[own], found[own], METRICS["macro_recall"]) for found in (full, plain)]
        lead = leads[name] = minus(*two, draws=4000, seed=0)
        with capsys.disabled():
            print(f"\n{name}: full {100 * two[0].value:.1f}, twenty lines {100 * two[1].value:.1f}", end="; ")
            print(f"{100 * lead.value:+.1f} ({100 * lead.low:+.1f} to {100 * lead.high:+.1f})", end="")
    assert leads["all texts"].low > 0
