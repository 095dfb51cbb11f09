"""The recipe as an estimator: what scikit-learn expects of one, and the ten lines of the docs, on a toy."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pipeline import RetoneClassifier, estimator
from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.machine.recipe import load_recipe
from tests.test_story import filler
from tests.toy_texts import reviews

ROOT = Path(__file__).parents[1]
RECIPE = """
extends: starter
prepare: {corpora: [starter-reviews, starter-pairs]}
source: {model: MODEL}
tokenizer: {emoji: none}
pretrain: {num_train_epochs: 0}
finetune: {freezing: {layers: 1}, max_length: 32, distillation: {states: 0}, frontier: {budget: null, points: 0}}
arms: {naive: null, careful: null, adapted: null}
"""


def test_the_ten_lines_of_the_docs_run(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RECIPE.replace("MODEL", str(toy_model)), "utf-8")
    with Path("reviews.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "label"])
        table.writerows([f"{row['text']} {filler(at)}", LABELS[row["label"]]] for at, row in enumerate(reviews(90, 1)))
    (code,) = re.findall(r"```python\n(import csv\n.*?)```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.S)
    assert len([line for line in code.splitlines() if line]) <= 10
    found: dict[str, Any] = {}
    exec(code, found)
    assert capsys.readouterr().out.startswith("['")
    model, texts = found["model"], found["texts"]
    assert list(model.classes_) == list(LABELS)
    shares = model.predict_proba(texts[:5])
    assert shares.shape == (5, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-3)
    assert model.predict(texts[:5]).tolist() == [LABELS[place] for place in shares.argmax(axis=1)]
    numbers = [LABELS.index(label) - 1 for label in found["labels"]]  # -1, 0, 1: the same texts, so nothing is made
    again = clone(model).fit(texts[20:], numbers[20:])
    assert again.model_ == model.model_
    assert again.predict(texts[:5]).tolist() == [place - 1 for place in shares.argmax(axis=1)]


def test_it_keeps_its_settings_and_says_when_it_is_not_fitted() -> None:
    model = RetoneClassifier(recipe="quick", changes={"finetune.num_train_epochs": 1})
    assert clone(model).get_params() == {"recipe": "quick", "arm": None, "changes": {"finetune.num_train_epochs": 1},
                                         "store": "artifacts"}  # fmt: skip
    assert model.set_params(arm="naive").arm == "naive"
    with pytest.raises(NotFittedError):
        model.predict(["good"])


MINE = """
extends: starter
seeds: [3, 4, 5]
prepare: {folds: 5, share_of_rows: 0.2, corpora: [starter-reviews, starter-general]}
arms:
  careful: {prepare: {corpora: [starter-reviews, starter-informal], folds: 3, test_share: 0.3}}
"""


@pytest.mark.parametrize(
    ("arm", "changes", "reads", "shares"),
    [
        (None, {}, ["full", "starter-general"], (1.0, 0.01)),
        ("careful", {}, ["careful", "starter-informal"], (1.0, 0.01)),
        (None, {"report.final_arm": "careful"}, ["careful", "starter-informal"], (1.0, 0.01)),
        ("careful", {"prepare.share_of_rows": 0.5, "prepare.folds": 4}, ["careful", "starter-informal"], (0.5, 0.01)),
        ("careful", {"arms.careful.prepare": {"test_share": 0.1}}, ["careful"], (1.0, 0.1)),
        (None, {"prepare.corpora": ["starter-reviews", "starter-pairs"]}, ["full", "starter-pairs"], (1.0, 0.01)),
    ],
)
def test_it_learns_from_all_that_it_is_given_by_one_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arm: str | None, changes: dict[str, Any], reads: list[str],
    shares: tuple[float, float],
) -> None:  # fmt: skip
    class Asked(Exception):  # noqa: N818
        """What would be run."""

    def run(story: Any, recipe: Any, more: dict[str, Any], until: str, arms: list[str], store: Path) -> None:
        raise Asked(load_recipe(recipe, story, more), *arms)

    monkeypatch.setattr(estimator.runner, "run", run)
    file = tmp_path / "mine.yaml"
    file.write_text(MINE, "utf-8")
    model = RetoneClassifier(str(file), arm, changes, str(tmp_path / "store"))
    with pytest.raises(Asked) as asked:
        model.fit(["good", "so so", "bad"], ["positive", "neutral", "negative"])
    recipe, chosen = asked.value.args
    prepare, (own, *others) = recipe.arms[chosen]["prepare"], reads
    ((card, *beside), folder) = prepare.corpora, tmp_path / "store" / "fitted"
    assert (chosen, Path(card).parent) == (own, folder)
    assert len((Path(card) / "texts.jsonl").read_text("utf-8").splitlines()) == 3
    assert beside == (others or ["starter-general"])
    assert (recipe.seeds, prepare.folds, (prepare.share_of_rows, prepare.test_share)) == ((3,), 1, shares)


@pytest.mark.parametrize(
    ("recipe", "arm", "says"),
    [
        ("going-on", "before", "fit: arm before of recipe going-on tunes nothing"),
        ("domains", "mlm", "fit: arm mlm of recipe domains sets a target apart from starter-reviews"),
    ],
)
def test_an_arm_that_would_not_learn_from_the_texts_is_refused(
    tmp_path: Path, recipe: str, arm: str, says: str
) -> None:
    model = RetoneClassifier(recipe, arm, {"source.model": "minilm"}, str(tmp_path))
    with pytest.raises(InputError, match=says):
        model.fit(["good", "so so", "bad"], ["positive", "neutral", "negative"])


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["good", "bad"], "labels are bad, good; give negative"),
        ([1], "2 texts and 1 labels"),
        ([0, 1], "labels are 0, 1"),
    ],
)
def test_labels_that_mean_nothing_are_one_line(labels: list[Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        RetoneClassifier().fit(["a", "b"], labels)
