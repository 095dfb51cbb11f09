import copy
import csv
import html.parser
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.common import results
from pipeline.common.files import read_json, write_json
from pipeline.machine.recipe import load_recipe
from pipeline.machine.stage import Stage
from pipeline.machine.store import Store
from pipeline.search import best, luck, show
from pipeline.search.results import Found, Outcome, Tried
from pipeline.search.trials import Asked
from tests.pipeline.search import toy
from tests.pipeline.toy_story import write_recipe

SCRIPT = "<script>alert(1)</script>"


def outcome(recall: float, kept: float, problem: str = "") -> Outcome:
    return {
        "macro_recall": None if problem else toy.figure(recall),
        "kept": None if problem else toy.figure(kept),
        "at_least": None if problem else round(kept - 0.02, 6),
        "answers": [],
        "seconds": 12.0,
        "artifacts": [f"grow/{recall}"],
        "made": [],
        "problem": problem,
    }


def trial(number: int, recall: float, kept: float, problem: str = "") -> Tried:
    values = {"grow.learning_rate": 0.01 * (number + 1), "grow.method": SCRIPT if problem else "full"}
    return {"number": number, "values": values, "outcome": outcome(recall, kept, problem), "front": False}


TRIED = [trial(0, 0.7, 1.0), trial(1, 0.9, 0.9), trial(2, 0.8, 0.98), trial(3, 0.75, 0.97), trial(4, 0, 0, SCRIPT)]


def found(tried: list[Tried] = TRIED, budget: float = 0.95, **more: Any) -> Found:
    chosen, reference = show.best_of(tried, budget), outcome(0.74, 0.96)
    told: Any = {
        "name": "toy", "recipe": "toy", "arm": "full", "budget": budget,
        "reference": {"number": None, "values": {}, "outcome": reference, "front": False},
        "trials": show.ranked(tried), "best": chosen["number"] if chosen else None,
        "within": chosen and (chosen["outcome"]["at_least"] or 0) >= budget, "expected": None, "importance": {},
        "lead": chosen and luck.lead(reference, chosen["outcome"]), "tested": None, "judged": 0,
    }  # fmt: skip
    return results.checked(Found, told | more)


def asked(folder: Path, text: str = toy.RECIPE, story: tuple[Stage, ...] = toy.STORY, **changes: Any) -> Asked:
    recipe = load_recipe(write_recipe(folder, text), story, changes)
    return Asked(story, recipe, "full", "grow", folder / "store", toy.figures, "grow", "toy")


def test_front_and_best() -> None:
    assert [each["front"] for each in show.ranked(TRIED)] == [True, True, True, False, False]
    assert [(show.best_of(TRIED, budget) or TRIED[0])["number"] for budget in (0.85, 0.95, 0.98, 0.999)] == [1, 2, 0, 0]
    assert show.best_of([TRIED[4]], 0.95) is None


def test_the_lead_says_what_was_found_and_whether_enough_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    show.write(found(), asked(tmp_path), folder)
    page = (folder / "search.html").read_text()
    assert "Trial 2 is the best of those that keep 95% of general English: macro-recall 80.0% on dev, +6.0" in page
    assert "Dev texts have judged 4 trials and the recipe as it is" in page
    assert "and no worse in the other (what is kept counts up to 100%): trial 2 and trial 3." in page
    assert "Failed: 1" in page
    assert f"make all RECIPE={folder / 'best.yaml'}" in page
    show.write(found(budget=0.999), asked(tmp_path), folder)
    page = (folder / "search.html").read_text()
    assert "No trial is shown to keep 99.9% of general English; trial 0 keeps most" in page


def test_what_is_to_be_expected_of_the_lead_is_said_beside_it(tmp_path: Path) -> None:
    left = {"value": 0.019, "low": -0.008, "high": 0.046, "n": 300}
    for told in (left, None):
        show.write(found(expected=told), asked(tmp_path), tmp_path / "out")
        page = (tmp_path / "out" / "search.html").read_text()
        assert ("again and again, it leads by +1.9 (−0.8 to +4.6) points (Tsamardinos" in page) is bool(told)


def test_nothing_dominates_is_said(tmp_path: Path) -> None:
    show.write(found([trial(0, 0.73, 1.0), trial(1, 0.9, 0.9)]), asked(tmp_path), tmp_path / "out")
    assert (
        "No trial is better than the recipe as it is in one of both figures and no worse"
        in (tmp_path / "out" / "search.html").read_text()
    )


def test_no_trial_yet(tmp_path: Path) -> None:
    show.write(found([]), asked(tmp_path), tmp_path / "out")
    assert "No trial has come to an end yet." in (tmp_path / "out" / "search.html").read_text()
    assert not (tmp_path / "out" / "best.yaml").exists()


def test_texts_are_escaped_and_the_page_is_whole(tmp_path: Path) -> None:
    importance = {side: {"grow.learning_rate": 0.75, "grow.method": 0.25} for side in ("macro_recall", "kept")}
    show.write(found(importance=importance, name=SCRIPT), asked(tmp_path), tmp_path / "out")
    page = (tmp_path / "out" / "search.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    html.parser.HTMLParser().feed(page)
    assert page.count("<svg") == page.count("</svg>") == 2
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {"pareto.svg", "importance.svg"}
    assert "trial 2, on the front" in page
    assert read_json(tmp_path / "out" / "search.json") == found(importance=importance, name=SCRIPT)


def test_the_table_has_a_row_a_trial(tmp_path: Path) -> None:
    show.write(found(), asked(tmp_path), tmp_path / "out")
    with (tmp_path / "out" / "tables" / "all-trials.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["trial"] for row in rows] == ["the recipe as it is", *(f"trial {number}" for number in (2, 1, 0, 3))]
    assert [row["trial: standing"] for row in rows] == ["", "chosen", "front", "front", ""]
    assert [row["macro-recall on dev, %"] for row in rows] == ["74.0", "80.0", "90.0", "70.0", "75.0"]
    assert [row["kept at least, %"] for row in rows] == ["94.0", "96.0", "88.0", "98.0", "95.0"]
    assert rows[1]["grow.learning_rate"] == "0.03"
    with (tmp_path / "out" / "tables" / "failed-trials.csv").open(newline="") as stream:
        assert [(row["trial"], row["why"]) for row in csv.DictReader(stream)] == [("trial 4", SCRIPT)]


def test_the_best_as_a_recipe_gives_the_settings_that_were_tried(tmp_path: Path) -> None:
    text = toy.RECIPE.replace("{full: {}}", "{plain: {}, full: {grow: {light: {lamps: 4}, steps: 7}}}")
    of = asked(tmp_path, text, **{"gather.lowercase": True, "arms.plain.grow.steps": 1})
    folder = tmp_path / "store" / "search" / "toy"
    show.write(found(), of, folder)
    written = (folder / "best.yaml").read_text()
    assert written.startswith(
        "# Of 5 trials the best on dev that keeps 95% of general English:\n# trial 2, macro-recall"
    )
    assert len(written.splitlines()) <= 14
    recipe = load_recipe(folder / "best.yaml", toy.STORY)
    assert recipe.name == "toy-best"
    assert list(recipe.arms) == ["plain", "full", "best"]
    assert {arm: recipe.arms[arm] for arm in of.recipe.arms} == of.recipe.arms
    tried = load_recipe(
        of.recipe, toy.STORY, {f"arms.full.{path}": value for path, value in TRIED[2]["values"].items()}
    )
    assert recipe.arms["best"] == tried.arms["full"]


def test_a_recipe_that_ships_is_extended_by_its_name(tmp_path: Path) -> None:
    from stages import STORY

    recipe = load_recipe("starter", STORY)
    told = found([{**TRIED[0], "values": {"finetune.learning_rate": 3e-5, "finetune.method": "lora"}}])
    text = best.written(told, recipe, tmp_path, "")
    assert yaml.safe_load(text) == {
        "name": "toy-best",
        "extends": "starter",
        "arms": {"best": {"finetune": {"learning_rate": 3e-5, "method": "lora"}}},
        "report": {"searched": {"arm": "best", "against": "full", "trials": 1}},
    }


def test_a_search_of_what_a_search_found_counts_the_trials_of_both() -> None:
    from stages import STORY

    searched = {"arm": "full", "against": "careful", "trials": 40}
    recipe = load_recipe("starter", STORY, {"report.searched": searched})
    told = yaml.safe_load(best.written(found(TRIED), recipe, Path(), ""))["report"]["searched"]
    assert told == {"arm": "best", "against": "full", "trials": 44}  # one of five failed


def test_a_final_arm_that_is_named_is_so_still() -> None:
    from stages import STORY

    recipe = load_recipe("starter", STORY, {"report.final_arm": "careful"})
    assert yaml.safe_load(best.written(found([TRIED[0]]), recipe, Path(), ""))["report"]["final_arm"] == "best"


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_dev_and_test_side_by_side_once_the_best_was_run(tmp_path: Path, seeds: list[int]) -> None:
    of, told = asked(tmp_path, f"seeds: {seeds}\n{toy.RECIPE}"), found()
    chosen = copy.deepcopy(TRIED[2])
    chosen["outcome"]["artifacts"] = [f"grow/{seed:x>16}" for seed in seeds]
    assert best.tested(of, chosen) is None
    store = Store(tmp_path / "store")
    for arm, share in (("full", 0.74), ("best", 0.77)):
        for seed in seeds:
            store.remember("toy-best", f"{arm}#{seed}", "grow", f"{seed:x>16}" if arm == "best" else "other")
            store.remember("toy-best", f"{arm}#{seed}", "evaluate", f"{arm}{seed}")
            scores = {"corpora": {"reviews": {"model": {"macro_recall": toy.figure(share + 0.01 * seed)}}}}
            write_json(tmp_path / "store" / "evaluate" / f"{arm}{seed}" / "scores.json", scores)
    tested = best.tested(of, chosen)
    assert tested is not None
    if len(seeds) == 1:
        assert tested == {"recipe": toy.figure(0.74), "best": toy.figure(0.77)}
    else:
        assert tested["best"] == {"value": pytest.approx(0.775), "low": None, "high": None, "n": 100}
    show.write(found(tested=tested, judged=1), of, tmp_path / "out")
    page = (tmp_path / "out" / "search.html").read_text()
    assert "Of a lead of +6.0 points on dev, +3.0 are left on test." in page
    assert "the best alone, once" in page
    show.write(found(tested=tested, judged=3), of, tmp_path / "out")
    page = (tmp_path / "out" / "search.html").read_text()
    assert "Test texts have judged 2 trials that were the best before, and now this one." in page
    assert "make all" not in page
    assert told["tested"] is None
    assert best.tested(of, TRIED[1]) is None, "another trial is the best now"
