"""Tuning with the rows that are read: the same as with all of them, and the others are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.learning import embedding_subset, freezing, lora
from pipeline.learning.options import Lora
from pipeline.models import batches, loading
from pipeline.models.reader import Reader
from tests.toys import SENTENCES


@contextmanager
def everything(*_: Any) -> Iterator[None]:
    yield None


def trained(folder: Path, texts: list[list[int]], alone: Any, decay: float) -> tuple[Any, list[float]]:
    """The toy after three updates with dropout, and its losses."""
    torch.manual_seed(0)
    model = loading.load_classifier(folder).train()
    pad = loading.load_tokenizer(folder).pad_token_id
    losses = []
    with alone(model, texts) as table:
        optimizer = torch.optim.AdamW(freezing.parameter_groups(model, learning_rate=1e-2, weight_decay=decay))
        for step in range(3):
            batch = batches.padded(texts[step * 2 : step * 2 + 3], pad, table)
            loss = model(**batch, labels=torch.tensor([0, 1, 2])).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return model, losses


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_rows_that_are_read_learn_the_same(toy_model: Path, decay: float) -> None:
    texts = Reader(loading.load_tokenizer(toy_model), "none", 32).ids(SENTENCES[:8])
    (ours, mine), (plain, theirs) = (
        trained(toy_model, texts, alone, decay) for alone in (embedding_subset.alone, everything)
    )
    assert mine == pytest.approx(theirs, abs=1e-5)
    before, own, whole = (
        model.bert.embeddings.word_embeddings.weight.data for model in (loading.load_classifier(toy_model), ours, plain)
    )
    read = torch.zeros(len(whole), dtype=torch.bool)
    read[[0, *(token for ids in texts for token in ids)]] = True
    torch.testing.assert_close(own[read], whole[read], atol=1e-5, rtol=0)
    assert torch.equal(own[~read], before[~read])
    assert torch.equal(whole[~read], before[~read]) is (decay == 0.0)  # decay alone moves what nobody reads
    assert float((own - before)[read][1:].abs().max()) > 1e-3
    assert (~read).sum() > 10


def test_the_model_has_few_rows_meanwhile_and_all_afterwards(toy_model: Path) -> None:
    model = loading.load_classifier(toy_model)
    whole = model.bert.embeddings.word_embeddings
    seen = []

    def stopped() -> None:
        with embedding_subset.alone(model, [[2, 9, 3], [2, 7, 9]]) as table:
            assert table is not None
            seen.extend([len(model.get_input_embeddings().weight), table[[0, 2, 3, 7, 9]].tolist()])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert seen == [5, [0, 1, 2, 3, 4]]
    assert model.get_input_embeddings() is whole


def test_embeddings_that_do_not_learn_are_left_whole(toy_model: Path) -> None:
    frozen, adapted = loading.load_classifier(toy_model), loading.load_classifier(toy_model)
    freezing.freeze(frozen, 1)
    for model in (frozen, lora.wrap(adapted, Lora(rank=2, alpha=4, dropout=0.0), 0, [20])):
        with embedding_subset.alone(model, [[2, 7, 3]]) as table:
            assert table is None
