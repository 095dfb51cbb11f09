from pathlib import Path

import pytest
import torch

from pipeline.common.errors import InputError
from pipeline.learning import freezing
from pipeline.models import loading


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
    frozen = freezing.freeze_prefix(model, 1)
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


def test_nothing_frozen_by_default_and_too_many_layers_refused(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    assert freezing.freeze_prefix(model, 0) == []
    with pytest.raises(InputError, match="3 of a model with 2 layers"):
        freezing.freeze_prefix(model, 3)
