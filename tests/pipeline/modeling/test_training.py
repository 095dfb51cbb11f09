"""The training loop: exact resume, whole checkpoints, honest losses, and nothing that fails in silence."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from pipeline.errors import InputError
from pipeline.modeling import checkpoints, layers, models, pretraining, training
from tests.toys import SENTENCES

SCHEDULE = training.Schedule(
    steps=12,
    eval_steps=4,
    warmup_ratio=0.1,
    patience=None,
    metric="general_dev_loss",
    greater_is_better=False,
    seed=3,
    checkpoint_seconds=0.0,
    precision="fp32",
)


class _Crash(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise RuntimeError("power cut")


def run(
    toy_model: Path, folder: Path, *callbacks: TrainerCallback, touch: Callable[..., None] | None = None, **changes: Any
):
    """Pretrain the toy on toy sentences; return model, outcome, history."""
    schedule = replace(SCHEDULE, **changes)
    torch.manual_seed(0)  # of the pooler, which the toy lacks
    model, tokenizer = models.load_masked_lm(toy_model), models.load_tokenizer(toy_model)
    windows = pretraining.cut(tokenizer, SENTENCES * 6, 32)
    nothing = pretraining.Windows([], [])
    budget = pretraining.Budget(1000, schedule.steps * schedule.gradient_accumulation_steps * 200, 128)
    order = pretraining.batches_within(nothing, windows, 1.0, budget, 0)
    masking = pretraining.Masking.of(tokenizer, 0.15, False, 0)
    if touch:
        touch(model)
    outcome, history = training.train(
        model,
        pretraining.plan(windows, order, masking),
        schedule,
        groups=layers.parameter_groups(model, learning_rate=1e-3, weight_decay=0.01),
        figures=pretraining.dev_losses({"general": windows.first(8)}, masking, 128),
        folder=folder,
        callbacks=list(callbacks),
    )
    return model, outcome, history


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(one.state_dict()[name], weight) for name, weight in other.state_dict().items())


@pytest.fixture(scope="module")
def undisturbed(toy_model: Path, tmp_path_factory: pytest.TempPathFactory):
    return run(toy_model, tmp_path_factory.mktemp("undisturbed"))


def test_it_learns_and_tells_how(undisturbed) -> None:
    _, outcome, history = undisturbed
    assert (outcome.steps, outcome.stopped) == (12, "done")
    losses = [row["general_dev_loss"] for row in history if "general_dev_loss" in row]
    assert losses[-1] < losses[0]
    assert outcome.best == min(losses)
    assert all("runtime" not in key for row in history for key in row)


@pytest.mark.parametrize("step", [1, 5, 11])
def test_after_a_crash_it_ends_as_if_nothing_had_been(toy_model: Path, tmp_path: Path, undisturbed, step: int) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, tmp_path, _Crash(step))
    model, outcome, history = run(toy_model, tmp_path)
    assert same(model, undisturbed[0])
    assert (outcome, history) == undisturbed[1:]


def test_a_damaged_checkpoint_is_set_aside_and_an_older_one_used(toy_model: Path, tmp_path: Path, undisturbed) -> None:
    with pytest.raises(RuntimeError):
        run(toy_model, tmp_path, _Crash(9))
    newest = max(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"):
        broken = tmp_path / "broken"
        shutil.copytree(newest, broken)
        (broken / name).unlink()
        assert not checkpoints.is_complete(broken), name
        shutil.rmtree(broken)
    weights = newest / "model.safetensors"
    flipped = bytearray(weights.read_bytes())
    flipped[-5] ^= 1
    weights.write_bytes(flipped)
    model, *_ = run(toy_model, tmp_path)
    assert (tmp_path / f"damaged-{newest.name}").exists()
    assert same(model, undisturbed[0])


def test_a_signal_saves_and_the_run_is_not_complete(toy_model: Path, tmp_path: Path, undisturbed) -> None:
    class Terminate(TrainerCallback):
        def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            if state.global_step == 6:
                os.kill(os.getpid(), signal.SIGTERM)

    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            run(toy_model, tmp_path, Terminate(), checkpoint_seconds=1e9)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]  # what was to happen happens, after the checkpoint
    assert checkpoints.is_complete(tmp_path / "checkpoint-7")
    model, outcome, history = run(toy_model, tmp_path)
    assert same(model, undisturbed[0])
    assert (outcome, history) == undisturbed[1:]


def test_accumulated_batches_count_as_one(toy_model: Path, tmp_path: Path) -> None:
    """Four quarters of a batch give the loss of the whole: transformers scales BERT's by four unless told otherwise."""
    for index, accumulation in enumerate((1, 4)):
        _, _, history = run(
            toy_model, tmp_path / str(index), steps=2, eval_steps=1, gradient_accumulation_steps=accumulation
        )
        losses = [row["train_loss"] for row in history if "train_loss" in row]
        assert losses[0] == pytest.approx(6.0, abs=0.6), accumulation  # ln(vocabulary) = 5.5 to 6, not four times that


def test_gradients_of_accumulated_batches_are_their_mean(toy_model: Path, tmp_path: Path) -> None:
    """With plain SGD-like comparison out of reach in AdamW, the first moments tell: they hold the mean gradient."""
    norms = {}

    class Norm(TrainerCallback):
        def __init__(self, key: int) -> None:
            self.key = key

        def on_pre_optimizer_step(self, *_: Any, model: Any = None, **__: Any) -> None:
            grads = [weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
            norms.setdefault(self.key, float(torch.stack(grads).norm()))

    for accumulation in (1, 4):
        run(
            toy_model,
            tmp_path / str(accumulation),
            Norm(accumulation),
            steps=1,
            eval_steps=1,
            gradient_accumulation_steps=accumulation,
            max_grad_norm=1e9,
        )
    assert norms[4] < 1.5 * norms[1]


def test_a_loss_that_is_not_finite_stops_it(toy_model: Path, tmp_path: Path) -> None:
    def poison(model: Any) -> None:
        with torch.no_grad():
            model.bert.encoder.layer[0].output.dense.weight.fill_(float("nan"))

    with pytest.raises(InputError, match="loss is nan at step 1"):
        run(toy_model, tmp_path, touch=poison)


def test_frozen_means_bit_identical(toy_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = models.load_masked_lm(toy_model)
    model, *_ = run(toy_model, tmp_path, touch=lambda model: layers.freeze_prefix(model, 1))
    for name, weight in before.state_dict().items():
        held = name.startswith(
            ("bert.embeddings", "bert.encoder.layer.0", "bert.pooler", "cls.predictions.decoder.weight")
        )
        assert torch.equal(weight, model.state_dict()[name]) == held, name


def test_some_rows_at_another_rate_is_a_group_of_their_own(toy_model: Path) -> None:
    """By value: AdamW at three times the rate on a copy of those rows."""
    embeddings = torch.nn.Embedding(6, 4)
    copy = torch.nn.Parameter(embeddings.weight.detach()[4:].clone())
    ours = torch.optim.AdamW([embeddings.weight], lr=0.01, weight_decay=0.1)
    theirs = torch.optim.AdamW([copy], lr=0.03, weight_decay=0.1)
    rates = training.RowRates(embeddings, 4, 3.0)
    for step in range(5):
        gradient = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
        embeddings.weight.grad, copy.grad = gradient.clone(), gradient[4:].clone()
        rates.on_pre_optimizer_step()
        ours.step()
        rates.on_optimizer_step()
        theirs.step()
    torch.testing.assert_close(embeddings.weight[4:], copy)


def test_early_stopping_keeps_the_best(toy_model: Path, tmp_path: Path) -> None:
    scores = iter([3.0, 1.0, 2.0, 2.5, 9.0, 9.0])
    model, tokenizer = models.load_masked_lm(toy_model), models.load_tokenizer(toy_model)
    windows = pretraining.cut(tokenizer, SENTENCES * 20, 32)
    masking = pretraining.Masking.of(tokenizer, 0.15, False, 0)
    budget = pretraining.Budget(1000, 10_000, 128)
    order = pretraining.batches_within(pretraining.Windows([], []), windows, 1.0, budget, 0)
    outcome, _ = training.train(
        model,
        pretraining.plan(windows, order, masking),
        replace(SCHEDULE, steps=40, eval_steps=4, patience=2),
        groups=layers.parameter_groups(model, learning_rate=1e-3),
        figures=lambda _: {"general_dev_loss": next(scores)},
        folder=tmp_path,
    )
    assert outcome == training.Outcome(steps=16, stopped="early", best_step=8, best=1.0)
