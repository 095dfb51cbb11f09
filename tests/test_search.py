"""`make search` over the whole story, small: the same study twice, the best recipe run, and what was left on test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the extra `search` is not installed")

from pipeline.machine import cli
from stages.__main__ import build
from tests.test_story import write_place

pytestmark = pytest.mark.long

SEARCH = """
arms: {naive: null, careful: null, adapted: null}
search:
  budget: 0.5
  seed: 3
  settings:
    finetune.learning_rate: {low: 1e-4, high: 1e-2, log: true}
    finetune.freezing.layers: {low: 0, high: 1}
    finetune.method: [full, lora]
"""

CHANGED = {
    "{}/cards/stars, ": "",
    ", folds: 3": "",
    "num_train_epochs: 2": "learning_rate: 1e-6, num_train_epochs: 1",
    "{{points: 3": "{budget: 0.5, points: 3",
}
"""Of the small story: one corpus, no folds, and settings that a search can better."""


def search(place: Path, *more: str) -> int:
    where = ["--recipe", str(place / "recipe.yaml"), "--store", str(place / "store"), "--jobs", "1"]
    return cli.main(build(), ["search", *where, *more])


def told(place: Path, study: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "store" / "search" / study / "search.json").read_text())
    return found


def outcomes(place: Path, study: str) -> list[Any]:
    """Values and what came of them, but for the time it took; by number."""
    trials = sorted(told(place, study)["trials"], key=lambda trial: trial["number"])
    return [(trial["values"], {**trial["outcome"], "seconds": 0}) for trial in trials]


@pytest.fixture(scope="module")
def place(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe that is to be searched."""
    folder = write_place(tmp_path_factory.mktemp("search"), toy_model)
    text = (folder / "recipe.yaml").read_text()
    for before, after in CHANGED.items():
        assert before.format(folder) in text
        text = text.replace(before.format(folder), after)
    (folder / "recipe.yaml").write_text(text + SEARCH)
    return folder


def models(place: Path) -> dict[str, str]:
    """Digests of the tuned models that are kept."""
    manifests = (place / "store" / "finetune").glob("*/manifest.json")
    return {path.parent.name: json.loads(path.read_text())["digest"] for path in manifests}


def test_one_seed_twice_is_the_same_study_to_the_last_digit(place: Path) -> None:
    assert search(place, "--trials", "2") == 0
    before = models(place)
    shutil.rmtree(place / "store" / "finetune")
    assert search(place, "--trials", "2", "--name", "again") == 0
    assert models(place) == before
    assert len(before) >= 2
    assert len(told(place, "toy")["trials"]) == 2
    assert outcomes(place, "again") == outcomes(place, "toy")


def test_the_best_is_a_recipe_that_runs_and_is_tested_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(place, "--trials", "0", "--name", "again") == 0
    assert told(place, "again")["tested"] is None
    recipe = place / "store" / "search" / "again" / "best.yaml"
    assert f"make all RECIPE={recipe}" in capsys.readouterr().out
    made = set((place / "store" / "finetune").iterdir())
    assert cli.main(build(), ["run", "--recipe", str(recipe), "--store", str(place / "store"), "--jobs", "1"]) == 0
    assert set((place / "store" / "finetune").iterdir()) == made
    report = json.loads((place / "store" / "latest" / "report.json").read_text())
    assert [rung["arm"] for rung in report["ladder"]] == ["full", "best"]
    assert report["final_arm"] == "best"
    assert report["searched"]["trials"] == 2
    found = told(place, "again")
    chosen = next(trial for trial in found["trials"] if trial["number"] == found["best"])
    sides = {"full": found["reference"], "best": chosen}
    dev = {arm: trial["outcome"]["macro_recall"]["value"] for arm, trial in sides.items()}
    assert report["searched"]["dev"] == pytest.approx(dev)
    assert search(place, "--trials", "0", "--name", "again") == 0
    scores = [rung["scores"] for rung in report["ladder"]]
    means = [sum(each["macro_recall"]["value"] for each in own.values()) / len(own) for own in scores]
    tested = told(place, "again")["tested"]
    assert [tested["recipe"]["value"], tested["best"]["value"]] == pytest.approx(means)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--arm", "ful"], "arm ful: unknown in recipe toy; did you mean full?"),
        (["--name", "a/b"], "study 'a/b': must be letters, digits, - and _"),
        (
            ["--set", "finetune.frontier={points: 0, budget: null}"],
            "finetune.frontier.points is 0, and nothing else tells what a trial",
        ),
        (["--set", "search.settings={finetune.freezing.layers: [0, 9]}"], "finetune.freezing.layers"),
        (["--set", "search.settings={finetune.lerning_rate: [1e-3, 1e-4]}"], "did you mean learning_rate?"),
        (["--minutes", "0"], "--minutes"),
        (
            ["--set", "search.budget=0.9"],
            "finetune.frontier.budget, by which the model of each trial is chosen, 0.5; give",
        ),
        (["--set", "prepare.folds=3"], "of another, and would choose what they are to judge; SET="),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_before_anything_runs(
    place: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(place, *more) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_without_optuna_a_line_says_what_to_install(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert search(place) == 2
    assert capsys.readouterr().err.strip() == "search: needs optuna; pip install '.[search]'"


def test_on_a_ray_cluster_it_is_the_same_study(
    place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (pip install '.[ray]')")
    monkeypatch.setenv("RAY_ADDRESS", request.getfixturevalue("cluster").address)
    before = models(place)
    shutil.rmtree(place / "store" / "finetune")
    where = ["--recipe", str(place / "recipe.yaml"), "--store", str(place / "store")]
    assert cli.main(build(), ["search", *where, "--trials", "2", "--name", "cluster", "--engine", "ray"]) == 0
    assert models(place).items() <= before.items()
    assert outcomes(place, "cluster") == outcomes(place, "again")
