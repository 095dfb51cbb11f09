from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from pipeline.common.errors import InputError
from pipeline.learning import freezing
from pipeline.learning.options import TuningFreezing
from pipeline.models import loading
from tests.toy_training import Crash, run, same
from tests.toys import write_toy_model


def test_rates_fall_from_the_head_down(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    groups = freezing.parameter_groups(
        model, learning_rate=1e-3, head_learning_rate=5e-3, layerwise_lr_decay=0.5, weight_decay=0.1
    )
    rates = {name: (group["lr"], group["weight_decay"]) for group in groups for name in group["names"]}
    assert rates["classifier.weight"] == (5e-3, 0.1)
    assert rates["bert.pooler.dense.bias"] == (5e-3, 0.0)
    assert rates["bert.encoder.layer.1.output.dense.weight"] == (1e-3, 0.1)
    assert rates["bert.encoder.layer.0.output.dense.weight"] == (5e-4, 0.1)
    assert rates["bert.encoder.layer.0.output.LayerNorm.weight"] == (5e-4, 0.0)
    assert rates["bert.embeddings.word_embeddings.weight"] == (2.5e-4, 0.1)
    assert len(rates) == len(list(model.named_parameters()))


def test_the_frozen_prefix_has_no_gradient_no_group_and_no_dropout(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    frozen = freezing.freeze(model, 1)
    model.train()
    assert not model.bert.embeddings.training
    assert not model.bert.encoder.layer[0].attention.self.dropout.training
    assert model.bert.encoder.layer[1].training
    grouped = {name for group in freezing.parameter_groups(model, learning_rate=1e-3) for name in group["names"]}
    assert not grouped & set(frozen)
    assert grouped | set(frozen) == {name for name, _ in model.named_parameters()}
    ids = torch.tensor([[2, 10, 11, 3]])
    seen = [model.bert.encoder.layer[0](model.bert.embeddings(ids)) for _ in range(2)]
    torch.testing.assert_close(seen[0], seen[1], atol=0, rtol=0)


def test_a_freezing_says_how_deep_at_each_step() -> None:
    assert [freezing.FreezingSchedule((3,)).depth(step) for step in (0, 7)] == [3, 3]
    gradual = freezing.FreezingSchedule.of(TuningFreezing(layers=1, schedule="gradual"), layers=4, epoch=5)
    assert [gradual.depth(step) for step in (0, 4, 5, 10, 99)] == [3, 3, 2, 1, 1]
    assert gradual.least == 1


@pytest.mark.parametrize(
    ("asked", "depths"),
    [
        (TuningFreezing(layers=2), [2, 2, 2, 2]),
        (TuningFreezing(layers=2, schedule="head_first"), [4, 4, 2, 2]),
        (TuningFreezing(layers=2, schedule="head_first", every_epochs=0.5), [4, 2, 2, 2]),
        (TuningFreezing(layers=4, schedule="gradual"), [4, 4, 4, 4]),
        (TuningFreezing(layers=0, schedule="gradual", every_epochs=0.5), [3, 2, 1, 0]),
        (TuningFreezing(layers=[4, 2], schedule="gradual"), [3, 3, 1, 1]),
        (TuningFreezing(layers=[0, 3], schedule="gradual"), [2, 2, 0, 0]),
        (TuningFreezing(layers=[1], schedule="head_first"), [4, 4, 0, 0]),
    ],
)
def test_settings_ask_for_a_schedule(asked: TuningFreezing, depths: list[int]) -> None:
    schedule = freezing.FreezingSchedule.of(asked, layers=4, epoch=2)
    assert [schedule.depth(step) for step in range(4)] == depths


def test_layers_learn_from_their_step_on_and_a_resumed_run_ends_the_same(toy_model: Path, tmp_path: Path) -> None:
    gradual = freezing.FreezingSchedule.of(TuningFreezing(schedule="gradual"), layers=2, epoch=4)
    learning: list[tuple[int, bool, bool]] = []

    class Look(TrainerCallback):
        def on_pre_optimizer_step(self, _args: Any, state: Any, _control: Any, model: Any = None, **_: Any) -> None:
            first, last = model.bert.encoder.layer
            assert first.training == first.output.dropout.training == (state.global_step >= 4)
            assert (model.bert.embeddings.LayerNorm.weight.grad is None) == (not first.training)
            weights = (layer.output.dense.weight.grad is not None for layer in (first, last))
            learning.append((state.global_step, *weights))

    whole, *story = run(toy_model, tmp_path / "whole", Look(), frozen=gradual)
    assert learning == [(step, step >= 4, True) for step in range(12)]
    for step in (3, 9):
        folder = tmp_path / str(step)
        with pytest.raises(RuntimeError, match="power cut"):
            run(toy_model, folder, Crash(step), frozen=gradual)
        if step == 3:  # nothing has moved yet, not by decay either
            start, so_far = (
                load_file(toy_model / "model.safetensors"),
                load_file(folder / "checkpoint-3/model.safetensors"),
            )
            still = [name for name in start if "embeddings" in name or ".layer.0." in name]
            assert still
            assert all(torch.equal(start[name], so_far[name]) for name in still)
        resumed, *again = run(toy_model, folder, frozen=gradual)
        assert same(resumed, whole)
        assert again == story


def test_nothing_frozen_by_default_and_too_many_layers_refused(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    assert freezing.freeze(model, 0) == []
    with pytest.raises(InputError, match="3 of a model with 2 layers"):
        freezing.freeze(model, 3)


@pytest.mark.parametrize(
    ("layers", "learns", "depth"),
    [(0, [0, 1, 2, 3], 0), (1, [2, 3], 1), (3, [], 3), ((2,), [2], 1), ((3, 0), [0, 3], 0), ((1,), [1], 0)],
)
def test_what_learns_and_how_deep_all_is_frozen_below_it(layers: Any, learns: list[int], depth: int) -> None:
    assert freezing.learning(layers, 3) == learns
    assert freezing.frozen_depth(layers, 3) == depth


def test_only_the_layers_named_learn_the_others_stay_to_the_bit(tmp_path: Path) -> None:
    """The middle one of three, from its step on, and a resumed run ends the same."""
    base = write_toy_model(tmp_path / "base", num_hidden_layers=3)
    asked = TuningFreezing(layers=[2], schedule="head_first", every_epochs=1.0)
    schedule = freezing.FreezingSchedule.of(asked, layers=3, epoch=4)
    given: dict[str, Any] = {"touch": lambda model: freezing.freeze(model, (2,)), "frozen": schedule}

    class Look(TrainerCallback):
        def on_pre_optimizer_step(self, _args: Any, state: Any, _control: Any, model: Any = None, **_: Any) -> None:
            learning = [layer.output.dropout.training for layer in model.bert.encoder.layer]
            assert learning == [False, state.global_step >= 4, False]

    whole, *story = run(base, tmp_path / "whole", Look(), **given)
    start = loading.load_masked_lm(base).bert.state_dict()
    for name, weight in whole.bert.state_dict().items():
        if "pooler" not in name:
            assert torch.equal(weight, start[name]) == (".layer.1." not in name), name
    with pytest.raises(RuntimeError, match="power cut"):
        run(base, tmp_path / "cut", Crash(6), **given)
    resumed, *again = run(base, tmp_path / "cut", **given)
    assert same(resumed, whole)
    assert again == story
