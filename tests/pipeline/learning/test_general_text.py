"""General text beside reviews: what is read when, and its terms against the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.common.errors import InputError
from pipeline.learning import adaptation, embedding_subset, frozen_cache, general_text
from pipeline.learning.held_states import HeldStates
from pipeline.learning.options import FrozenCache, Replay
from pipeline.models import loading
from pipeline.models.reader import Reader
from tests.toy_texts import write_prepared
from tests.toys import SENTENCES

ASKED = Replay(states=2.0, mlm=0.5, windows_per_batch=3)


def beside(toy_model: Path, cache: Path) -> tuple[Any, general_text.Beside]:
    """A classifier that has not moved, and windows to read beside its reviews."""
    torch.manual_seed(0)
    model, reader = loading.load_classifier(toy_model).eval(), Reader.of(toy_model, 32)
    windows = adaptation.cut(reader.tokenizer, SENTENCES, 32)
    options = FrozenCache(memory_megabytes=1, disk_megabytes=10)
    states = frozen_cache.states_of(model, windows.ids, options, layers=2, bf16=False, folder=cache, every_token=True)
    held = HeldStates.of(states, windows.ids)
    return model, general_text.Beside(windows, general_text.masking_of(reader, windows, 0), ASKED, held)


def test_windows_are_read_in_turn_and_a_batch_depends_on_its_place_alone(toy_model: Path, tmp_path: Path) -> None:
    _, read = beside(toy_model, tmp_path)
    pad = read.masking.pad_id

    def rows(place: int) -> list[tuple[int, ...]]:
        return [tuple(row[row != pad].tolist()) for row in read.batch(place, None)["states"]["input_ids"]]

    count = len(read.windows)
    seen = [row for place in range(count) for row in rows(place)]  # three turns
    for turn in range(3):
        assert len(set(seen[turn * count : (turn + 1) * count])) == count
    assert seen[:count] != seen[count : 2 * count]
    assert rows(1) == seen[3:6]
    again, first = read.batch(4, None)["mlm"], read.batch(4, None)["mlm"]
    assert torch.equal(again["input_ids"], first["input_ids"])


def test_what_is_read_of_a_target_is_its_training_texts(toy_model: Path, tmp_path: Path) -> None:
    reader, rows = Reader.of(toy_model, 32), [{"text": text} for text in SENTENCES]
    asked = Replay(mlm=0.3, text="target", windows=10_000)
    read = general_text.beside_of(asked, tmp_path, reader, 0, lambda *_: pytest.fail("nothing is to be held"), rows)
    assert read is not None
    every = adaptation.cut(reader.tokenizer, SENTENCES, 32)
    assert [list(ids) for ids in read.windows.ids] == [list(ids) for ids in every.ids]
    assert read.held is None
    with pytest.raises(InputError, match=r"finetune\.replay: finetune\.target has no training texts"):
        general_text.beside_of(asked, tmp_path, reader, 0, lambda *_: pytest.fail("nothing is to be held"), [])


def test_the_terms_are_what_the_model_itself_would_say(toy_model: Path, tmp_path: Path) -> None:
    """Before anything has moved: states cost nothing, and masked words what the masked language model loses."""
    model, read = beside(toy_model, tmp_path)
    guesser = loading.load_masked_lm(toy_model).eval()
    batch = {"extra": read.batch(1, None)}
    masked = batch["extra"]["mlm"]
    labels = torch.full_like(masked["input_ids"], -100)
    hidden = masked["parts"][1]
    labels[masked["places"].rows[hidden], masked["places"].columns[hidden]] = masked["extra"]["answers"]
    told = guesser(input_ids=masked["input_ids"], attention_mask=masked["attention_mask"], labels=labels).loss
    objective = read.objective(lambda *_: torch.tensor(10.0), loading.load_masked_lm(toy_model))
    assert objective(model, batch).item() == pytest.approx(10.0 + 0.5 * told.item(), rel=1e-5)
    with torch.no_grad():
        model.bert.encoder.layer[1].output.LayerNorm.bias.add_(1.0)
    assert objective(model, batch).item() > 11.0 + 0.5 * told.item()


def test_a_model_with_few_embeddings_reads_the_same(toy_model: Path, tmp_path: Path) -> None:
    model, read = beside(toy_model, tmp_path)
    objective = read.objective(lambda *_: torch.zeros(()), loading.load_masked_lm(toy_model))
    whole = [objective(model, {"extra": read.batch(place, None)}).item() for place in range(4)]
    with embedding_subset.alone(model, read.ids) as table:
        assert table is not None
        few = [objective(model, {"extra": read.batch(place, table)}).item() for place in range(4)]
    assert few == pytest.approx(whole, rel=1e-5)


def test_text_that_is_not_there_is_named(toy_model: Path, tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path, without=["general"])
    with pytest.raises(InputError, match=r"finetune\.replay: it reads general text and there is none; add a corpus"):
        general_text.windows_of(prepared, Reader.of(toy_model, 32), "general", 8, "replay")
    found = general_text.windows_of(prepared, Reader.of(toy_model, 32), "informal", 8, "replay")
    assert len(found) == 8
