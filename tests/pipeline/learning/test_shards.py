"""Shards of a batch: their losses, each by its share, sum to the loss of the whole, and so do their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.learning import adaptation, distillation, emoji_prediction, freezing, general_text, loop, tuning_steps
from pipeline.learning.frozen_cache import States, key
from pipeline.learning.held_states import HeldStates, held_term
from pipeline.learning.options import AdaptationDistillation, Replay
from pipeline.learning.shards import shard
from pipeline.models import loading
from pipeline.models.batches import padded
from pipeline.models.reader import Reader
from tests.toys import SENTENCES

HIDDEN = 32
Made = tuple[Any, Any, dict[str, Any]]
"""A model, an objective, and a batch."""


def classes(toy_model: Path) -> Made:
    """Weighed classes with states held, of the texts and of text beside them, where tokens are hidden, too."""
    torch.manual_seed(0)
    model, tokenizer = loading.load_classifier(toy_model), loading.load_tokenizer(toy_model)
    reader = Reader(tokenizer, "none", 32)
    ids = reader.ids(SENTENCES[:7])
    windows = adaptation.cut(tokenizer, SENTENCES, 16)
    draw = np.random.default_rng(0)
    states = {key(row): draw.normal(size=(len(row), HIDDEN)).astype(np.float32) for row in [*ids, *windows.ids]}
    held = HeldStates(States(2, states), 1.5)
    beside = general_text.Beside(
        windows.take(range(5)),
        general_text.masking_of(reader, windows, 0),
        Replay(states=0.7, mlm=0.4, windows_per_batch=3),
        held,
    )
    plan = tuning_steps.plan(
        [ids],
        [0, 1, 2, 0, 0, 1, 0],
        lambda rows: padded(rows, tokenizer.pad_token_id),
        weights=np.array([0.5, 2.0, 3.0, 0.5, 0.5, 2.0, 0.5], np.float32),
        held=held,
        beside=lambda place: beside.batch(place, None),
        batch_size=7,
        tokens_per_batch=1000,
        seed=0,
    )
    own = loop.summed(tuning_steps.weighted_loss(0.1), [(1.0, held_term)])
    return model, beside.objective(own, loading.load_masked_lm(toy_model)), plan[0]


def plain_classes(toy_model: Path) -> Made:
    """Classes without weights."""
    model, _, batch = classes(toy_model)
    del batch["extra"]["weights"]
    return model, loop.summed(tuning_steps.weighted_loss(0.0)), batch


def masked(toy_model: Path, lesson: AdaptationDistillation | None = None) -> Made:
    """Masked tokens; and a lesson of a teacher, with emoji to be told."""
    torch.manual_seed(0)
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    windows = adaptation.cut(tokenizer, SENTENCES[:7], 32, taught=lambda text: text)
    masking = adaptation.Masking.of(tokenizer, 0.3, False, 0)
    if lesson is None:
        return model, loop.summed(), adaptation.plan(windows, [range(7)], masking)[0]
    teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught, 0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)
    told = distillation.Lesson(teacher, lesson)
    batch = adaptation.plan(windows, [range(7)], masking, told)[0]
    return model, loop.summed(terms=told.terms), batch


def emoji(toy_model: Path) -> Made:
    """Emoji to be told by [CLS], in some of the texts."""
    torch.manual_seed(0)
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    windows = adaptation.cut(tokenizer, SENTENCES[:7], 32)
    first = len(tokenizer) - 100  # as if these were emoji
    masking = replace(adaptation.Masking.of(tokenizer, 0.15, False, 0), first_emoji=first, emoji_share=0.7)
    batch = adaptation.plan(windows, [range(7)], masking)[0]
    assert 1 < len(batch["extra"]["emoji"][0].unique()) < 7
    return model, loop.summed(terms=[(0.5, emoji_prediction.emoji_term(model.cls, first))]), batch


KINDS: dict[str, Callable[[Path], Made]] = {
    "classes": classes,
    "classes, unweighed": plain_classes,
    "masked": masked,
    "a teacher's means": lambda toy: masked(toy, AdaptationDistillation(cls=0.5, mean=0.7, states=0.9)),
    "a teacher's states": lambda toy: masked(toy, AdaptationDistillation(states=0.9)),
    "emoji": emoji,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 4, 9])
def test_shares_of_all_shards_are_the_whole(toy_model: Path, kind: str, size: int) -> None:
    model, objective, batch = KINDS[kind](toy_model)
    freezing.set_dropout(model, 0.0)

    def told(shards: list[dict[str, Any]]) -> tuple[float, dict[str, torch.Tensor]]:
        model.zero_grad()
        losses = [objective(model, one) for one in shards]
        for loss in losses:
            loss.backward()
        gradients = {name: part.grad.clone() for name, part in model.named_parameters() if part.grad is not None}
        return sum(loss.item() for loss in losses), gradients

    loss, gradients = told([batch])
    parts, summed = told([shard(batch, rank, size) for rank in range(size)])
    assert parts == pytest.approx(loss, rel=1e-6)
    assert summed.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(summed[name], gradient, atol=1e-6, rtol=1e-4)


def test_a_shard_has_no_more_padding_than_its_own_rows(toy_model: Path) -> None:
    _, _, batch = masked(toy_model)
    parts = [shard(batch, rank, 2) for rank in range(2)]
    assert sum(len(part["input_ids"]) for part in parts) == len(batch["input_ids"])
    for part in parts:
        assert part["attention_mask"].sum(dim=1).max() == part["input_ids"].shape[1]
        assert sum(int(one["attention_mask"].sum()) for one in parts) == int(batch["attention_mask"].sum())
