"""What ``torch.compile`` makes of a training step: one graph, and one more for all shapes of a batch.

On the meta device, where the code takes the path of a GPU, without inductor: what breaks a graph is found in tracing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.models import loading, masked_lm
from pipeline.models.encoder import Places

SHAPES = ((4, 12), (5, 11), (7, 20), (3, 31))
META = torch.device("meta")


@pytest.fixture(autouse=True)
def tracer() -> Iterator[None]:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def batch(texts: int, length: int, task: str) -> dict[str, Any]:
    ids = torch.randint(5, 100, (texts, length), generator=torch.Generator().manual_seed(0))
    given: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if task == "classify":
        return given | {"labels": torch.zeros(texts, dtype=torch.int64)}
    labels = torch.where(ids < 30, ids, torch.full_like(ids, masked_lm.IGNORED))
    places = Places.where(labels != masked_lm.IGNORED)
    if task == "adapt with a teacher":
        places, (first, told) = Places.joined(Places.first(texts, ids.device), places)
        given["parts"] = (told.to(META), first.to(META))
    return given | {"labels": labels, "places": places}


@pytest.mark.parametrize("task", ["classify", "adapt", "adapt with a teacher"])
def test_a_step_is_one_graph_and_one_more_for_all_shapes(toy_model: Path, task: str) -> None:
    model: Any = loading.load_classifier(toy_model) if task == "classify" else loading.load_masked_lm(toy_model)
    compiled = torch.compile(model.train().to(META), backend="eager")
    for shape in SHAPES:
        given = batch(*shape, task)
        placed = {name: part if name == "parts" else part.to(META) for name, part in given.items()}
        compiled(**placed).loss.backward()
    counted = torch._dynamo.utils.counters
    assert (dict(counted["graph_break"]), counted["stats"]["unique_graphs"]) == ({}, 2)
