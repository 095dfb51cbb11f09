"""States held while tuning: what is held, the term by hand, and what it does to a tuning."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.learning import adaptation, freezing, frozen_cache, loop, tuning_steps
from pipeline.learning.held_states import HeldStates, held_term
from pipeline.learning.options import FrozenCache
from pipeline.models import loading
from tests.pipeline.learning.test_distillation import loaded, padded
from tests.toys import SENTENCES, write_toy_model


@pytest.fixture(scope="module")
def deep_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("deep"), num_hidden_layers=3)


def held_states(folder: Path, texts: list[Any], cache: Path) -> tuple[Any, HeldStates]:
    """A classifier, and what it makes of texts before it is tuned."""
    torch.manual_seed(0)
    model = loading.load_classifier(folder)
    kept = FrozenCache(memory_megabytes=1, disk_megabytes=10)
    states = frozen_cache.states_of(model, texts, kept, layers=3, bf16=False, folder=cache, every_token=True)
    return model.train(), HeldStates.of(states, texts)


def test_held_is_what_the_model_makes_of_every_token_but_cls(deep_model: Path, tmp_path: Path) -> None:
    texts = adaptation.cut(loaded(deep_model)[1], SENTENCES, 32).ids
    model, held = held_states(deep_model, texts, tmp_path)
    batch = held.batch(texts, 0, 0)
    plain = model.eval().bert(**padded(texts)).last_hidden_state.detach()
    read, (cls, own) = batch["places"], batch["parts"]
    torch.testing.assert_close(batch["extra"]["held"], read.of(plain)[own], atol=1e-5, rtol=0)
    assert read.columns[cls].tolist() == [0] * len(texts)
    assert read.rows[cls].tolist() == list(range(len(texts)))
    drawn, lengths = list(zip(read.rows[own].tolist(), read.columns[own].tolist(), strict=True)), [*map(len, texts)]
    assert len(set(drawn)) == len(drawn)
    assert all(0 < column < lengths[row] for row, column in drawn)
    assert 0.1 < len(drawn) / (sum(lengths) - len(texts)) < 0.4
    again, other = held.batch(texts, 0, 0), held.batch(texts, 0, 1)
    assert torch.equal(again["places"].columns, read.columns)
    assert other["places"].columns.tolist() != read.columns.tolist()
    found = model(**padded(texts), places=read, parts=batch["parts"])
    assert held_term(found, batch).item() == pytest.approx(0.0, abs=1e-8)


def test_the_held_term_by_hand() -> None:
    batch = {"extra": {"held": torch.tensor([[1.0, 2.0], [0.0, 0.0]]), "variance": 2.0}}
    outputs = SimpleNamespace(last_states=torch.tensor([[2.0, 2.0], [0.0, 4.0]]))
    assert float(held_term(outputs, batch)) == pytest.approx((1 + 0 + 0 + 16) / 4 / 2)
    none = {"extra": batch["extra"] | {"held": torch.zeros(0, 2)}}
    assert float(held_term(SimpleNamespace(last_states=torch.zeros(0, 2)), none)) == 0.0


def test_tuning_that_holds_leaves_the_tokens_nearer_to_where_they_were(deep_model: Path, tmp_path: Path) -> None:
    texts = adaptation.cut(loaded(deep_model)[1], SENTENCES, 32).ids
    labels = [place % 3 for place in range(len(texts))]
    gaps, losses = [], []
    for weight in (0.0, 3.0):
        model, held = held_states(deep_model, texts, tmp_path)
        freezing.set_dropout(model, 0.0)
        plan = tuning_steps.plan([texts] * 40, labels, padded, held=held, batch_size=8, tokens_per_batch=512, seed=0)
        objective = loop.summed(tuning_steps.weighted_loss(0.0), [(weight, held_term)])
        optimizer = torch.optim.AdamW(
            [
                {key: group[key] for key in ("params", "lr")}
                for group in freezing.parameter_groups(model, learning_rate=1e-3, head_learning_rate=1e-2)
            ]
        )
        for place in range(len(plan)):
            optimizer.zero_grad()
            objective(model, plan[place]).backward()
            optimizer.step()
        batch = held.batch(texts, 1, 0)
        found = model(**padded(texts), places=batch["places"], parts=batch["parts"])
        gaps.append(float(held_term(found, batch)))
        losses.append(float(tuning_steps.weighted_loss(0.0)(found, {"labels": torch.tensor(labels)})))
    assert gaps[1] < 0.3 * gaps[0]
    assert losses[1] < 0.5  # and the task is learnt all the same
