"""Batches, class weights and losses of tuning, by value."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.learning import tuning_steps
from pipeline.models import batches, loading
from pipeline.models.reader import Reader


def test_class_weights_by_hand() -> None:
    assert tuning_steps.class_weights([0, 0, 0, 1, 1, 2]).tolist() == pytest.approx([6 / 9, 1.0, 2.0])
    assert tuning_steps.class_weights([0, 2]).tolist() == pytest.approx([2 / 3, 0.0, 2 / 3])


def test_classes_count_the_same_within_each_corpus() -> None:
    labels, corpora = [0, 0, 0, 1, 2, 0, 1, 1, 2], ["a"] * 5 + ["b"] * 4
    assert tuning_steps.row_weights(labels, corpora) == pytest.approx(
        [5 / 9, 5 / 9, 5 / 9, 5 / 3, 5 / 3, 4 / 3, 2 / 3, 2 / 3, 4 / 3]
    )


def test_weighted_loss_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    outputs = SimpleNamespace(logits=logits)
    plain = tuning_steps.weighted_loss(0.0)(outputs, {"labels": torch.tensor([0, 2])})
    assert float(plain) == pytest.approx((math.log(2) - math.log(0.8)) / 2)
    batch = {"labels": torch.tensor([0, 2]), "extra": {"weights": torch.tensor([3.0, 1.0])}}
    weighted = tuning_steps.weighted_loss(0.0)(outputs, batch)
    assert float(weighted) == pytest.approx((3 * math.log(2) - math.log(0.8)) / 4)


def test_each_epoch_holds_every_text_once_with_its_label(toy_model: Path) -> None:
    tokenizer = loading.load_tokenizer(toy_model)
    texts = ["good " * (1 + index % 5) for index in range(20)]
    labels = [index % 3 for index in range(20)]
    epochs = [Reader(tokenizer, "none", 32).ids([text + mark for text in texts]) for mark in ("", "!")]
    feed = partial(batches.padded, padding=tokenizer.pad_token_id)
    made = tuning_steps.plan(epochs, labels, feed, batch_size=4, tokens_per_batch=1000, seed=0)
    assert len(made) == 10
    first = [made[place] for place in range(5)]
    assert sorted(int(label) for batch in first for label in batch["labels"]) == sorted(labels)
    bang = tokenizer.convert_tokens_to_ids("!")
    assert not any((batch["input_ids"] == bang).any() for batch in first)
    assert all((made[place]["input_ids"] == bang).any() for place in range(5, 10))
    batch = made[0]
    assert batch["attention_mask"].sum(dim=1).tolist() == (batch["input_ids"] != tokenizer.pad_token_id).sum(1).tolist()


def test_dev_logits_come_in_the_texts_order(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tuning_steps.FORWARD_TOKENS, "cpu", 8)  # so that there is more than one batch
    torch.manual_seed(0)
    model, tokenizer = loading.load_classifier(toy_model), loading.load_tokenizer(toy_model)
    ids = Reader(tokenizer, "none", 32).ids(["good", "bad food and rude staff", "the cat"])
    feed = partial(batches.padded, padding=tokenizer.pad_token_id)
    together = tuning_steps.dev_logits(model, ids, feed)
    alone = [tuning_steps.dev_logits(model, [row], feed)[0] for row in ids]
    assert together == pytest.approx(np.array(alone), abs=1e-5)
