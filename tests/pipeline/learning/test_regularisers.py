"""Penalties by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.learning import freezing, regularisers
from pipeline.models import loading


def test_l2_sp_is_the_squared_distance_from_the_start_of_what_learns_below_the_head(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    freezing.freeze(model, 1)
    penalty = regularisers.l2_sp(model, 0.5)
    assert float(penalty(model)) == 0.0
    first, last = model.bert.encoder.layer
    with torch.no_grad():
        last.output.dense.bias[0] += 2.0
        last.output.dense.weight[1, 1] -= 1.0
        model.classifier.weight += 1.0  # the head may go where it likes
        first.output.dense.bias += 1.0  # frozen: cannot move, and is not asked
    assert float(penalty(model)) == pytest.approx(0.5 / 2 * (4.0 + 1.0))
    penalty(model).backward()
    assert last.output.dense.bias.grad[0] == pytest.approx(0.5 * 2.0)
    assert first.output.dense.bias.grad is None
    assert model.classifier.weight.grad is None


def test_where_the_head_alone_learns_nothing_is_paid(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    freezing.freeze(model, 2)
    assert float(regularisers.l2_sp(model, 0.5)(model)) == 0.0
