"""The whole story, small: a stranger's corpora, four arms, kills, a changed setting, and the model taken away."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import pipeline

from pipeline.machine import cli
from stages.__main__ import build
from tests.toy_texts import reviews
from tests.toys import SENTENCES

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[1]
SCRIPT = "<script>alert(1)</script> bad food =cmd|' /C calc'!A0"

CARDS = {
    "stars": """---
pretty_name: My shop's reviews
language: en
license: cc0-1.0
configs: [{config_name: default, data_files: [{split: train, path: reviews.csv}]}]
retone:
  role: reviews
  columns: {text: body, label: stars}
  labels: {negative: [1, 2], neutral: [3], positive: [4, 5]}
---
""",
    "words": """---
pretty_name: The other shop
language: en
license: cc0-1.0
configs: [{config_name: default, data_files: [{split: train, path: reviews.tsv}, {split: test, path: test.tsv}]}]
retone:
  role: reviews
  columns: {text: text, label: mood}
  labels: {negative: bad, neutral: so-so, positive: good}
---
""",
    "posts": """---
pretty_name: Posts
language: en
license: cc0-1.0
configs: [{config_name: default, data_files: [{split: train, path: posts.txt}]}]
retone: {role: informal}
---
""",
    "articles": """---
pretty_name: Articles
language: en
license: cc0-1.0
configs: [{config_name: default, data_files: [{split: train, path: articles.jsonl}]}]
retone: {role: general}
---
""",
    "pairs": """---
pretty_name: Pairs
language: en
license: cc0-1.0
configs: [{config_name: default, data_files: [{split: test, path: pairs.jsonl}]}]
retone: {role: pairs}
---
""",
}

RECIPE = """
name: toy
extends: starter
seeds: [0]
prepare: {corpora: [CARDS/stars, CARDS/words, CARDS/posts, CARDS/articles, CARDS/pairs], folds: 3}
source: {model: MODEL}
pretrain:
  {num_train_epochs: 1, freezing: {layers: 1}, tokens_per_batch: 256, evaluations: 2, dev_windows: 8,
   compute: {precision: fp32}}
finetune:
  {freezing: {layers: 1}, num_train_epochs: 2, compute: {precision: fp32},
   frontier: {points: 3, windows: 6}}
evaluate:
  {draws: 100, general_documents: 6, pairs: 6, probe_sentences: 12, refit_tokens: 1000, counterfactuals: 6}
report: {draws: 1000, verdict_draws: 1000}
"""

OFTEN = ["--set", " ".join(f"{stage}.compute.checkpoint_seconds=0.01" for stage in ("pretrain", "finetune"))]
"""A checkpoint after almost every update, for who means to interrupt a training."""


def filler(seed: int, words: int = 8) -> str:
    """Words at random, so that no two texts are near-duplicates, which prepare would drop."""
    return " ".join(random.Random(seed).choices(" ".join(SENTENCES).split(), k=words))


def _write_cards(folder: Path) -> None:
    for name, card in CARDS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "README.md").write_text(card, encoding="utf-8")
    stars, moods = {0: "2", 1: "3", 2: "5"}, {0: "bad", 1: "so-so", 2: "good"}
    with (folder / "stars" / "reviews.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["body", "stars"])
        rows.writerow([SCRIPT, "1"])
        rows.writerows(
            [f"{row['text']} {filler(index)}", stars[row["label"]]] for index, row in enumerate(reviews(90, 1))
        )
    for name, count, seed in (("reviews", 75, 2), ("test", 45, 3)):
        lines = [
            f"{row['text']} {filler(1000 * seed + index)}\t{moods[row['label']]}"
            for index, row in enumerate(reviews(count, seed))
        ]
        (folder / "words" / f"{name}.tsv").write_text("\n".join(["text\tmood", *lines]) + "\n", encoding="utf-8")
    posts = [f"{row['text']} lol {filler(5000 + index)} 😂" for index, row in enumerate(reviews(60, 4))]
    (folder / "posts" / "posts.txt").write_text("\n".join(posts) + "\n", encoding="utf-8")
    articles = [{"text": filler(9000 + index, 60)} for index in range(40)]
    pairs = [
        {"good": f"the cat sat on the {word}", "bad": f"the cat sat the {word} on", "phenomenon": "order"}
        for word in " ".join(SENTENCES).split()[:12]
    ]
    for path, content in (("articles/articles.jsonl", articles), ("pairs/pairs.jsonl", pairs)):
        (folder / path).write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")


def write_place(folder: Path, toy_model: Path) -> Path:
    """Write cards and recipe of a stranger into a folder; return the folder."""
    _write_cards(folder / "cards")
    text = RECIPE.replace("CARDS", str(folder / "cards")).replace("MODEL", str(toy_model))
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def place(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cards and recipe, and a store in which the whole story has been run."""
    folder = write_place(tmp_path_factory.mktemp("whole"), toy_model)
    assert run(folder) == 0
    return folder


def run(place: Path, *more: str, store: str = "store") -> int:
    return cli.main(build(), ["run", "--recipe", str(place / "recipe.yaml"), "--store", str(place / store), *more])


def made(place: Path, store: str = "store") -> dict[str, dict[str, Any]]:
    """Manifests of all artifacts by folder name."""
    return {
        f"{path.parent.parent.name}/{path.parent.name}": json.loads(path.read_text(encoding="utf-8"))
        for path in (place / store).glob("*/*/manifest.json")
        if not path.parent.is_symlink()
    }


def test_it_ends_in_a_report_that_holds_everything(place: Path) -> None:
    latest = place / "store" / "latest"
    report = json.loads((latest / "report.json").read_text(encoding="utf-8"))
    assert [rung["arm"] for rung in report["ladder"]] == ["naive", "careful", "adapted", "full"]
    words = {verdict["verdict"] for verdict in report["verdicts"]}
    assert words <= {"better", "worse", "no-worse", "undecided", "exploratory", "unmeasured"}
    few = {verdict["verdict"] for verdict in report["verdicts"] if verdict["difference"]["value"] is None}
    assert few == {"unmeasured"}, "few of its texts have emoji"
    for verdict in report["verdicts"]:
        if verdict["verdict"] in ("better", "worse"):
            assert verdict["difference"]["low"] > 0 or verdict["difference"]["high"] < 0
    page = (latest / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page


def test_arms_share_what_is_equal(place: Path) -> None:
    stages = [name.split("/")[0] for name in made(place)]
    assert {stage: stages.count(stage) for stage in set(stages)} == {
        "prepare": 1,
        "source": 1,
        "tokenizer": 2,
        "pretrain": 3,
        "finetune": 4,
        "evaluate": 4,
        "report": 1,
    }


def test_a_second_run_makes_nothing(place: Path) -> None:
    before = made(place)
    assert run(place) == 0
    assert made(place) == before


def test_one_setting_reruns_that_stage_and_what_follows_and_going_back_is_free(place: Path) -> None:
    before = made(place)
    assert run(place, "--set", "arms.naive.finetune.learning_rate=2e-3") == 0
    new = set(made(place)) - set(before)
    assert {name.split("/")[0] for name in new} == {"finetune", "evaluate", "report"}
    after = made(place)
    assert run(place) == 0
    assert made(place) == after


def test_the_model_is_taken_away_and_a_card_lies_beside_it(place: Path) -> None:
    model = place / "store" / "latest" / "model"
    classify = pipeline("text-classification", model=str(model), truncation=True)
    assert classify("great food 😍")[0]["label"] in {"negative", "neutral", "positive"}
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "model-index" in card
    out = place / "out.csv"
    assert (
        cli.main(build(), ["predict", str(place / "cards/words/test.tsv"), "--model", str(model), "-o", str(out)]) == 0
    )
    assert len(out.read_text(encoding="utf-8").splitlines()) == 46


def test_a_model_that_changed_on_disk_is_not_used(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = place / "store" / "latest" / "model" / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    arguments = ["predict", str(place / "cards/words/test.tsv"), "--model", str(weights.parent)]
    assert cli.main(build(), arguments) == 2
    assert capsys.readouterr().err == (
        f"model {weights.parent}: model/model.safetensors changed on disk; `make all` makes it again\n"
    )
    assert run(place) == 0
    assert weights.read_bytes() == good


ELSEWHERE = {"HF_HUB_OFFLINE": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}


def test_stopped_in_training_it_goes_on_to_the_same_bytes(place: Path) -> None:
    """In the middle, again and again, then the same command: what an undisturbed run made, here in another locale."""
    store = place / "stopped"
    for stage in ("prepare", "source", "tokenizer"):
        shutil.copytree(place / "store" / stage, store / stage)
    command = [sys.executable, "-m", "stages", "run", "finetune", "--recipe", str(place / "recipe.yaml")]
    command += ["--arm", "full", "--store", str(store), *OFTEN]
    for stage, signals, code in (
        ("pretrain", [signal.SIGTERM, signal.SIGTERM], 143),  # as `timeout make` does: to the group, and by make
        ("pretrain", [signal.SIGKILL], -9),
        ("finetune", [signal.SIGKILL], -9),
    ):
        begun, deadline = set(_checkpoints(store, stage)), time.monotonic() + 120
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | ELSEWHERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while begun.issuperset(_checkpoints(store, stage)):
            assert process.poll() is None, "it ended before it could be stopped"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for number in signals:
            process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert err == ("" if code < 0 else f"stopped in {stage}; the same command continues from there\n")
        assert not [name for name in made(place, store.name) if name.startswith(stage)]
    assert subprocess.run(command, cwd=ROOT, env=os.environ | ELSEWHERE, capture_output=True).returncode == 0
    for name, manifest in made(place, store.name).items():
        assert manifest["files"] == made(place)[name]["files"]


def _checkpoints(store: Path, stage: str) -> Iterator[Path]:
    return store.glob(f"{stage}/*.partial/checkpoints/**/complete.json")


def test_the_report_is_the_same_in_another_locale(place: Path) -> None:
    before = {path.name: path.read_bytes() for path in (place / "store" / "latest").glob("report.*")}
    command = [sys.executable, "-m", "stages", "run", "report", "--recipe", str(place / "recipe.yaml"), "--force"]
    command += ["--store", str(place / "store")]
    assert subprocess.run(command, cwd=ROOT, env=os.environ | ELSEWHERE, capture_output=True).returncode == 0
    after = {path.name: path.read_bytes() for path in (place / "store" / "latest").glob("report.*")}
    assert after == before
