import copy
import json
from typing import Any

import pytest

from pipeline.report import answers
from stages import report as stage
from tests import toy_runs


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("answers")
    settings = stage.Settings(draws=1000, verdict_draws=1000)
    stage.report(
        settings, **toy_runs.write(root / "artifacts", toy_runs.Toy(corpora=("shop", "cafe"))), recipe="mine", out=root
    )
    return json.loads((root / "report.json").read_text(encoding="utf-8"))


def judged(figures: dict[str, Any], seeds: int = 1, **words: str) -> dict[str, Any]:
    """The report with other overall verdicts: corpus -> word."""
    report = copy.deepcopy(figures)
    for rung in report["ladder"]:
        rung["seeds"] = list(range(seeds))
    for verdict in report["verdicts"]:
        if verdict["question"] == "overall" and verdict["place"] in words:
            verdict["verdict"] = words[verdict["place"]]
    return report


@pytest.mark.parametrize(
    ("shop", "cafe", "one", "three", "tone"),
    [
        ("better", "better", "Yes: it beats naive", "Yes, it helped", "better"),
        ("worse", "worse", "No: it is below naive", "No, it hurt", "worse"),
        ("no-worse", "no-worse", "No worse, within 1 point", "No worse, within 1 point", "no-worse"),
        ("undecided", "undecided", "Undecided: too few texts", "Undecided: too few texts", "undecided"),
        ("better", "worse", "1 better and 1 worse", "1 helped and 1 hurt", "undecided"),
        ("undecided", "better", "1 better and 1 undecided", "1 helped and 1 undecided", "undecided"),
    ],
)
def test_did_it_help(figures: dict[str, Any], shop: str, cafe: str, one: str, three: str, tone: str) -> None:
    found, of_three = (answers.helped(judged(figures, seeds, shop=shop, cafe=cafe)) for seeds in (1, 3))
    assert (found.headline, found.tone) == (one, tone)
    assert (of_three.headline, of_three.tone) == (three, tone)
    assert (found.question, of_three.question) == ("Is this model better here?", "Did it help here?")
    assert [line.about for line in found.lines] == ["shop", "cafe", ""]
    word = {"undecided": "undecided: 300 texts are too few to decide", "no-worse": "no worse (within 1 point)"}
    said = f" {word.get(shop, shop)}. Macro-recall 55.0% with naive, 72.0% with full: +17.0 ("
    assert said in found.lines[0].said


def test_one_seed_speaks_of_models_alone(figures: dict[str, Any]) -> None:
    """No word of what helps or hurts, a way of making models, where one model was made each way."""
    said = " ".join(f"{a.question} {a.headline} {line.said}" for a in answers.answers(figures) for line in a.lines)
    assert not {"helped", "hurt", "help"} & set(said.replace(",", " ").replace(".", " ").split())
    assert "With one seed this is about these models, not about ways of making them" in said


def test_seeds_that_share_an_adaptation_say_so(figures: dict[str, Any]) -> None:
    report = judged(figures, seeds=3)
    said = answers.helped(report).lines[-1].said
    assert (
        said == "3 seeds of tuning; all seeds of adapted and full share one adaptation, whose luck no interval counts."
    )
    for stages in report["fingerprints"].values():
        stages["pretrain"] = {"0": "a", "1": "b", "2": "c"}
    assert "share" not in answers.helped(report).lines[-1].said


@pytest.mark.parametrize(
    ("value", "low", "high", "headline"),
    [
        (0.70, 0.68, 0.72, "full kept 70% of it"),
        (0.99, 0.97, 1.01, "Nothing that shows: full kept 99%"),
        (1.20, 1.10, 1.30, "full has 120% of the base's: look at what tuning kept"),
        (0.70, None, None, "full kept 70% of it"),
    ],
)
def test_what_did_it_cost(
    figures: dict[str, Any], value: float, low: float | None, high: float | None, headline: str
) -> None:
    report = copy.deepcopy(figures)
    share = {"value": value, "low": low, "high": high, "n": 40}
    report["retention"]["full"]["tuned"]["kept"]["masked"]["encyclopedia"] = share
    assert answers.cost(report).headline == headline


def test_both_steps_stand_where_the_total_does(figures: dict[str, Any]) -> None:
    """What adaptation gave hides what tuning took: 137% after the one, 103% after the other."""
    report = copy.deepcopy(figures)
    levels = report["retention"]["full"]
    for model, key, value in (("tuned", "kept", 1.03), ("adapted", "kept", 1.37), ("tuned", "of_adapted", 0.75)):
        levels[model][key]["masked"]["encyclopedia"] = {"value": value, "low": None, "high": None, "n": 40}
    said = answers.cost(report).lines[0].said
    assert said.startswith("full kept 103.0%, more than naive with ")
    assert said.endswith("; adaptation left 137.0%, and of that tuning kept 75.0%.")
    pairs = answers.cost(report).lines[-1].said
    assert pairs.startswith("+12.0 (")
    assert " points of accuracy against naive (exploratory); full kept 80.0% (" in pairs
    levels["tuned"]["kept"]["masked"]["novels"] = {"value": 0.6, "low": 0.5, "high": 0.7, "n": 40}
    levels["base"]["masked"]["novels"] = levels["base"]["masked"]["encyclopedia"]
    assert "at worst 60%" in answers.cost(report).headline


def test_a_base_at_chance_has_nothing_to_lose(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    for models in report["retention"].values():
        models["tuned"]["kept"]["pairs"] = {}
    said = [line.said for line in answers.cost(report).lines if line.about == "Minimal pairs (pairs)"]
    assert said == ["not told: the base is not well above chance."]


def test_the_floor_is_named_when_it_is_not_beaten(figures: dict[str, Any]) -> None:
    below = "naive beside the TF-IDF floor (exploratory): −5.0 ("
    assert answers.floor_sentence(figures, "naive", "shop").startswith(below)
    report = copy.deepcopy(figures)
    for verdict in report["verdicts"]:
        if verdict["question"] == "floor":
            verdict |= {"verdict": "undecided", "p": 0.02, "p_holm": 0.12}
    said = answers.floor_sentence(report, "full", "shop")
    assert "300 texts are too few to tell full from the floor once all declared comparisons are judged together" in said
    for verdict in report["verdicts"]:
        if verdict["question"] == "floor":
            verdict |= {"verdict": "worse"}
    assert "lies below it" in answers.floor_sentence(report, "full", "shop")


def test_an_arm_at_chance_is_said_to_guess(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    report["recommendation"] |= {"arm": "full"}
    assert "chance" not in " ".join(line.said for found in answers.answers(report) for line in found.lines)
    for corpus, low in (("shop", 0.30), ("cafe", 0.34)):  # a third lies in the first interval alone
        report["ladder"][-1]["scores"][corpus]["macro_recall"] = {"value": 0.36, "low": low, "high": 0.4, "n": 300}
    assert "full is at chance: no better than guessing." in answers.helped(report).lines[0].said
    assert "chance" not in answers.helped(report).lines[1].said
    assert "full is at chance on shop: no better than guessing." in [line.said for line in answers.choice(report).lines]


def test_many_texts_that_decide_nothing_are_not_called_few(figures: dict[str, Any]) -> None:
    report = judged(figures, shop="undecided", cafe="undecided")
    for verdict in report["verdicts"]:
        verdict["difference"] = {"value": 0.01, "low": -0.02, "high": 0.04, "n": 3000}
        verdict["verdict"] = "undecided"
    found = answers.helped(report)
    assert found.headline == "Undecided"
    assert found.lines[0].said.startswith("● undecided. Macro-recall")
    assert "3,000 texts do not tell full from the floor" in found.lines[0].said


def test_where_texts_are_many_the_seeds_are_named_too(figures: dict[str, Any]) -> None:
    """Wide intervals over thousands of texts come from seeds that disagree."""
    report = judged(figures, shop="undecided", cafe="undecided")
    for rung in report["ladder"]:
        rung["seeds"] = [0, 1, 2]
    for verdict in report["verdicts"]:
        verdict["difference"] = {"value": 0.01, "low": -0.07, "high": 0.09, "n": 3000}
        verdict["verdict"] = "undecided"
    assert "undecided: 3,000 texts and 3 seeds are too few to decide" in answers.helped(report).lines[0].said


def test_a_model_below_the_floor_is_not_praised(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    assert len(answers.whereabouts(report).lines) == 1
    for verdict in report["verdicts"]:
        if verdict["question"] == "floor":
            verdict["verdict"] = "worse"
    assert answers.choice(report).headline == "Rather the TF-IDF floor"
    assert "lies below the TF-IDF floor" in answers.whereabouts(report).lines[-1].said


def test_what_is_declared_of_texts_with_emoji_is_said(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    for verdict in report["verdicts"]:
        if (verdict["question"], verdict["measure"]) == ("overall", "emoji_macro_recall"):
            verdict |= {"verdict": "better", "difference": {"value": 0.114, "low": 0.066, "high": 0.165, "n": 358}}
    assert "On texts with emoji +11.4 (+6.6 to +16.5): better." in answers.helped(report).lines[0].said
    for verdict in report["verdicts"]:
        verdict["verdict"] = "exploratory"
    assert "emoji" not in answers.helped(report).lines[0].said


def test_a_difference_that_only_holds_alone_says_so(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    for verdict in report["verdicts"]:
        if verdict["question"] == "overall":
            verdict |= {"verdict": "undecided", "p": 0.02, "p_holm": 0.06}
    said = answers.helped(report).lines[0].said
    assert "points, which does not hold once all declared comparisons are judged together." in said
    assert "judged together" not in answers.helped(figures).lines[0].said


def test_why_a_floor_is_not_judged_is_said(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    said = "Whether adapted beats the TF-IDF floor is exploratory here: "
    report["recommendation"] |= {"arm": "adapted", "beats_floor": None}
    assert answers.choice(report).lines[-1].said == f"{said}it is not the final arm."
    report["primary"] = ["rungs", "masked"]
    for arm in ("adapted", "full"):
        report["recommendation"]["arm"] = arm
        told = answers.choice(report).lines[-1].said
        assert told == f"{said}the recipe declares no comparison with a floor.".replace("adapted", arm)


def test_the_arm_advised_may_be_another_than_the_last(figures: dict[str, Any]) -> None:
    report = copy.deepcopy(figures)
    picked = {"arm": "adapted", "equal": ["careful"], "open": ["full"], "keeps_more": "careful", "beats_floor": False}
    report["recommendation"] |= picked | {"more_of": ["masked", "encyclopedia"]}
    said = " ".join(line.said for line in answers.choice(report).lines)
    assert "No worse (within 1 point): careful." in said
    assert "The test texts do not say whether full would do as well." in said
    assert "careful kept more general English" in said
    assert "does not beat the TF-IDF floor everywhere" in said
    for arm, share in (("adapted", 0.61), ("careful", 0.97), ("full", 0.93)):  # whose general English: all are named
        kept = {"value": share, "low": share - 0.02, "high": share + 0.02, "n": 40}
        report["retention"][arm]["tuned"]["kept"]["masked"]["encyclopedia"] = kept
    told = [line.said for line in answers.choice(report).lines]
    shares = "adapted 61.0% (59.0–63.0), careful 97.0% (95.0–99.0) and full 93.0% (91.0–95.0)."
    assert f"General English kept: {shares}" in told
    pairs = copy.deepcopy(report)
    pairs["recommendation"] |= {
        "arm": "full",
        "more_of": ["pairs", "pairs"],
    }  # the claim is of these, so are the shares
    line = "General English kept (minimal pairs): full 80.0% (77.0–83.0) and careful "
    assert any(said.startswith(line) for said in (line.said for line in answers.choice(pairs).lines))
    alone = copy.deepcopy(report)
    alone["recommendation"] |= {"keeps_more": None, "more_of": None}
    said = "General English kept: adapted 61.0% (59.0–63.0) and full 93.0% (91.0–95.0)."
    assert said in [line.said for line in answers.choice(alone).lines]
    assert answers.choice(report).headline == "careful: no worse than adapted, and it kept more"
    assert "The arm advised here lies in models/careful/." in [line.said for line in answers.whereabouts(report).lines]
    assert answers.whereabouts(report).headline == "model/ is full's; the one advised lies in models/careful/"
