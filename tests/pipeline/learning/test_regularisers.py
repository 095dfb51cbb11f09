"""Penalties by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from pipeline.learning import freezing, regularisers
from pipeline.learning.options import TuningRegularisation
from pipeline.models import loading


def test_l2_sp_is_the_squared_distance_from_the_start_of_what_learns_below_the_head(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    freezing.freeze(model, 1)
    penalty = regularisers.l2_sp(model, 0.5)
    assert penalty(model, 0).item() == 0.0
    first, last = model.bert.encoder.layer
    with torch.no_grad():
        last.output.dense.bias[0] += 2.0
        last.output.dense.weight[1, 1] -= 1.0
        model.classifier.weight += 1.0  # the head may go where it likes
        first.output.dense.bias += 1.0  # frozen: cannot move, and is not asked
    assert penalty(model, 0).item() == pytest.approx(0.5 / 2 * (4.0 + 1.0))
    penalty(model, 0).backward()
    assert last.output.dense.bias.grad[0] == pytest.approx(0.5 * 2.0)
    assert first.output.dense.bias.grad is None
    assert model.classifier.weight.grad is None


def test_where_the_head_alone_learns_nothing_is_paid(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    freezing.freeze(model, 2)
    assert float(regularisers.l2_sp(model, 0.5)(model, 0)) == 0.0


def test_a_penalty_fades_along_a_sigmoid_and_counts_each_weight_by_its_importance(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    freezing.freeze(model, 1)
    bias = "bert.encoder.layer.1.output.dense.bias"
    fisher = {bias: torch.tensor([3.0] + [0.0] * 31)}
    asked = TuningRegularisation(l2_sp=0.5, ewc=0.2, anneal=0.5)
    penalty = regularisers.penalty_of(model, asked, 100, fisher)
    assert penalty is not None
    with torch.no_grad():
        model.get_parameter(bias)[:2] += 2.0
    whole = 0.5 / 2 * (4 + 4) + 0.2 / 2 * (3 * 4)
    assert penalty(model, 50).item() == pytest.approx(whole / 2)
    assert penalty(model, 60).item() == pytest.approx(whole / (1 + math.exp(10 / 50 * 10)))
    assert penalty(model, 0).item() == pytest.approx(whole, rel=1e-4)
    assert penalty(model, 100).item() == pytest.approx(0.0, abs=1e-3)
    assert regularisers.penalty_of(model, TuningRegularisation(), 100) is None
    with pytest.raises(ValidationError, match="nothing falls"):
        TuningRegularisation(anneal=0.5)


def test_mixout_puts_weights_back_and_keeps_their_mean(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    freezing.freeze(model, 1)
    name, seen = "bert.encoder.layer.1.output.dense.weight", []

    def objective(mixed: Any, batch: Any) -> torch.Tensor:
        seen.append(mixed(**batch))
        return seen[-1].logits.sum()

    model.eval()
    mixed = regularisers.mixout(objective, model, 0.25)
    batch = {"input_ids": torch.tensor([[2, 10, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    plain = model(**batch).logits
    mixed(model, batch)
    torch.testing.assert_close(seen[-1].logits, plain, atol=1e-6, rtol=0)  # nothing has moved: nothing to put back
    before = model.get_parameter(name).detach().clone()
    with torch.no_grad():
        model.get_parameter(name).add_(3.0)
        model.classifier.weight.add_(1.0)  # the head is left alone
    drawn: list[torch.Tensor] = []
    model.bert.encoder.layer[1].output.dense.register_forward_hook(
        lambda module, *_: drawn.append(module.weight.detach().clone())
    )
    torch.manual_seed(0)
    for _ in range(50):
        mixed(model, batch)
    moved = torch.stack(drawn) - before
    assert set(moved.round(decimals=3).unique().tolist()) == {0.0, 4.0}  # 3 / (1 - 0.25), or where it was
    assert float((moved == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    mixed(model, batch).backward()
    assert torch.equal(model.get_parameter(name).detach(), before + 3.0)
    gradient = model.get_parameter(name).grad
    back = drawn[-1] == before
    assert gradient is not None
    assert not gradient[back].any()
    assert gradient[~back].any()
