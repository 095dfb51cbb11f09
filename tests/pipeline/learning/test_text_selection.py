"""The texts nearest to the reviews, by value: on points by hand, and posts planted near toy reviews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.common.files import read_json, write_jsonl
from pipeline.corpora.stored_rows import StoredRows
from pipeline.learning import text_selection
from pipeline.learning.options import Selection
from pipeline.models.reader import Reader
from stages import finetune, prepare, pretrain, source, tokenizer
from tests.toy_texts import in_folds, reviews, write_prepared
from tests.toys import SENTENCES


def test_nearest_by_hand() -> None:
    queries = np.array([[1, 0], [0, 1]], dtype=np.float32)
    parts = [np.array([[0.9, 0.1], [-1, 0], [0.1, 0.8]]), np.array([[0.2, 0.9], [0.8, 0], [-1, -1]])]
    parts = [part.astype(np.float32) for part in parts]
    assert text_selection.nearest(queries, parts, 1).tolist() == [0, 3]
    assert text_selection.nearest(queries, parts, 2).tolist() == [0, 2, 3, 4]
    assert text_selection.nearest(queries, parts, 100).tolist() == [0, 1, 2, 3, 4, 5]
    assert text_selection.nearest(queries, [], 2).tolist() == []


@pytest.mark.parametrize("chunk", [1, 7, 2048])
def test_chunks_change_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_selection, "CHUNK", chunk)
    random = np.random.default_rng(0)
    queries, texts = (random.normal(size=(n, 5)).astype(np.float32) for n in (20, 90))
    parts = [texts[at : at + chunk] for at in range(0, 90, chunk)]
    expected = sorted({int(row) for each in (queries @ texts.T).argsort(axis=1)[:, -3:] for row in each})
    assert text_selection.nearest(queries, parts, 3).tolist() == expected


def test_directions_have_length_one_or_none() -> None:
    found = text_selection.directions(np.array([[3, 4], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], rtol=1e-6)


@pytest.fixture(scope="module")
def made(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = {name: tmp_path_factory.mktemp(name) for name in ("prepare", "source", "tokenizer")}
    write_prepared(at["prepare"])
    source.source(source.Settings(model=str(toy_model)), prepare=at["prepare"], out=at["source"])
    tokenizer.tokenizer(tokenizer.Settings(), prepare=at["prepare"], source=at["source"], out=at["tokenizer"])
    return at


def test_planted_posts_are_found_and_as_many_are_drawn(made: dict[str, Path], tmp_path: Path) -> None:
    """Among sentences of articles stand the reviews with a word more."""
    start = made["tokenizer"] / "model"
    near = [{"id": f"near:{row['id']}", "text": f"{row['text']} box"} for row in reviews(90, 1)]
    far = [{"id": f"far:{place}", "text": text} for place, text in enumerate(SENTENCES * 20)]
    write_jsonl(tmp_path / "informal.jsonl", [*far[:60], *near, *far[60:]])
    informal, reader = StoredRows.of(tmp_path / "informal.jsonl"), Reader.of(start)

    def ids(**how: Any) -> set[str]:
        rows = text_selection.chosen(Selection(**how), informal, made["prepare"], start, reader, 0)
        return {row["id"] for row in rows}

    found = ids(by="nearest")
    assert 40 < len(found) <= 90
    assert all(each.startswith("near:") for each in found)
    drawn = ids(by="random")
    assert len(drawn) == len(found)
    assert any(each.startswith("far:") for each in drawn)
    assert len(ids(by="nearest", neighbours=1000)) == len({row["id"] for row in informal})


def test_adaptation_reads_what_was_chosen(made: dict[str, Path], tmp_path: Path) -> None:
    facts: dict[str, Any] = {}
    for by in ("all", "nearest", "random"):
        (tmp_path / by).mkdir()
        settings = pretrain.Settings(
            select={"by": by}, num_train_epochs=1, replay_share=0.0, evaluations=1, dev_windows=8, tokens_per_batch=256
        )
        pretrain.pretrain(settings, prepare=made["prepare"], tokenizer=made["tokenizer"], out=tmp_path / by)
        facts[by] = read_json(tmp_path / by / "pretrain.json")
    assert "informal_texts" not in facts["all"]
    assert 0 < facts["nearest"]["informal_texts"] < 60
    assert facts["nearest"]["informal_texts"] + facts["nearest"]["informal_texts_left_out"] == 60
    assert facts["random"]["informal_texts"] == facts["nearest"]["informal_texts"]
    assert facts["nearest"]["tokens_seen"] < facts["all"]["tokens_seen"]
    weights = [(tmp_path / by / "model" / "model.safetensors").read_bytes() for by in ("nearest", "random")]
    assert weights[0] != weights[1]


def test_reviews_that_folds_test_are_no_measure_of_near(made: dict[str, Path], tmp_path: Path) -> None:
    folded = write_prepared(tmp_path)
    in_folds(folded, 3)
    start = made["tokenizer"] / "model"
    with pytest.raises(InputError, match=r"pretrain\.select\.by: .* set it to all, or prepare\.folds to 1"):
        text_selection.chosen(Selection(by="nearest"), [], folded, start, Reader.of(start), 0)


def test_selection_without_reviews_is_refused_before_anything_runs() -> None:
    own = pretrain.Settings(select={"by": "nearest"}, include_reviews=False)
    settings = {"pretrain": own, "prepare": prepare.Settings(corpora=("starter-informal", "starter-general"))}
    with pytest.raises(InputError, match=r"pretrain\.select asks what is near the reviews"):
        pretrain.check(settings | {"source": source.Settings(), "finetune": finetune.Settings()})


@pytest.mark.parametrize("by", ["nearest", "random"])
def test_no_label_of_a_target_tells_what_is_near(by: str) -> None:
    corpora = ("starter-informal", "starter-general", "starter-reviews")
    settings = {"prepare": prepare.Settings(corpora=corpora), "source": source.Settings()}
    own = pretrain.Settings(select={"by": by})
    target = finetune.Settings(target=("starter-reviews",))
    pretrain.check(settings | {"pretrain": own, "finetune": finetune.Settings()})
    pretrain.check(settings | {"pretrain": pretrain.Settings(), "finetune": target})
    with pytest.raises(InputError, match=rf"pretrain\.select\.by: {by} .* none of finetune\.target .*; set it to all"):
        pretrain.check(settings | {"pretrain": own, "finetune": target})
