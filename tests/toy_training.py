"""A toy training run: a dozen updates of a toy BERT on toy sentences, which tests interrupt and take up again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from pipeline.learning import adaptation, freezing, loop
from pipeline.learning.options import Compute
from pipeline.models import loading
from tests.toys import SENTENCES

SCHEDULE = loop.Schedule(
    steps=12,
    eval_steps=4,
    warmup_ratio=0.1,
    patience=None,
    metric="general_dev_loss",
    greater_is_better=False,
    seed=3,
    compute=Compute(checkpoint_seconds=1e-9, precision="fp32"),
)


class Crash(TrainerCallback):
    """A power cut before an update."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise RuntimeError("power cut")


def run(
    toy_model: Path,
    folder: Path,
    *callbacks: TrainerCallback,
    touch: Callable[..., None] | None = None,
    losses: Sequence[float] = (),
    penalty: Callable[[Any], loop.Penalty] | None = None,
    optimizer: Callable[[loop.Groups], torch.optim.Optimizer] = loop.adamw,
    observer: loop.Observer | None = None,
    frozen: freezing.FreezingSchedule = freezing.FreezingSchedule((0,)),  # noqa: B008
    **changes: Any,
):
    """Pretrain the toy on toy sentences; return model, outcome, history. ``losses`` stand in for those on dev text."""
    schedule = replace(SCHEDULE, **changes)
    torch.manual_seed(0)  # of the pooler, which the toy lacks
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    windows = adaptation.cut(tokenizer, SENTENCES * 6, 32)
    nothing = adaptation.Windows()
    budget = adaptation.Budget(1000, schedule.steps * schedule.gradient_accumulation_steps * 200, 128)
    order = adaptation.batches_within(nothing, windows, 1.0, budget, 0)
    masking = adaptation.Masking.of(tokenizer, 0.15, False, 0)
    if touch:
        touch(model)
    figures = adaptation.dev_losses({"general": windows.take(range(8))}, masking, 128)
    given = iter(losses)
    outcome, history = loop.train(
        model,
        adaptation.plan(windows, order, masking),
        schedule,
        groups=freezing.parameter_groups(model, learning_rate=1e-3, weight_decay=0.01),
        figures=(lambda _: {"general_dev_loss": next(given)}) if losses else figures,
        folder=folder,
        optimizer=optimizer,
        observer=observer,
        penalty=penalty(model) if penalty else None,
        callbacks=[*callbacks, *frozen.callbacks(model)],
    )
    return model, outcome, history


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(one.state_dict()[name], weight) for name, weight in other.state_dict().items())
