"""A model in a program of one's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pipeline
from pipeline import InputError, Predictor
from pipeline.common.labels import LABELS
from pipeline.measuring import scoring
from pipeline.models import loading
from pipeline.models.batches import FORWARD_TOKENS
from tests.toys import SENTENCES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned") / "model"
    torch.manual_seed(0)
    model = loading.load_classifier(toy_model)
    with torch.no_grad():  # a fresh toy hardly tells texts apart
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    loading.save(model, loading.load_tokenizer(toy_model), folder, emoji="words")
    return folder


@pytest.fixture(scope="module")
def classify(folder: Path) -> Predictor:
    return Predictor(folder)


def test_the_lines_in_the_readme_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    (tmp_path / "artifacts" / "latest").mkdir(parents=True)
    (tmp_path / "artifacts" / "latest" / "model").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    *before, last = lines.splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(before), names)
    ((label, probabilities),) = eval(last, names)
    assert label == max(probabilities, key=probabilities.__getitem__)
    assert tuple(probabilities) == LABELS
    assert sum(probabilities.values()) == pytest.approx(1, abs=2e-6)


def test_answers_come_in_the_order_of_any_number_of_texts(classify: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [classify(text)[0] for text in SENTENCES]
    assert len({each.probabilities["positive"] for each in alone}) == len(SENTENCES)
    monkeypatch.setitem(FORWARD_TOKENS, "cpu", 64)  # so that there are many batches
    together = classify(text for text in SENTENCES * 3)
    assert [each.label for each in together] == [each.label for each in alone] * 3
    tables = ([list(each.probabilities.values()) for each in some] for some in (together, alone * 3))
    np.testing.assert_allclose(*tables, atol=2e-6)
    assert classify([]) == []
    assert classify(np.array(SENTENCES[:2])) == classify(tuple(SENTENCES[:2]))


def test_in_bulk_each_text_is_read_once_and_those_cut_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(folder, 9)
    asked: list[int] = []
    score = scoring.class_probabilities
    monkeypatch.setattr(
        scoring, "class_probabilities", lambda model, ids: (asked.append(len(ids)), score(model, ids))[1]
    )
    texts = ["good &amp; bad", "bad " * 7, "\n", "good & bad", "bad " * 8, "bad " * 8 + "good"]
    found, cut = predictor.in_bulk(texts)
    assert asked == [4]  # the two longest begin alike
    assert cut == 2
    assert found == [None if text == "\n" else predictor(text)[0] for text in texts]
    assert found[4] == found[5] == found[1]
    assert predictor.in_bulk([]) == ([], 0)


def test_texts_are_read_as_in_training(classify: Predictor) -> None:
    one, two = classify(["good &amp; bad 😂", "good & bad face with tears of joy"])
    assert one == two


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ("", "text 1: nothing to read in it; leave it out"),
        (["good", "\n"], "text 2: nothing to read in it"),
        (["good", None], "text 2: a NoneType where a text belongs"),
        (None, "text 1: a NoneType where a text belongs"),
        (5, "text 1: a int where a text belongs"),
        (b"good", "text 1: a bytes where a text belongs"),
        ({"text": "good"}, "text 1: a dict where a text belongs"),
    ],
)
def test_what_is_no_text_is_refused_by_its_place(classify: Predictor, texts: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        classify(texts)


def test_no_more_is_read_than_in_training(folder: Path) -> None:
    assert [Predictor(folder, longest).reader.max_length for longest in (None, 9, 500)] == [128, 9, 128]


@pytest.mark.parametrize("classes", [["negative", "neutral", "positive"], "negative", 3, {"0": "bad"}, None])
def test_a_config_whose_classes_are_of_another_form_is_refused(folder: Path, tmp_path: Path, classes: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"id2label": classes}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("model.safetensors", "retone.json", "tokenizer.json", "tokenizer_config.json"):
        if (folder / name).exists():
            (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(InputError, match="its classes are not negative, neutral, positive"):
        Predictor(tmp_path)


def test_a_folder_that_is_no_tuned_model_is_refused(toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its classes are not negative, neutral, positive"):
        Predictor(toy_model)
    with pytest.raises(InputError, match=r"no config\.json there"):
        Predictor(str(tmp_path / "gone"))


def test_the_package_is_light_until_a_predictor_is_wanted() -> None:
    code = "import sys, pipeline; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
    assert not hasattr(pipeline, "nothing")
    assert set(pipeline.__all__) == {"InputError", "Predictor", "RetoneClassifier"}
