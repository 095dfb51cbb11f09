"""The training loop: exact resume, honest losses, and nothing that fails in silence."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState

from pipeline.common.errors import InputError
from pipeline.learning import adaptation, callbacks, checkpoints, freezing, loop, tuning_steps
from pipeline.learning.options import Compute
from pipeline.models import loading
from pipeline.models.batches import BatchPlan, padded
from pipeline.models.reader import Reader
from tests.toy_training import SCHEDULE, Crash, run, same
from tests.toys import SENTENCES


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


def test_a_bar_says_whose_it_is(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "name", "finetune full#0")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(toy_model, tmp_path)
    assert "finetune full#0: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("step", [1, 5, 11])
def test_after_a_crash_it_ends_as_if_nothing_had_been(toy_model: Path, tmp_path: Path, undisturbed, step: int) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, tmp_path, Crash(step))
    model, outcome, history = run(toy_model, tmp_path)
    assert same(model, undisturbed[0])
    assert (outcome, history) == undisturbed[1:]
    assert json.dumps(history) == json.dumps(undisturbed[2])  # the order of keys too: it is hashed as it is written


@pytest.mark.parametrize("accumulation", [1, 5])
def test_a_finished_run_that_is_taken_up_trains_no_more(toy_model: Path, tmp_path: Path, accumulation: int) -> None:
    """Its plan may have a batch or two more."""
    often = {"gradient_accumulation_steps": accumulation, "steps": 3, "eval_steps": 3}
    model, *told = run(toy_model, tmp_path, **often)
    again, *later = run(toy_model, tmp_path, **often)
    assert told[0].steps == 3
    assert later == told
    assert same(again, model)


class _Signals(TrainerCallback):
    def __init__(self, *numbers: signal.Signals) -> None:
        self.numbers = numbers

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        if state.global_step == 6:
            for number in self.numbers:
                os.kill(os.getpid(), number)


@pytest.fixture
def seen() -> Iterator[list[int]]:
    """The SIGTERMs that reach what listened before training did."""
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("times", "losses"), [(1, ()), (3, ()), (1, tuple(range(12)))])
def test_a_signal_saves_and_the_run_is_not_complete(
    toy_model: Path, tmp_path: Path, undisturbed, seen: list[int], times: int, losses: tuple[float, ...]
) -> None:
    """Also where the step ends in an evaluation that is no new best."""
    often = {"eval_steps": 1} if losses else {}
    with pytest.raises(KeyboardInterrupt):
        run(
            toy_model,
            tmp_path,
            _Signals(*[signal.SIGTERM] * times),
            losses=losses,
            compute=Compute(checkpoint_seconds=1e9, precision="fp32"),
            **often,
        )
    assert seen == [signal.SIGTERM]  # what was to happen happens once, after the checkpoint
    assert checkpoints.is_complete(tmp_path / "checkpoint-7")
    model, *told = run(toy_model, tmp_path, losses=losses[7:], **often)
    whole, *expected = run(toy_model, tmp_path / "whole", losses=losses, **often) if losses else undisturbed
    assert same(model, whole)
    assert told == expected


def test_it_trains_in_a_thread_too_where_no_signal_can_be_listened_for(
    toy_model: Path, tmp_path: Path, undisturbed
) -> None:
    with ThreadPoolExecutor(1) as pool:
        model, *told = pool.submit(run, toy_model, tmp_path).result()
    assert same(model, undisturbed[0])
    assert told == list(undisturbed[1:])


def test_where_every_update_is_evaluated_checkpoints_come_by_the_clock(toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, tmp_path, Crash(5), losses=range(12), eval_steps=1)
    assert checkpoints.latest_complete(tmp_path) == tmp_path / "checkpoint-5"


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_ctrl_c_after_a_signal_ends_at_once(
    toy_model: Path, tmp_path: Path, seen: list[int], first: signal.Signals
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(
            toy_model,
            tmp_path,
            _Signals(first, signal.SIGINT),
            compute=Compute(checkpoint_seconds=1e9, precision="fp32"),
        )
    assert seen == []
    assert not (tmp_path / "checkpoint-7").exists()


@pytest.mark.parametrize("accumulation", [2, 4])
def test_accumulated_batches_have_the_gradient_and_loss_of_the_whole(
    toy_model: Path, tmp_path: Path, accumulation: int
) -> None:
    """Transformers scales BERT's loss by the number of batches unless told otherwise, and says nothing."""
    whole, parts = (tune(toy_model, tmp_path / str(pieces), pieces) for pieces in (1, accumulation))
    assert whole[0].keys() == parts[0].keys() != set()
    for name, gradient in whole[0].items():
        torch.testing.assert_close(parts[0][name], gradient, atol=1e-6, rtol=0)
    assert max(float(gradient.abs().max()) for gradient in whole[0].values()) > 1e-2  # there is something to compare
    assert parts[1] == pytest.approx(whole[1], abs=1e-6)


def tune(toy_model: Path, folder: Path, pieces: int) -> tuple[dict[str, torch.Tensor], float]:
    """Gradients and logged loss of one update of a classifier on the same eight rows, in so many batches."""
    gradients: dict[str, torch.Tensor] = {}

    class Record(TrainerCallback):
        def on_pre_optimizer_step(self, *_: Any, model: Any = None, **__: Any) -> None:
            gradients.update({name: weight.grad.clone() for name, weight in model.named_parameters()})

    torch.manual_seed(0)
    model, tokenizer = loading.load_classifier(toy_model), loading.load_tokenizer(toy_model)
    freezing.set_dropout(model, 0.0)
    ids = Reader(tokenizer, "none", 32).ids(SENTENCES)

    def make(rows: Sequence[int], _place: int) -> dict[str, torch.Tensor]:
        labels = torch.tensor([row % 3 for row in rows])
        return padded([ids[row] for row in rows], tokenizer.pad_token_id) | {"labels": labels}

    size = len(SENTENCES) // pieces
    batches = [range(start, start + size) for start in range(0, len(SENTENCES), size)]
    _, history = loop.train(
        model,
        BatchPlan(batches, make),
        replace(SCHEDULE, steps=1, eval_steps=1, gradient_accumulation_steps=pieces, max_grad_norm=1e9),
        groups=freezing.parameter_groups(model, learning_rate=1e-3),
        figures=lambda _: {"general_dev_loss": 0.0},
        objective=loop.summed(tuning_steps.weighted_loss(0.0)),
        folder=folder,
        callbacks=[Record()],
    )
    return gradients, history[0]["train_loss"]


def test_a_loss_that_is_not_finite_stops_it(toy_model: Path, tmp_path: Path) -> None:
    def poison(model: Any) -> None:
        with torch.no_grad():
            model.bert.encoder.layer[0].output.dense.weight.fill_(float("nan"))

    with pytest.raises(InputError, match="loss is nan at step 1"):
        run(toy_model, tmp_path, touch=poison)


def test_on_a_gpu_losses_are_looked_at_before_anything_is_written_and_not_before() -> None:
    class Elsewhere(torch.Tensor):
        """Says that it lies on a GPU."""

        @property
        def device(self) -> torch.device:
            return torch.device("cuda")

        def __float__(self) -> float:
            looked.append(1)
            return float(self.as_subclass(torch.Tensor))

    looked: list[int] = []
    args = SimpleNamespace(gradient_accumulation_steps=2)
    history, quiet = callbacks.History(), TrainerControl()
    for step, loss in enumerate([1.0, 2.0, math.nan], start=1):
        history.arrived += [torch.tensor(part).as_subclass(Elsewhere) for part in (1.0, loss)]
        history.on_step_end(args, TrainerState(global_step=step), quiet)
    assert (looked, history.pending) == ([], [])
    with pytest.raises(InputError, match="loss is nan at step 3"):
        history.on_step_end(args, TrainerState(global_step=3), TrainerControl(should_save=True))
    assert history.pending == [2.0, 2.0, 2.0, 4.0, 2.0]


def test_frozen_means_bit_identical(toy_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = loading.load_masked_lm(toy_model)
    model, *_ = run(toy_model, tmp_path, touch=lambda model: freezing.freeze(model, 1))
    for name, weight in before.state_dict().items():
        held = name.startswith(
            ("bert.embeddings", "bert.encoder.layer.0", "bert.pooler", "cls.predictions.decoder.weight")
        )
        assert torch.equal(weight, model.state_dict()[name]) == held, name


def to_start(strength: float) -> Any:
    """A penalty: half the square distance of the weights to where they are now."""

    def of(model: torch.nn.Module) -> loop.Penalty:
        start = {name: weight.detach().clone() for name, weight in model.named_parameters()}

        def penalty(model: torch.nn.Module, _step: int) -> torch.Tensor:
            gaps = [(weight - start[name]).square().sum() for name, weight in model.named_parameters()]
            return strength / 2 * torch.stack(gaps).sum()

        return penalty

    return of


def test_a_penalty_pulls_weights_to_where_they_started(toy_model: Path, tmp_path: Path, undisturbed) -> None:
    torch.manual_seed(0)
    start = loading.load_masked_lm(toy_model).state_dict()
    given: dict[str, Any] = {"penalty": to_start(100.0)}
    held, _, history = run(toy_model, tmp_path / "held", **given)

    def distance(model: torch.nn.Module) -> float:
        return sum(float((weight - start[name]).square().sum()) for name, weight in model.state_dict().items()) ** 0.5

    assert 0 < distance(held) < 0.7 * distance(undisturbed[0])
    assert history[0]["train_loss"] > undisturbed[2][0]["train_loss"]  # it is told
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, tmp_path / "cut", Crash(6), **given)
    assert same(run(toy_model, tmp_path / "cut", **given)[0], held)  # the start is the run's, not the checkpoint's


def test_an_optimizer_of_ones_own_learns_and_resumes(toy_model: Path, tmp_path: Path, undisturbed) -> None:
    def sgd(groups: loop.Groups) -> torch.optim.Optimizer:
        made.append([group["lr"] for group in groups])
        return torch.optim.SGD(groups, momentum=0.9)

    made: list[list[float]] = []
    whole, *story = run(toy_model, tmp_path / "whole", optimizer=sgd)
    assert made == [[1e-3, 1e-3]]
    assert not same(whole, undisturbed[0])
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, tmp_path / "cut", Crash(6), optimizer=sgd)
    model, *again = run(toy_model, tmp_path / "cut", optimizer=sgd)
    assert same(model, whole)
    assert again == story


def test_an_observer_is_told_of_updates_and_rows(toy_model: Path, tmp_path: Path, undisturbed) -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    model, _, history = run(toy_model, tmp_path, observer=lambda step, row: seen.append((step, dict(row))))
    assert same(model, undisturbed[0])
    assert [step for step, _ in seen] == list(range(1, 13))
    assert [row for _, row in seen if row] == history


def test_some_rows_at_another_rate_is_a_group_of_their_own(toy_model: Path) -> None:
    """By value: AdamW at three times the rate on a copy of those rows."""
    embeddings = torch.nn.Embedding(6, 4)
    copy = torch.nn.Parameter(embeddings.weight.detach()[4:].clone())
    ours = torch.optim.AdamW([embeddings.weight], lr=0.01, weight_decay=0.1)
    theirs = torch.optim.AdamW([copy], lr=0.03, weight_decay=0.1)
    rates = callbacks.RowRates(embeddings, 4, 3.0)
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
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    windows = adaptation.cut(tokenizer, SENTENCES * 20, 32)
    masking = adaptation.Masking.of(tokenizer, 0.15, False, 0)
    budget = adaptation.Budget(1000, 10_000, 128)
    order = adaptation.batches_within(adaptation.Windows(), windows, 1.0, budget, 0)
    outcome, _ = loop.train(
        model,
        adaptation.plan(windows, order, masking),
        replace(SCHEDULE, steps=40, eval_steps=4, patience=2),
        groups=freezing.parameter_groups(model, learning_rate=1e-3),
        figures=lambda _: {"general_dev_loss": next(scores)},
        folder=tmp_path,
    )
    assert outcome == loop.Outcome(steps=16, stopped="early", best_step=8, best=1.0)


def test_after_training_in_bfloat16_the_model_computes_in_float32(toy_model: Path, tmp_path: Path) -> None:
    model, _, _ = run(toy_model, tmp_path, compute=Compute(checkpoint_seconds=1e-9, precision="bf16"))
    ids = torch.tensor([[2, 20, 30, 40, 3]])
    after = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    fresh = type(model)(model.config).eval()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(after, fresh(input_ids=ids, attention_mask=torch.ones_like(ids)).logits)


@pytest.mark.parametrize("wanted", [True, False])
def test_compiling_is_what_the_schedule_says(tmp_path: Path, wanted: bool) -> None:
    assert loop._arguments(replace(SCHEDULE, compute=Compute(compile=wanted)), tmp_path).torch_compile is wanted


@pytest.mark.parametrize(("amx", "avx512"), [(True, False), (False, True), (False, False)])
def test_bfloat16_is_native_where_a_cpu_multiplies_it(monkeypatch: pytest.MonkeyPatch, amx: bool, avx512: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert loop.bf16_is_native("cpu") is (amx or avx512)
