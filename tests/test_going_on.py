"""Tuning on from a tuned model: its head and emoji rows kept, old reviews rehearsed, and what was forgotten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification

from pipeline import Predictor
from pipeline.common.errors import InputError
from pipeline.common.files import read_json, read_jsonl, write_json, write_jsonl
from pipeline.common.labels import LABELS
from pipeline.learning import tuning
from pipeline.machine import cli
from pipeline.machine.recipe import load_recipe
from pipeline.models import loading
from stages import STORY, finetune, prepare, source, tokenizer
from stages.__main__ import build
from tests.cards import write_card
from tests.toy_texts import reviews, with_target, write_prepared
from tests.toys import SENTENCES, toy_config, toy_tokenizer

MADE = """
name: last-month
extends: starter
prepare: {corpora: [CARDS/old, CARDS/articles], test_share: 0.4}
source: {model: BASE}
tokenizer: {emoji: all}
pretrain: {num_train_epochs: 0}
finetune:
  {freezing: {layers: 0}, learning_rate: 3e-3, head_learning_rate: null, num_train_epochs: 12, batch_size: 8,
   distillation: {states: 0}, compute: {precision: fp32}, frontier: {points: 0, budget: null}}
evaluate: {draws: 100, general_documents: 6, probe_sentences: 12, refit_tokens: 1000, counterfactuals: 6}
report: {draws: 1000, verdict_draws: 1000}
arms: {naive: null, careful: null, adapted: null, full: {}}
"""
ON = """
name: this-month
extends: going-on
prepare: {corpora: [CARDS/old, CARDS/new, CARDS/articles], test_share: 0.4}
source: {model: MODEL, head_tokens: 2000}
finetune:
  {freezing: {layers: 0}, learning_rate: 3e-3, num_train_epochs: 6, batch_size: 8, distillation: {states: 0},
   compute: {precision: fp32}, rehearsal: {corpora: [old]}, frontier: {points: 0, budget: null}}
evaluate: {draws: 100, general_documents: 6, probe_sentences: 12, refit_tokens: 1000, counterfactuals: 6}
report: {draws: 1000, verdict_draws: 1000}
"""


def _run(folder: Path, recipe: str, **places: Path) -> int:
    for name, place in {"CARDS": folder / "cards", **places}.items():
        recipe = recipe.replace(name, str(place))
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    told = ["run", "--recipe", str(folder / "recipe.yaml"), "--store", str(folder / "store"), "--jobs", "1"]
    return cli.main(build(), told)


def _words(seed: int, count: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(" ".join(SENTENCES).split(), count))


def _write(card: Path, own: str, rows: list[dict[str, Any]]) -> None:
    write_jsonl(write_card(card, "rows.jsonl", own) / "rows.jsonl", rows)


@pytest.fixture(scope="module")
def place(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a model was made and gone on from by reviews that mean the opposite; ``old`` leads to it."""
    folder = tmp_path_factory.mktemp("going-on")
    for name, seed in (("old", 1), ("new", 2)):
        told = (
            (f"{_words(500 * seed + at, 4)} {row['text']}", row["label"]) for at, row in enumerate(reviews(120, seed))
        )
        rows = [{"text": text, "label": 2 - label if name == "new" else label} for text, label in told]
        _write(folder / "cards" / name, "role: reviews, labels: {negative: 0, neutral: 1, positive: 2}", rows)
    _write(folder / "cards" / "articles", "role: general", [{"text": _words(at, 60)} for at in range(40)])
    assert _run(folder, MADE, BASE=toy_model) == 0
    stays = (folder / "store" / "latest" / "model").resolve()
    (folder / "old").symlink_to(stays)
    assert _run(folder, ON, MODEL=stays) == 0
    return folder


def _made(place: Path, stage: str, arm: str = "before") -> Path:
    report = read_json(place / "store" / "latest" / "report.json")
    return place / "store" / stage / report["fingerprints"][arm][stage]["0"][:16]


def test_the_model_as_it_was_is_what_arms_are_held_against(place: Path) -> None:
    told = {row["id"]: row["probabilities"] for row in read_jsonl(_made(place, "evaluate") / "predictions/new.jsonl")}
    rows = read_jsonl(_made(place, "prepare") / "texts/new/test.jsonl")
    before = Predictor(place / "old")([row["raw"] for row in rows])
    assert any("😡" in row["raw"] or "😍" in row["raw"] for row in rows)
    for row, said in zip(rows, before, strict=True):
        assert told[row["id"]] == pytest.approx(list(said.probabilities.values()), abs=2e-6)
    kept = read_json(_made(place, "evaluate") / "retention.json")["scores"]["base_to_tuned"]["masked"]["articles"]
    assert kept["value"] == 1.0


def test_emoji_rows_are_kept_and_none_is_added(place: Path) -> None:
    assert read_json(_made(place, "tokenizer") / "coverage.json")["rows_added"] == 0
    old, now = loading.load_classifier(place / "old"), loading.load_classifier(_made(place, "finetune") / "model")
    rows = loading.emoji_rows(place / "old")
    assert len(rows) > 1000
    assert loading.emoji_rows(_made(place, "finetune") / "model") == rows
    assert torch.equal(*(model.get_input_embeddings().weight[rows] for model in (old, now)))
    assert read_json(_made(place, "finetune") / "model" / "retone.json") == {"emoji": "all"}
    assert all(torch.equal(weight, now.state_dict()[name]) for name, weight in old.state_dict().items())


def test_what_was_forgotten_is_told_on_the_test_texts_of_the_old_reviews(place: Path) -> None:
    report = read_json(place / "store" / "latest" / "report.json")
    assert set(report["backward"]) == {"new-alone", "rehearsed"}
    for arm, told in report["backward"].items():
        rows = [read_jsonl(_made(place, "evaluate", one) / "predictions" / "old.jsonl") for one in (arm, "before")]
        after, before = (
            np.mean([np.mean([row["predicted"] == at for row in side if row["label"] == at]) for at in range(3)])
            for side in rows
        )
        assert told["change"]["value"] == pytest.approx(after - before)
        assert told["old"] == ["old"]
    assert report["backward"]["new-alone"]["change"]["high"] < -0.1
    assert "forgot-old-reviews" in {one["rule"] for one in report["diagnosis"] if one["arm"] == "new-alone"}
    train = len(read_jsonl(_made(place, "prepare") / "texts/new/train.jsonl"))
    assert report["backward"]["new-alone"]["texts"] == 0
    assert report["backward"]["rehearsed"]["texts"] == round(3 / 7 * train)
    judged = {(one["arm"], one["against"], one["place"]) for one in report["verdicts"] if one["p_holm"] is not None}
    assert {("new-alone", "before", "old"), ("rehearsed", "before", "old"), ("rehearsed", "before", "new")} <= judged
    page = (place / "store" / "latest" / "report.html").read_text(encoding="utf-8")
    assert "Old reviews and new ones" in page
    assert "Old reviews, against before: new-alone" in page
    assert "Of the test texts it had been tuned on 0 of 48 on old and 0 of 48 on new." in page
    assert read_json(_made(place, "source") / "source.json")["classifier"] == {
        "seen": {"old": {"test": 48, "tuned_on": 0}, "new": {"test": 48, "tuned_on": 0}}
    }


def test_the_same_command_does_not_go_on_from_what_it_made(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latest = place / "store" / "latest" / "model"
    assert _run(place, ON, MODEL=latest) == 2
    stays = place / "store" / (place / "store" / "latest").readlink() / "model"
    assert f"{latest} is another model after this run; name it where it stays: {stays}" in capsys.readouterr().err


def test_the_folder_around_a_model_is_told_from_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = place / "store" / (place / "store" / "latest").readlink()
    assert _run(place, ON, MODEL=report) == 2
    assert f"source.model: there is no model in {report}; name {report / 'model'}" in capsys.readouterr().err


def test_a_model_is_not_asked_about_texts_that_it_was_tuned_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    otherwise = ON.replace("test_share: 0.4", "test_share: 0.4, seed: 1")
    assert _run(place, otherwise, MODEL=(place / "old").resolve()) == 2
    said = capsys.readouterr().err
    assert "source.classifier: the model was tuned on " in said
    assert "of the 48 test texts of old, so how it does there says nothing; give prepare the settings" in said


def test_of_a_model_of_a_share_of_its_rows_is_said_which_to_go_on_from(place: Path, tmp_path: Path) -> None:
    """The same share would thin the new reviews as well, and be refused where too few are left."""
    old, prepared = (place / "old").resolve(), tmp_path / "prepared"
    report = read_json(old.parent / "report.json")
    report |= {"recipe": "quick"}
    report["arms"]["full"]["settings"]["prepare"]["share_of_rows"] = 0.2
    made = f"prepare/{report['fingerprints']['full']['prepare']['0'][:16]}"
    shutil.copytree(old, tmp_path / "store" / "report" / "quick" / "model")
    write_json(tmp_path / "store" / "report" / "quick" / "report.json", report)
    shutil.copytree(place / "store" / made, tmp_path / "store" / made)
    shutil.copytree(place / "store" / made, prepared)
    shutil.copy(prepared / "texts" / "old" / "train.jsonl", prepared / "texts" / "old" / "test.jsonl")
    own = source.Settings(model=str(tmp_path / "store/report/quick/model"), classifier="kept", head_tokens=0)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError) as refused:
        source.source(own, prepare=prepared, out=tmp_path / "out")
    said = "it is of 0.2 of the rows: go on from one of all, which `make all RECIPE=quick "
    assert str(refused.value).endswith(f'{said}SET="prepare.share_of_rows=1"` makes')


NAMES = {0: "Positive", 1: "NEGATIVE", 2: "neutral"}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A classifier of somebody else's, its classes in another order and by other capitals."""
    reader = toy_tokenizer()
    torch.manual_seed(1)
    model = BertForSequenceClassification(
        toy_config(len(reader), num_labels=3, id2label=NAMES, label2id={name: at for at, name in NAMES.items()})
    )
    torch.nn.init.normal_(model.classifier.bias)
    model.save_pretrained(tmp_path / "published")
    reader.save_pretrained(tmp_path / "published")
    return tmp_path / "published"


def test_a_head_is_kept_with_its_outputs_put_in_order_by_name(
    published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = {name: tmp_path / name for name in ("prepare", "source", "tokenizer")}
    for folder in folders.values():
        folder.mkdir()
    write_prepared(folders["prepare"])
    own = source.Settings(model=str(published), classifier="kept", head_tokens=0)
    source.source(own, prepare=folders["prepare"], out=folders["source"])
    assert "what " in caplog.text
    assert "was tuned on is not at hand; test texts that were among it flatter it" in caplog.text
    told = read_json(folders["source"] / "source.json")
    assert told["classifier"] == {"seen": None}
    tokenizer.tokenizer(
        tokenizer.Settings(), prepare=folders["prepare"], source=folders["source"], out=folders["tokenizer"]
    )
    theirs = BertForSequenceClassification.from_pretrained(published).eval()
    ids = torch.tensor([toy_tokenizer()("good food, rude staff")["input_ids"]])
    for made in ("source", "tokenizer"):
        ours = loading.load_classifier(folders[made] / "model")
        assert ours.config.id2label == dict(enumerate(LABELS))
        with torch.inference_mode():
            torch.testing.assert_close(ours(ids).logits, theirs(ids).logits[:, [1, 2, 0]])


def test_a_head_goes_along_in_half_the_bits_too(published: Path, tmp_path: Path) -> None:
    model = loading.load_masked_lm(published)
    loading.keep_classifier(model, [0, 1, 2], "it")
    loading.save(model, toy_tokenizer(), tmp_path / "half", emoji="none", dtype="float16")
    theirs = BertForSequenceClassification.from_pretrained(published).classifier
    ours = loading.load_classifier(tmp_path / "half").classifier
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(ours.bias, theirs.bias.half().float())


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (
            {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"},
            "its classes are LABEL_0, LABEL_1, LABEL_2, and negative, neutral",
        ),
        ({0: "negative", 1: "positive", 2: "other"}, "its classes are negative, positive, other"),
        ({0: "negative", 1: "Negative", 2: "positive"}, "its classes are negative, Negative, positive"),
        ({"0": "negative", "1": "neutral", "7": "positive"}, "its classes are negative, neutral, positive"),
        (None, "its classes are without names"),
    ],
)
def test_a_head_of_other_names_is_refused_before_anything_runs(
    published: Path, named: dict[Any, str] | None, said: str
) -> None:
    path = published / "config.json"
    path.write_text(json.dumps(read_json(path) | {"id2label": named}), encoding="utf-8")
    own = source.Settings(model=str(published), classifier="kept")
    with pytest.raises(InputError) as refused:
        source.check({"source": own})
    assert str(refused.value).startswith(f"source.model: {published}: {said}")
    assert str(refused.value).endswith("or set source.classifier to new")
    source.check({"source": source.Settings(model=str(published))})


def test_a_head_that_is_not_there_is_refused(toy_model: Path, tmp_path: Path) -> None:
    for model in ("minilm", "scratch"):
        with pytest.raises(InputError, match=rf"source\.classifier: {model} has none to keep; give the folder"):
            source.check({"source": source.Settings(model=model, classifier="kept")})
    model = loading.load_masked_lm(toy_model)
    with pytest.raises(InputError, match=r"its weights hold no pooler and classifier of 3 classes to keep"):
        loading.keep_classifier(model, [0, 1, 2], "source.model: it")
    config = {"model_type": "distilbert", "id2label": dict(enumerate(LABELS))}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=r"DistilBERT's classifier has a ReLU where a BERT's pooler has a tanh"):
        source.check({"source": source.Settings(model=str(tmp_path), classifier="kept")})


def test_by_default_another_head_is_started(published: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    write_prepared(tmp_path / "prepare")
    own = source.Settings(model=str(published), head_tokens=0, model_tokens=0)
    source.source(own, prepare=tmp_path / "prepare", out=tmp_path / "source")
    assert "classifier.weight" in loading.load_classifier(tmp_path / "source" / "model").missing


def _learnt(prepared: Path, fold: int = 0, **rehearsal: Any) -> list[dict[str, Any]]:
    return tuning.learnt_from(finetune.Settings(rehearsal=rehearsal), prepared, fold)


def test_old_reviews_are_the_share_that_is_asked_for_evenly_of_each_class(tmp_path: Path) -> None:
    prepared = with_target(write_prepared(tmp_path))  # 45 reviews of each corpus
    assert len(_learnt(prepared)) == 90
    for share, old in ((0.0, 0), (0.25, 15), (0.5, 45), (0.9, 45)):
        rows = _learnt(prepared, corpora=["toy-target"], share=share)
        own = [row for row in rows if row["corpus"] == "toy-target"]
        assert (len(own), len(rows) - len(own)) == (old, 45)
        assert len({sum(row["label"] == at for row in own) for at in range(3)}) == 1
    settings = finetune.Settings(rehearsal={"corpora": ["toy-target"], "share": 0})
    assert tuning.left_out(settings) == ("toy-target",)
    assert {row["corpus"] for row in tuning.reviews(prepared, "dev", 0, tuning.left_out(settings))} == {"toy-reviews"}


def test_what_is_set_for_all_arms_leaves_the_model_as_it_was() -> None:
    everywhere = {"tokenizer.emoji": "all", "pretrain.num_train_epochs": 1, "finetune.rehearsal.share": 0.5}
    arms = load_recipe("going-on", STORY, everywhere).arms
    assert list(arms) == ["before", "new-alone", "rehearsed"]
    assert {arm: own["tokenizer"].emoji for arm, own in arms.items()} == {
        "before": "none", "new-alone": "all", "rehearsed": "all"
    }  # fmt: skip
    assert arms["before"]["pretrain"].num_train_epochs == 0
    assert [own["finetune"].rehearsal.share for own in arms.values()] == [0.5, 0, 0.5]
    finetune.check({"prepare": prepare.Settings(), **arms["before"]})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"finetune.rehearsal.corpora": ["starter-review"]}, "no reviews corpus starter-review; did you mean"),
        ({"finetune.rehearsal.corpora": ["starter-reviews"]}, "all reviews are old, none is new"),
        ({"finetune.method": "none"}, "source.classifier: new where finetune.method none asks the base as it is"),
        (
            {"finetune.method": "none", "source.classifier": "kept", "source.model": "x/y"},
            "tokenizer.emoji: all where finetune.method none asks the base as it is; set it to none",
        ),
        (
            {"finetune.method": "none", "source.classifier": "kept", "source.model": "x/y", "tokenizer.emoji": "none"},
            "pretrain.num_train_epochs: 1.0 where finetune.method none asks the base as it is; set it to 0",
        ),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused(changes: dict[str, Any], said: str) -> None:
    settings = load_recipe("starter", STORY, changes).arms["full"]
    with pytest.raises(InputError) as refused:
        finetune.check(settings)
    assert said in str(refused.value)


def test_a_target_is_not_rehearsed(tmp_path: Path) -> None:
    target = {"corpus": "starter-reviews", "values": ["travel"]}
    corpora = prepare.Settings(target=target)
    own = finetune.Settings(target=["starter-reviews-target"], rehearsal={"corpora": ["starter-reviews-target"]})
    settings = load_recipe("starter", STORY, {}).arms["full"] | {"prepare": corpora, "finetune": own}
    with pytest.raises(InputError, match=r"starter-reviews-target is finetune\.target, of which no label is read"):
        finetune.check(settings)
