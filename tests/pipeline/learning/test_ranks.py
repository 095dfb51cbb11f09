"""One training by several processes makes the updates that one makes, and rank 0 alone decides and writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from pipeline.common.errors import InputError
from pipeline.learning import checkpoints, freezing, loop, ranks, tuning
from pipeline.learning.options import Compute
from stages import finetune, pretrain, source, tokenizer
from tests.test_story import write_place
from tests.toy_texts import write_prepared
from tests.toy_training import Crash, run, same

ROOT = Path(__file__).parents[3]
QUICK: dict[str, Any] = {"tokens_per_batch": 256, "compute": {"precision": "fp32"}, "regularisation": {"dropout": 0.0}}
PRETRAIN: dict[str, Any] = {
    **QUICK,
    "num_train_epochs": 2,
    "evaluations": 4,
    "dev_windows": 8,
    "freezing": {"layers": 0},
    "distillation": {"cls": 0.5, "states": 1.0},
    "emoji_prediction": {"weight": 0.5},
}
FINETUNE: dict[str, Any] = {
    **QUICK,
    "regularisation": {"dropout": 0.0, "l2_sp": 0.1},
    "freezing": {"layers": 0, "schedule": "gradual", "every_epochs": 1},
    "gradient_accumulation_steps": 2,
    "num_train_epochs": 4,
    "patience": None,
    "batch_size": 7,
    "distillation": {"states": 1.0},
    "replay": {"mlm": 0.5, "states": 0.5, "windows": 8, "windows_per_batch": 3},
}
Told = tuple[dict[str, Any], list[dict[str, float]], dict[str, Any]]
"""What a training says of itself, its history, and its weights."""


@pytest.fixture(scope="module")
def start(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("start")
    at = {name: root / name for name in ("prepare", "source", "tokenizer")}
    for folder in at.values():
        folder.mkdir()
    write_prepared(at["prepare"])
    source.source(source.Settings(model=str(toy_model)), prepare=at["prepare"], out=at["source"])
    tokenizer.tokenizer(tokenizer.Settings(), prepare=at["prepare"], source=at["source"], out=at["tokenizer"])
    return at


def trainings(at: dict[str, Path], folder: Path) -> list[Told]:
    """An adaptation and a tuning."""
    settings = pretrain.Settings(**PRETRAIN)
    model, _, story, history = pretrain._adapted(settings, at["prepare"], at["tokenizer"], folder / "adaptation")
    tuned = tuning.tuned(
        finetune.Settings(**FINETUNE), at["tokenizer"] / "model", at["prepare"], 0, 0, folder / "cache", folder / "tuning"
    )
    return [(story, history, dict(model.state_dict())), (tuned.story, tuned.history, dict(tuned.model.state_dict()))]


@pytest.fixture(scope="module")
def alone(start: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    return ranks.together(1, trainings, start, tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("size", [2, 4])
def test_so_many_processes_make_the_updates_of_one(
    start: dict[str, Path], alone: list[Told], tmp_path: Path, size: int
) -> None:
    """The same batches in the same order, each text once; means over rows, hidden tokens, held tokens, whole texts."""
    shared = ranks.together(size, trainings, start, tmp_path)
    for (story, history, weights), (other, found, learnt) in zip(alone, shared, strict=True):
        exact = {name: value for name, value in story.items() if not isinstance(value, float)}
        assert {name: other[name] for name in exact} == exact
        assert other == {name: pytest.approx(value, abs=1e-6) for name, value in story.items() if name not in exact} | exact
        assert len(history) >= 4
        assert [row.keys() for row in found] == [row.keys() for row in history]
        for row, one in zip(history, found, strict=True):
            assert one == pytest.approx(row, abs=1e-6)
        moved = max(float((learnt[name] - weight).abs().max()) for name, weight in weights.items())
        assert moved < 1e-4
