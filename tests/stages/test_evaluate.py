"""evaluate on toys: what it writes, that it repeats to the byte, and that its figures follow from its rows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import Predictor
from pipeline.common.cache import remembered
from pipeline.common.errors import InputError
from pipeline.common.files import read_jsonl, write_json
from pipeline.common.labels import FLOORS, LABELS
from pipeline.measuring.behaviour import negation, writing
from pipeline.measuring.general.score import words_kept
from pipeline.measuring.layers.cka import by_layer
from pipeline.measuring.layers.probes import TASKS
from pipeline.measuring.reviews import run as reviews_run
from pipeline.measuring.reviews.score import differences
from pipeline.measuring.statistics import classification
from pipeline.models import loading
from stages.evaluate import STAGE, Settings, evaluate
from tests.toy_texts import with_target, write_prepared

SETTINGS = Settings(draws=100, refit_tokens=1000, tokens_per_batch=512)


def told(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def digests(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def add_to_test(prepare: Path, **row: Any) -> None:
    with (prepare / "texts" / "toy-reviews" / "test.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"id": f"added:{row['raw'][:20]}", "text": row["raw"], "label": 0, **row}) + "\n")


@pytest.fixture(scope="module")
def inputs(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artifacts of the stages before; adapted is base, tuned is base with a head: nothing was lost."""
    root = tmp_path_factory.mktemp("evaluate")
    at = {name: root / name for name in ("prepare", "source", "tokenizer", "pretrain", "finetune")}
    write_json(at["tokenizer"] / "coverage.json", {"rows_started": {"noise": 0.1, "seed": 0}})
    write_json(at["finetune"] / "finetune.json", {})
    write_prepared(at["prepare"])
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    loading.save(model, tokenizer, at["source"] / "model", emoji="none")
    loading.save(model, tokenizer, at["pretrain"] / "model", emoji="none")
    torch.manual_seed(0)
    loading.save(loading.load_classifier(at["source"] / "model"), tokenizer, at["finetune"] / "model", emoji="none")
    return at


def run(at: dict[str, Path], root: Path, settings: Settings = SETTINGS) -> Path:
    out = root / "out"
    out.mkdir(parents=True)
    if not (at["finetune"] / "finetune.json").exists():
        write_json(at["finetune"] / "finetune.json", {})
    evaluate(settings, **at, cache=root / "cache", out=out)
    return out


@pytest.fixture(scope="module")
def out(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(inputs, tmp_path_factory.mktemp("evaluated"))


def test_makes_what_it_declares(out: Path) -> None:
    assert {path.name for path in out.iterdir()} == set(STAGE.makes)
    assert {path.name for path in (out / "retention").iterdir()} == {
        *(f"{model}.jsonl" for model in ("base", "adapted", "tuned")),
        *(f"pairs_{model}.jsonl" for model in ("base", "adapted", "tuned")),
        *(f"shift_{model}.jsonl" for model in ("base", "adapted")),
        *(f"{model}_refitted.jsonl" for model in ("adapted", "tuned")),
        "sentences.jsonl",
        "masks",
    }


def test_twice_is_the_same_to_the_byte(inputs: dict[str, Path], out: Path, tmp_path: Path) -> None:
    again = run(inputs, tmp_path)  # with a cache of its own
    assert digests(again) == digests(out)


def test_remembered_is_the_same_to_the_byte(inputs: dict[str, Path], out: Path) -> None:
    warm = out.parent / "warm"
    warm.mkdir()
    evaluate(SETTINGS, **inputs, cache=out.parent / "cache", out=warm)
    assert digests(warm) == digests(out)


def test_damaged_memory_is_not_believed(inputs: dict[str, Path], out: Path, tmp_path: Path) -> None:
    first = run(inputs, tmp_path)
    for entry in (tmp_path / "cache").iterdir():
        entry.write_bytes(entry.read_bytes().replace(b"1", b"7"))
    again = tmp_path / "again"
    again.mkdir()
    evaluate(SETTINGS, **inputs, cache=tmp_path / "cache", out=again)
    assert digests(again) == digests(first)


def test_scores_follow_from_the_predictions(out: Path) -> None:
    found = told(out, "scores")["corpora"]["toy-reviews"]
    predictions = rows(out / "predictions", "toy-reviews")
    matrix = confusion(predictions)
    assert found["model"]["confusion"] == matrix.tolist()
    assert found["model"]["macro_recall"]["value"] == pytest.approx(float(classification.macro_recall(matrix)))
    for kept in (predictions, *(rows(out / "floors" / name, "toy-reviews") for name in FLOORS)):
        assert [row["id"] for row in predictions] == [row["id"] for row in kept]
        assert all(row["predicted"] == row["probabilities"].index(max(row["probabilities"])) for row in kept)
    for slice_name, wanted in (("emoji", True), ("no_emoji", False)):
        assert found["slices"][slice_name]["n"] == sum(row["emoji"] is wanted for row in predictions)
    assert sum(row["emoji"] for row in predictions) == 12  # rows 0-2, 9-11, 18-20 and 27-29 of the toy


def test_behaviour_is_asked_of_the_tuned_model(inputs: dict[str, Path], out: Path) -> None:
    said = Predictor(inputs["finetune"] / "model")([one.plain for one in negation.OPINIONS])
    right = sum(found.label == LABELS[one.side] for found, one in zip(said, negation.OPINIONS, strict=True))
    shares = told(out, "behaviour")["shares"]
    plain = shares["negation"]["plain"]
    assert (plain["value"], plain["n"]) == (pytest.approx(right / len(negation.OPINIONS)), 20)
    called = rows(out / "predictions", "toy-reviews")
    assert 0 < shares["writing"]["typos"]["n"] <= sum(row["label"] == row["predicted"] for row in called)
    assert [*shares["writing"]] == [*writing.KINDS]


def confusion(found: list[dict[str, Any]]) -> Any:
    return classification.confusion([row["label"] for row in found], [row["predicted"] for row in found])


@pytest.mark.parametrize("mode", ["none", "words"])
def test_a_predictor_says_what_was_scored(inputs: dict[str, Path], tmp_path: Path, mode: str) -> None:
    """Of raw texts, with emoji and with what cleaning undoes."""
    at = inputs | {"prepare": tmp_path / "prepare", "finetune": tmp_path}
    shutil.copytree(inputs["prepare"], at["prepare"])
    base = inputs["source"] / "model"
    torch.manual_seed(1)
    loading.save(loading.load_classifier(base), loading.load_tokenizer(base), tmp_path / "model", emoji=mode)
    raw = {
        "good &amp; baaaaad \U0001f621": "good & baaad \U0001f621",
        "best \U0001f60d " * 90: "best \U0001f60d " * 89 + "best \U0001f60d",
    }
    for text, cleaned in raw.items():
        add_to_test(at["prepare"], raw=text, text=cleaned)
    (tmp_path / "out").mkdir()
    folders = (at["prepare"], inputs["source"] / "model", tmp_path)
    reviews_run.score_reviews(SETTINGS, "toy-reviews", *folders, partial(remembered, tmp_path), tmp_path / "out")
    scored = rows(tmp_path / "out" / "predictions", "toy-reviews")
    texts = [row["raw"] for row in read_jsonl(at["prepare"] / "texts" / "toy-reviews" / "test.jsonl")]
    assert set(raw) < set(texts)
    found = Predictor(tmp_path / "model")(texts)
    assert [LABELS.index(each.label) for each in found] == [row["predicted"] for row in scored]
    told = [list(each.probabilities.values()) for each in found]
    np.testing.assert_allclose(told, [row["probabilities"] for row in scored], atol=2e-6)


def test_floors_beat_an_untrained_head_and_say_how_they_were_fitted(out: Path) -> None:
    floors = told(out, "scores")["corpora"]["toy-reviews"]["floors"]
    assert list(floors) == list(FLOORS)
    model = rows(out / "predictions", "toy-reviews")
    for name in floors:
        floor = rows(out / "floors" / name, "toy-reviews")
        assert classification.macro_recall(confusion(floor)) > 0.8
        labels, of_floor = ([row[key] for row in floor] for key in ("label", "predicted"))
        apart = differences(labels, [row["predicted"] for row in model], of_floor, draws=100, seed=0)["macro_recall"]
        assert apart["high"] < 0
    assert set(floors["features"]) == {"layer", "C", "dev_macro_recall", "features", "train_texts"}
    assert set(floors["tfidf"]) == {"C", "dev_macro_recall", "features", "train_texts"}


def test_floors_on_a_target_learn_from_the_source_alone(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All labels of the target turned round, the floors say the same of it; and the stage tells them so."""
    said, asked = [], {}
    for turned in (False, True):
        out, prepared = tmp_path / str(turned), with_target(write_prepared(tmp_path / f"p{turned}"), turned=turned)
        read = (SETTINGS, "toy-target", prepared, inputs["source"] / "model", inputs["finetune"])
        reviews_run.score_reviews(*read, partial(remembered, tmp_path / "cache"), out, sources=["toy-reviews"])
        said.append([[row["probabilities"] for row in rows(out / "floors" / name, "toy-target")] for name in FLOORS])
    assert said[0] == said[1]

    def noted(_settings: Any, corpus: str, *_rest: Any, sources: list[str]) -> None:
        asked[corpus] = sources
        if len(asked) == 2:
            raise InterruptedError

    monkeypatch.setattr(reviews_run, "score_reviews", noted)
    write_json(tmp_path / "tuned" / "finetune.json", {"target": ["toy-target"]})
    with pytest.raises(InterruptedError):
        run(inputs | {"prepare": prepared, "finetune": tmp_path / "tuned"}, tmp_path)
    assert asked == {"toy-reviews": ["toy-reviews"], "toy-target": ["toy-reviews"]}


def test_floors_are_fitted_on_a_sample_of_many_texts(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews_run, "FLOOR_TEXTS", {"features": 9, "tfidf": 12})
    folders = (inputs["prepare"], inputs["source"] / "model", inputs["finetune"])
    remember = partial(remembered, tmp_path / "cache")
    found = reviews_run.score_reviews(SETTINGS, "toy-reviews", *folders, remember, tmp_path)
    assert {name: told["train_texts"] for name, told in found["floors"].items()} == {"tfidf": 12, "features": 9}
    assert [len(rows(tmp_path / "floors" / name, "toy-reviews")) for name in FLOORS] == [30, 30]


def test_identical_models_keep_exactly_everything(out: Path) -> None:
    found = told(out, "retention")
    for step in ("base_to_adapted", "adapted_to_tuned", "base_to_tuned"):
        kept = found["scores"][step]["masked"]["toy-general"]
        assert (kept["value"], kept["low"], kept["high"]) == (1.0, 1.0, 1.0)
    assert rows(out / "retention", "base") == rows(out / "retention", "tuned")
    assert found["models"]["base"] == found["models"]["adapted"] == found["models"]["tuned"]
    for parts in found["drift"].values():
        assert parts["adaptation"]["value"] == parts["tuning"]["value"] == parts["real"]["value"] == 0.0
        assert parts["interface"]["value"] == pytest.approx(-parts["refitting"]["value"])


def test_shift_has_every_slice(out: Path) -> None:
    shift = told(out, "retention")["shift"]
    assert {corpus: (of["role"], of["split"]) for corpus, of in shift.items()} == {
        "toy-general": ("general", "test"),
        "toy-informal": ("informal", "dev"),
        "toy-reviews": ("reviews", "test"),
        "toy-pairs-sentences": ("pairs", "test"),
    }
    assert all(of["base"] == of["adapted"] for of in shift.values())
    assert set(told(out, "retention")["masks"]) == set(shift)


def test_forgetting_is_measured(inputs: dict[str, Path], out: Path, tmp_path: Path) -> None:
    model, tokenizer = (load(inputs["source"] / "model") for load in (loading.load_masked_lm, loading.load_tokenizer))
    with torch.no_grad():  # piece 20 becomes the answer to everything
        model.cls.predictions.bias[20] += 3.0
    loading.save(model, tokenizer, tmp_path / "pretrain" / "model", emoji="none")
    worse = run({**inputs, "pretrain": tmp_path / "pretrain"}, tmp_path)
    kept = told(worse, "retention")["scores"]["base_to_adapted"]["masked"]["toy-general"]
    assert kept["high"] < 1
    before, now = (
        [row for row in rows(worse / "retention", model) if row["corpus"] == "toy-general"]
        for model in ("base", "adapted")
    )
    expected = words_kept(before, [now]).figure(draws=100, seed=0)
    assert kept == expected.as_json()
    assert told(worse, "retention")["masks"] == told(out, "retention")["masks"]


def test_plain_text_is_scored_as_it_came(inputs: dict[str, Path], tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare")
    path = tmp_path / "prepare" / "texts" / "toy-reviews" / "test.jsonl"
    kept = [json.loads(line) | {"raw": "best " * 20} for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    out = run({**inputs, "prepare": tmp_path / "prepare"}, tmp_path)
    predictions = rows(out / "predictions", "toy-reviews")
    assert len({row["plain"] for row in predictions}) == 1
    changed = sum(row["plain"] != row["predicted"] for row in predictions) / len(predictions)
    assert told(out, "scores")["corpora"]["toy-reviews"]["plain"]["changed"] == pytest.approx(changed)


def test_a_model_that_reads_names_gets_names(inputs: dict[str, Path], tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare")
    for text in ("so so 😂", "so so face with tears of joy"):
        add_to_test(tmp_path / "prepare", raw=text)
    found = {}
    for mode in ("none", "words"):
        head = tmp_path / mode / "model"
        loading.save(
            *(load(inputs["finetune"] / "model") for load in (loading.load_classifier, loading.load_tokenizer)),
            head,
            emoji=mode,
        )
        out = run({**inputs, "prepare": tmp_path / "prepare", "finetune": tmp_path / mode}, tmp_path / mode / "run")
        *_, emoji, words = rows(out / "predictions", "toy-reviews")
        found[mode] = emoji["probabilities"] == words["probabilities"]
        *_, emoji, words = rows(out / "floors" / "features", "toy-reviews")
        assert emoji["probabilities"] == words["probabilities"]
    assert found == {"none": False, "words": True}


def test_a_huge_review_is_answered(inputs: dict[str, Path], tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare")
    add_to_test(tmp_path / "prepare", raw="word " * 2_000)
    out = run({**inputs, "prepare": tmp_path / "prepare"}, tmp_path)
    assert len(rows(out / "predictions", "toy-reviews")) == 31


@pytest.mark.parametrize("missing", ["general", "informal", "pairs", "reviews"])
def test_what_no_corpus_is_there_for_stays_empty(inputs: dict[str, Path], tmp_path: Path, missing: str) -> None:
    write_prepared(tmp_path / "prepare", without=[missing])
    out = run({**inputs, "prepare": tmp_path / "prepare"}, tmp_path)
    found = told(out, "retention")
    assert missing not in {of["role"] for of in found["shift"].values()}
    if missing == "reviews":
        assert told(out, "scores")["corpora"] == {}
    slices = {"general": {"toy-pairs-sentences"}, "pairs": {"toy-general"}}
    everywhere = {"toy-general", "toy-pairs-sentences"}
    assert set(found["models"]["base"]["masked"]) == slices.get(missing, everywhere)
    assert set(found["scores"]["base_to_tuned"]["masked"]) == slices.get(missing, everywhere)
    assert (found["models"]["base"]["pairs"] == {}) == (missing == "pairs")
    assert (found["drift"] == {}) == (missing == "general")  # no text to refit heads on


LONGER = [
    "the cat sat near the old door and the rain fell",
    "a small dog ran over the green hill",
    "snow falls each winter on the high mountains of the north and melts again each summer",
    "good food was served with great care",
    "the box was broken when it came to the house late at night in winter",
    "she had the best phone of all her friends",
    "nothing about the old town was special that year",
    "we loved the place where the river meets the sea and the boats come home in summer",
    "rude staff never again said the tired man",
    "the bucket holds water and the box holds bread for the whole long week",
    "a glacier forms where more snow falls than melts",
    "it works for days and nights on end",
]


def test_probes_and_cka_look_at_every_layer(inputs: dict[str, Path], tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare")
    text = [{"id": str(place), "text": f"{line}."} for place, line in enumerate(LONGER)]
    path = tmp_path / "prepare" / "texts" / "toy-general" / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in text), encoding="utf-8")
    classifier = loading.load_classifier(inputs["source"] / "model")
    with torch.no_grad():  # the embeddings and the first layer stay as they are
        classifier.bert.encoder.layer[1].output.dense.weight.mul_(-20.0)
    loading.save(classifier, loading.load_tokenizer(inputs["source"] / "model"), tmp_path / "tuned/model", emoji="none")
    at = {**inputs, "prepare": tmp_path / "prepare", "finetune": tmp_path / "tuned"}
    out = run(at, tmp_path)
    found = told(out, "retention")
    assert [figure["value"] for figure in found["cka"]["adapted"]] == [1.0, 1.0, 1.0]
    assert [figure["value"] == 1.0 for figure in found["cka"]["tuned"]] == [True, True, False]
    chance = {task: of["chance"] for task, of in found["probes"].items()}
    assert chance == {task.name: chance[task.name] for task in TASKS}
    assert (chance["shuffled_bigram"], chance["length"]) == (0.5, 1 / 3)
    for of in found["probes"].values():
        assert of["accuracy"]["base"] == of["accuracy"]["adapted"]
        assert of["accuracy"]["base"][:2] == of["accuracy"]["tuned"][:2]
        assert [figure["n"] for figure in of["accuracy"]["base"]] == [12, 12, 12]
        assert [figure["value"] for figure in of["minus_base"]["adapted"]] == [0, 0, 0]
        assert [figure["value"] for figure in of["minus_base"]["tuned"]][:2] == [0, 0]
    features = np.load(out / "retention" / "features_tuned.npy")
    assert (features.shape, features.dtype) == ((12, 3, 32), np.float16)
    assert [figure.value for figure in by_layer(features, features)] == [1.0, 1.0, 1.0]
    assert len(rows(out / "retention", "probes_tuned")) == len(rows(out / "retention", "sentences")) == 12
    assert digests(run(at, tmp_path / "again")) == digests(out)


def test_a_corpus_without_test_texts_is_named(inputs: dict[str, Path], tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare")
    (tmp_path / "prepare" / "texts" / "toy-reviews" / "test.jsonl").unlink()
    with pytest.raises(InputError, match="corpus toy-reviews: no test texts"):
        run({**inputs, "prepare": tmp_path / "prepare"}, tmp_path)


def test_batches_do_not_change_the_result(inputs: dict[str, Path], out: Path, tmp_path: Path) -> None:
    small = run(inputs, tmp_path, SETTINGS.model_copy(update={"tokens_per_batch": 64}))
    assert (
        told(small, "scores")["corpora"]["toy-reviews"]["model"]
        == told(out, "scores")["corpora"]["toy-reviews"]["model"]
    )
    ours, theirs = ([row["nats"] for row in rows(folder / "retention", "base")] for folder in (small, out))
    assert ours == pytest.approx(theirs, abs=2e-4)


def test_what_is_told_is_the_line_of_the_ladder(tmp_path: Path) -> None:
    def scores(value: float, n: int) -> dict[str, Any]:
        return {"n": n, "macro_recall": {"value": value, "low": value - 0.04, "high": value + 0.05, "n": n}}

    shop = {"model": scores(0.5, 90), "slices": {"emoji": scores(0.25, 12), "no_emoji": None}}
    blog = {"model": scores(0.75, 60), "slices": {"emoji": None, "no_emoji": None}}
    masked = {"articles": {"value": 0.9, "low": 0.85, "high": 1.02, "n": 30}}

    def told(corpora: dict[str, Any], masked: dict[str, Any]) -> list[str]:
        (tmp_path / "scores.json").write_text(json.dumps({"corpora": corpora}))
        (tmp_path / "retention.json").write_text(json.dumps({"scores": {"base_to_tuned": {"masked": masked}}}))
        assert STAGE.tell
        return list(STAGE.tell(tmp_path))

    kept = "general English kept (masked words) 90.0 (85.0–102.0)"
    assert told({"shop": shop}, masked) == [
        f"macro-recall 50.0 (46.0–55.0), on 12 emoji texts 25.0 (21.0–30.0), {kept}, all in %"
    ]
    assert told({"shop": shop, "blog": blog}, masked)[1] == f"blog: macro-recall 75.0 (71.0–80.0), {kept}, all in %"
    assert told({"blog": blog}, {}) == ["macro-recall 75.0 (71.0–80.0), all in %"]
    assert told({}, masked) == []


def test_importing_the_stage_is_cheap() -> None:
    code = "import sys, stages.evaluate; print({'torch', 'transformers', 'sklearn', 'evaluate'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
