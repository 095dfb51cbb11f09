"""What finetune writes of the models between base and tuned, and which one a retention budget makes it take."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from pipeline.common.errors import InputError
from pipeline.common.files import read_jsonl
from pipeline.corpora.prepared import rows
from pipeline.learning import frontier, tuning
from pipeline.learning.frontier import Reference, frontier_of, places_asked, take_best
from pipeline.learning.options import Compute, FrontierOptions, TuningFreezing
from pipeline.measuring import scoring
from pipeline.measuring.frontier import score as frontier_score
from pipeline.measuring.statistics import classification
from pipeline.models import loading
from pipeline.models.reader import Reader
from stages import finetune, pretrain, source, tokenizer
from tests.toy_texts import in_folds, write_prepared

SETTINGS = finetune.Settings(
    freezing={"layers": 0},
    learning_rate=3e-3,
    head_learning_rate=3e-3,
    num_train_epochs=4,
    regularisation={"dropout": 0.0},
    batch_size=8,
    tokens_per_batch=256,
    compute=Compute(precision="fp32"),
)
FEW = {"frontier": FrontierOptions(points=3), "num_train_epochs": 1}


@pytest.fixture(scope="module")
def before(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What finetune reads: an adapted model that is the base with its emoji rows."""
    root = tmp_path_factory.mktemp("frontier")
    at = {name: root / name for name in ("prepare", "source", "tokenizer", "pretrain")}
    for folder in at.values():
        folder.mkdir()
    write_prepared(at["prepare"])
    source.source(source.Settings(model=str(toy_model)), prepare=at["prepare"], out=at["source"])
    tokenizer.tokenizer(tokenizer.Settings(), prepare=at["prepare"], source=at["source"], out=at["tokenizer"])
    adapted = pretrain.Settings(num_train_epochs=0)
    pretrain.pretrain(adapted, prepare=at["prepare"], tokenizer=at["tokenizer"], out=at["pretrain"])
    return {name: at[name] for name in ("prepare", "tokenizer", "pretrain")}


def tune(before: dict[str, Path], out: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the stage; what frontier.json and finetune.json say."""
    out.mkdir(exist_ok=True)
    settings = SETTINGS.model_copy(update=changes)
    finetune.finetune(settings, seed=0, **before, cache=out / "cache", out=out)
    return tuple(json.loads((out / f"{name}.json").read_text("utf-8")) for name in ("frontier", "finetune"))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def tuned(before: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned")
    tune(before, out)
    return out


def told(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def test_the_frontier_is_of_the_models_that_were_written(before: dict[str, Path], tuned: Path) -> None:
    found, story = told(tuned, "frontier"), told(tuned, "finetune")
    points = {point["name"]: point for point in found["points"]}
    assert [point["alpha"] for point in found["points"]][:5] == [0, 0.25, 0.5, 0.75, 1]
    assert len(points) == 5 + len(frontier.VARIANTS)
    whole = {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    assert points["base"]["kept"] == pytest.approx(whole, rel=1e-6), "base encoder under its own head"
    assert points["tuned"]["kept"]["value"] != 1.0
    assert (found["budget"], found["chosen"], story["chosen"], found["reason"]) == (None, "tuned", "tuned", None)
    assert any(point["front"] for point in found["points"])

    dev = read_jsonl(before["prepare"] / "texts" / "toy-reviews" / "dev.jsonl")
    ids = Reader(loading.load_tokenizer(tuned / "model"), "all", 128).ids([row["text"] for row in dev])
    chances = scoring.class_probabilities(loading.load_classifier(tuned / "model"), ids, tokens_per_batch=256)
    matrix = classification.confusion([row["label"] for row in dev], chances.argmax(axis=1)).astype(float)
    recall = float(classification.macro_recall(matrix))
    assert points["tuned"]["macro_recall"]["value"] == pytest.approx(recall)
    assert story["chosen_dev_macro_recall"] == pytest.approx(recall)
    assert story["dev_macro_recall"] == pytest.approx(recall)


def test_a_line_is_asked_more_closely_beside_the_best() -> None:
    assert places_asked(17, None) == [0, 4, 8, 12, 16]
    assert places_asked(17, lambda _: 16) == [0, 4, 8, 12, 14, 15, 16]
    assert places_asked(17, lambda known: min(known, key=lambda place: abs(place - 11))) == [
        0,
        4,
        8,
        9,
        10,
        11,
        12,
        14,
        16,
    ]
    assert places_asked(9, lambda _: 0) == [0, 1, 2, 4, 6, 8]
    for few in (2, 3, 5, 6, 7):
        assert places_asked(few, lambda _: 0) == [*range(few)]


def test_a_budget_writes_another_model_the_blend_it_names(
    before: dict[str, Path], tuned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    free = told(tuned, "frontier")
    with caplog.at_level(logging.WARNING):
        found, story = tune(before, tmp_path, frontier=FrontierOptions(budget=1.5))
    assert "taken is the one that keeps most" in caplog.text
    most = max(found["points"], key=lambda point: (point["kept"]["value"], point["macro_recall"]["value"]))
    assert most["name"] != "tuned", "the toy must lose something by tuning"
    assert all({**point, "front": None} in [{**other, "front": None} for other in found["points"]]
               for point in free["points"]), "what is asked with a budget is asked beside the others"  # fmt: skip
    assert len(free["points"]) < len(found["points"]) <= len(free["points"]) + 4
    assert (found["budget"], found["within"], found["chosen"]) == (1.5, False, most["name"])
    assert story["chosen"] == most["name"]
    assert story["chosen_dev_macro_recall"] == most["macro_recall"]["value"]
    assert story["dev_macro_recall"] == told(tuned, "finetune")["dev_macro_recall"]
    assert found["cost"]["kept"]["value"] > 0
    (answers,) = found["answers"]
    matrix = classification.confusion(*([*map(int, answers[side])] for side in ("labels", "predicted")))
    assert classification.macro_recall(matrix) == pytest.approx(most["macro_recall"]["value"])

    ends = (loading.load_masked_lm(before["tokenizer"] / "model"), loading.load_classifier(tuned / "model"))
    expected = frontier.weights_at(frontier.ends(*ends), most["alphas"])
    written = loading.load_classifier(tmp_path / "model")
    assert all(torch.equal(weight, expected[name]) for name, weight in written.bert.named_parameters())
    assert torch.equal(written.classifier.weight, ends[1].classifier.weight)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() != (
        tuned / "model" / "model.safetensors"
    ).read_bytes()


def test_folds_are_tested_by_blends_too(
    before: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a toy has no English to keep, so which blend keeps most is luck: here it is the one in the middle
    monkeypatch.setattr(frontier_score, "choose", lambda *_: 1)
    prepared = write_prepared(tmp_path / "prepared")
    in_folds(prepared, 3)
    inputs = before | {"prepare": prepared}
    tune(inputs, tmp_path / "free", **FEW)
    tune(inputs, tmp_path / "held", **FEW | {"frontier": FrontierOptions(points=3, budget=0.9)})
    for fold in (1, 2):
        free, held = (read_jsonl(tmp_path / name / "folds" / f"{fold}.jsonl") for name in ("free", "held"))
        assert [row["id"] for row in free] == [row["id"] for row in held]
        assert free != held


@pytest.mark.parametrize("budget", [0.5, 0.98, 2.0])
def test_a_test_fold_takes_what_the_frontier_would_choose(
    before: dict[str, Path], tmp_path: Path, budget: float
) -> None:
    settings = SETTINGS.model_copy(
        update=FEW | {"frontier": FrontierOptions(points=3).model_copy(update={"budget": budget})}
    )
    adapted, prepared = before["pretrain"] / "model", before["prepare"]
    trained = tuning.tuned(settings, adapted, prepared, 0, 0, tmp_path / "cache", tmp_path / "checkpoints")
    reference = Reference(before["tokenizer"], adapted, rows(prepared, role="general", split="dev"))
    chosen, taken = (copy.deepcopy(trained.model) for _ in range(2))
    dev = tuning.reviews(prepared, "dev", 0)
    found = frontier_of(settings.frontier, chosen, trained.reader, dev, reference)
    take_best(settings.frontier, taken, trained.reader, dev, reference)
    for name, weight in chosen.named_parameters():
        assert torch.equal(weight, taken.get_parameter(name)), (name, found["chosen"])


def test_lora_is_blended_after_the_merge(before: dict[str, Path], tmp_path: Path) -> None:
    found, _ = tune(before, tmp_path, **FEW, method="lora", freezing=TuningFreezing(layers=1))
    kept = {point["name"]: point["kept"]["value"] for point in found["points"]}
    assert kept["base"] == pytest.approx(1.0, rel=1e-6)
    assert kept["tuned"] != 1.0
    assert kept["upper layers 0.5"] != kept["tuned"]


def test_left_out_where_nobody_asks_or_nothing_can_be_said(before: dict[str, Path], tmp_path: Path) -> None:
    found, story = tune(before, tmp_path / "no", num_train_epochs=1, frontier=FrontierOptions(points=0))
    assert (found["points"], found["reason"]) == ([], "finetune.frontier.points is 0")
    assert story["chosen_dev_macro_recall"] == story["dev_macro_recall"]
    without = before | {"prepare": write_prepared(tmp_path / "prepared", without=["general"])}
    found, _ = tune(without, tmp_path / "none", num_train_epochs=1)
    assert (found["points"], found["chosen"], found["reason"]) == ([], "tuned", "no general dev text")
    with pytest.raises(
        InputError, match=r"frontier\.budget: it is measured on general dev text and there is none; add"
    ):
        tune(without, tmp_path / "budget", frontier=FrontierOptions(budget=0.95))
    assert not (tmp_path / "budget" / "checkpoints").exists(), "said before any training"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 1}, "no line from base to tuned"),
        ({"points": 0, "budget": 0.95}, "0.95 chooses among points, and there are 0"),
        ({"budget": 1.6}, "less than or equal to 1.5"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        finetune.Settings(frontier=settings)
