"""What the card beside a model says of its licence."""

import copy
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from pipeline.report import model_card
from stages import report as stage
from tests import toy_runs


@pytest.mark.parametrize(
    ("licences", "follows"),
    [
        ({"base": "apache-2.0", "shop": "cc0-1.0"}, "apache-2.0"),
        ({"base": "cc-by-sa-3.0", "shop": "cc-by-sa-3.0"}, "cc-by-sa-3.0"),
        ({"base": "apache-2.0", "shop": None}, "other"),
        ({"base": None, "shop": "cc0-1.0"}, "other"),
        ({"base": "apache-2.0", "shop": "cc-by-nc-4.0"}, "other"),
        ({"base": "mit, apache-2.0", "shop": "cc0-1.0"}, "other"),
        ({"shop": "cc0-1.0"}, "cc0-1.0"),
    ],
)
def test_the_licence_that_follows(licences: dict[str, str | None], follows: str) -> None:
    assert model_card.derived(licences) == follows


def test_the_card_lists_what_the_model_is_made_of(tmp_path: Path) -> None:
    settings = stage.Settings(draws=1000, verdict_draws=1000)
    toy = toy_runs.Toy(arms={"full": 0.7})
    stage.report(settings, **toy_runs.write(tmp_path / "artifacts", toy), recipe="mine", out=tmp_path)
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    card = tmp_path / "models" / "full"
    assert ModelCard.load(card / "README.md").data.license == "other"  # toy corpora state none
    assert "- posts: not stated" in (card / "README.md").read_text(encoding="utf-8")
    known = copy.deepcopy(report)
    known["arms"]["full"]["source"]["licence"] = "cc-by-sa-3.0"
    for corpus in known["corpora"].values():
        corpus["licence"] = "cc0-1.0"
    for given, licence, said in (
        (None, "cc-by-sa-3.0", "cc-by-sa-3.0: what follows from"),
        ("mit", "mit", "mit, as whoever trained it says."),
    ):
        model_card.write(known, "full", card, licence=given)
        loaded = ModelCard.load(card / "README.md")
        assert loaded.data.license == licence
        assert said in loaded.text
        assert "- the base minilm: cc-by-sa-3.0" in loaded.text
        assert "- posts: cc0-1.0" in loaded.text
    known["arms"]["full"]["source"] |= {"name": "/home/ann/secret project/my-bert", "revision": None}
    model_card.write(known, "full", card, licence=None)
    named = (card / "README.md").read_text(encoding="utf-8")
    assert "- the base my-bert: cc-by-sa-3.0" in named
    assert "secret" not in named
    known["arms"]["full"]["source"] |= {"licence": "apache-2.0", "parts": {"licence": "cc-by-sa-4.0"}}
    model_card.write(known, "full", card, licence=None)
    loaded = ModelCard.load(card / "README.md")
    assert loaded.data.license == "other"
    assert "- the head and adapter that Retone puts on it: cc-by-sa-4.0" in loaded.text


@pytest.mark.parametrize(
    ("folds", "split", "said"),
    [
        (0, "test", "These are the figures of this very model (one seed)."),
        (5, "cross-validation", "each text by one of 5 models tuned alike, the one that had not seen it."),
    ],
)
def test_the_card_says_whose_figures_these_are(tmp_path: Path, folds: int, split: str, said: str) -> None:
    toy = toy_runs.Toy(arms={"full": 0.7}, folds=folds)
    settings = stage.Settings(draws=1000, verdict_draws=1000)
    stage.report(settings, **toy_runs.write(tmp_path / "artifacts", toy), recipe="mine", out=tmp_path)
    card = ModelCard.load(tmp_path / "models" / "full" / "README.md")
    assert {result.dataset_split for result in card.data.eval_results} == {split}
    assert said in card.text
    page = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert ("300 texts, each tested in one of 5 folds" in page) is (folds > 0)
    commands = re.findall("<pre>(make .*?)</pre>", page)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(commands) <= {finding["command"] for finding in report["diagnosis"]}
    assert bool(commands) is any(finding["issue"] != "nothing found" for finding in report["diagnosis"])
