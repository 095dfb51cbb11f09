"""The supervised contrastive loss by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from pipeline.learning.contrastive import contrastive_term


def test_by_hand_of_three_texts_two_of_one_class() -> None:
    """Of texts at 0, 0 and 90 degrees: each of the pair has its fellow at likeness 1 and the stranger at 0."""
    outputs = SimpleNamespace(pooled=torch.tensor([[2.0, 0.0], [5.0, 0.0], [0.0, 1.0]]))
    found = contrastive_term(0.5)(outputs, {"labels": torch.tensor([1, 1, 0])})
    assert float(found) == pytest.approx(math.log(math.exp(2) + 1) - 2)
    apart = contrastive_term(0.5)(outputs, {"labels": torch.tensor([1, 0, 1])})
    assert float(apart) == pytest.approx((math.log(math.exp(2) + 1) + math.log(2)) / 2)


def test_texts_without_a_fellow_cost_nothing() -> None:
    pooled = torch.eye(3, requires_grad=True)
    found = contrastive_term(0.5)(SimpleNamespace(pooled=pooled), {"labels": torch.tensor([0, 1, 2])})
    assert found.item() == 0.0
    found.backward()
    assert pooled.grad is not None
    assert not pooled.grad.any()
