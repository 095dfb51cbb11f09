import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from pipeline.common.errors import InputError
from pipeline.drawing import tables
from pipeline.measuring.layers.probes import TASKS
from stages import report as stage
from tests import toy_runs
from tests.toy_runs import Toy

SETTINGS = stage.Settings(title="Corner shop", draws=1000, verdict_draws=1000)


def make(root: Path, toy: Toy, settings: stage.Settings = SETTINGS) -> Path:
    out = root / "out"
    out.mkdir()
    stage.report(settings, **toy_runs.write(root / "artifacts", toy), recipe="mine", out=out)
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("report"), Toy(seeds=(0, 1), corpora=("starter-reviews", "airline")))


@pytest.fixture(scope="module")
def figures(made: Path) -> dict[str, Any]:
    return json.loads((made / "report.json").read_text(encoding="utf-8"))


class Page(HTMLParser):
    """Collects text, tags and attributes, and checks that every tag is closed."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert not page.open
    return page


def test_figures_are_those_worked_out_by_hand(figures: dict[str, Any]) -> None:
    rungs = {rung["arm"]: rung for rung in figures["ladder"]}
    assert list(rungs) == list(toy_runs.LADDER)
    for arm, share in toy_runs.LADDER.items():
        scores = rungs[arm]["scores"]["airline"]
        for name in ("accuracy", "macro_recall", "macro_f1", "neutral_f1"):
            assert scores[name]["value"] == pytest.approx(share + 0.005)  # seed 1 finds one text in a hundred more
            assert scores[name]["n"] == 300
    for name, share in toy_runs.FLOORS.items():
        assert figures["floors"][name]["airline"]["macro_recall"]["value"] == pytest.approx(share)
    kept = figures["retention"]["full"]["tuned"]["kept"]
    assert kept["pairs"]["pairs"]["value"] == pytest.approx(0.8)
    assert figures["retention"]["full"]["base"]["masked"]["encyclopedia"]["loss"]["value"] == pytest.approx(2.0)
    assert figures["cost"]["seconds"]["careful"]["prepare"] == {"seconds": 4.0, "new": 0.0, "shared_with": "naive"}
    assert rungs["full"]["changes"] == [{"setting": "tokenizer.emoji", "from": "none", "to": "all"}]
    advised = figures["recommendation"]
    assert (advised["arm"], advised["floor"], advised["beats_floor"]) == ("full", "tfidf", True)


def test_an_arm_made_before_a_setting_was_there_had_its_default(tmp_path: Path) -> None:
    """The first manifest knows no contrast: its arm had none, as the second's, which says so."""
    inputs = toy_runs.write(
        tmp_path / "artifacts", Toy(arms={"naive": 0.6, "careful": 0.6, "full": 0.6}, measured=False)
    )
    for (arm, _), folder in inputs["finetune"].items():
        path = folder / "manifest.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        told["settings"] |= {"learning_rate": 3e-5, "freezing": {"layers": 2}}
        told["settings"] |= {"contrast": {"weight": 0.1 if arm == "full" else 0.0}} if arm != "naive" else {}
        path.write_text(json.dumps(told), encoding="utf-8")
    (tmp_path / "out").mkdir()
    stage.report(SETTINGS, **inputs, recipe="mine", out=tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    new = {"setting": "finetune.contrast.weight", "from": 0.0, "to": 0.1}
    assert [[one for one in rung["changes"] if one["setting"].startswith("finetune")] for rung in report["ladder"]] == [
        [], [], [new],
    ]  # fmt: skip
    report["ladder"][2]["changes"] = []
    said = [cells[1].text for cells in tables.steps(report).rows]
    assert said == ["the first arm: nothing to compare with", "nothing", "nothing"]


def test_every_verdict_says_how_sure_it_is(figures: dict[str, Any]) -> None:
    verdicts = figures["verdicts"]
    # 3 rungs and 2 more overall: macro-recall on 2 corpora and their emoji, a general corpus and a set of pairs; 4 arms
    # against 2 floors on 2 corpora
    assert len(verdicts) == 3 * 6 + 2 * 6 + 4 * 2 * 2
    # declared: 3 rungs, the whole ladder and its emoji on 2 corpora, masked words, 2 floors on 2 corpora
    assert sum(verdict["verdict"] != "exploratory" for verdict in verdicts) == (3 + 1 + 1) * 2 + 1 + 2 * 2
    for verdict in verdicts:
        low, high = verdict["difference"]["low"], verdict["difference"]["high"]
        holds = {"better": low > 0, "worse": high < 0, "no-worse": low > -0.01}
        assert holds.get(verdict["verdict"], True)
        assert (verdict["p_holm"] is None) == (verdict["verdict"] == "exploratory")
        assert verdict["p_holm"] is None or verdict["p_holm"] >= verdict["p"]


def test_the_first_screen_answers_four_questions(made: Path) -> None:
    text = re.sub(r"\s+", " ", read(made / "report.html").text)
    start = text[: text.index("The ladder")]
    for answer in (
        "Is this model better here? Yes: it beats naive",
        "Macro-recall 55.5% with naive, 72.5% with full: +17.0 (",
        "full beats the TF-IDF floor, +12.5 (",
        "What did it cost in general English? full kept 70% of it",
        "Which arm should I take? full",
        "Where is the model? model/",
    ):
        assert answer in start


def test_an_arm_that_does_not_beat_the_floor_is_named(made: Path) -> None:
    text = re.sub(r"\s+", " ", read(made / "report.html").text)
    assert "naive beside the TF-IDF floor (exploratory): −4.5 (" in text
    assert "careful beside the TF-IDF floor (exploratory): +1.5 (" in text


def test_the_better_floor_stands_against_the_arms(tmp_path: Path) -> None:
    toy = Toy(arms={"naive": 0.5, "full": 0.7}, floors={"tfidf": 0.5, "features": 0.69}, measured=False)
    out = make(tmp_path, toy)
    advised = json.loads((out / "report.json").read_text("utf-8"))["recommendation"]
    assert (advised["arm"], advised["floor"], advised["beats_floor"]) == ("full", "features", False)
    text = re.sub(r"\s+", " ", read(out / "report.html").text)
    start, rest = text[: text.index("The ladder")], text[text.index("The ladder") :]
    assert "full does not beat the feature floor, but is no worse (within 1 point), +1.0 (" in start
    assert (
        "full does not beat the feature floor everywhere; where it does not, the floor is the cheaper choice" in start
    )
    assert "TF-IDF" not in start
    assert "full beats the TF-IDF floor, +20.0 (" in rest
    card = (out / "models" / "full" / "README.md").read_text("utf-8")
    assert "full beats the TF-IDF floor, +20.0 (" in card
    assert "full does not beat the feature floor, but is no worse (within 1 point)" in card
    rows = [line.split() for line in (out / "summary.txt").read_text("utf-8").splitlines() if line.startswith("  full")]
    assert rows[0][-6:] == ["◆", "no", "worse", "(within", "1", "point)"]
    assert "against the feature floor" in (out / "summary.txt").read_text("utf-8")


def test_the_page_is_one_file_that_asks_nothing_of_anyone(made: Path) -> None:
    page = read(made / "report.html")
    assert not {"script", "link", "iframe", "object", "embed", "img", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for name, value in page.attributes:
        if name in {"src", "href", "xlink:href", "data", "action", "srcset"}:
            assert value in {"report.json", "tables/"} or str(value).startswith("#"), (name, value)
    source = (made / "report.html").read_text(encoding="utf-8")
    assert "@import" not in source
    assert not re.findall(r"url\((?!#)", source)
    assert re.findall(r"https?://[^\s\"']+", source.replace("http://www.w3.org/", "")) == []
    assert ("name", "viewport") in page.attributes
    on_each_corpus = 6  # ladder, arms, confusion, reliability, slices, counterfactuals
    once = 9 + len(
        TASKS
    )  # front, gained and kept by step, losses, CKA, drift, emoji map, ranks, coverage; then seconds
    assert page.tags.count("svg") == 2 * on_each_corpus + once + 1


def test_identifiers_occur_once(made: Path) -> None:
    ids = [value for name, value in read(made / "report.html").attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_same_artifacts_give_the_same_bytes(tmp_path: Path) -> None:
    toy = Toy(arms={"naive": 0.55, "full": 0.7})
    inputs = toy_runs.write(tmp_path / "artifacts", toy)
    contents = []
    for name in ("one", "other"):
        out = tmp_path / name
        out.mkdir()
        stage.report(SETTINGS, **inputs, recipe="mine", out=out)
        contents.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
    assert not [name for name, content in contents[0].items() if str(tmp_path).encode() in content]


def test_the_recipe_is_named(made: Path, figures: dict[str, Any]) -> None:
    assert figures["recipe"] == "mine"
    assert "Retone report, recipe mine." in read(made / "report.html").text


def test_the_summary_fits_a_terminal(made: Path) -> None:
    lines = (made / "summary.txt").read_text("utf-8").splitlines()
    assert lines[0] == "Corner shop, recipe mine"
    assert lines.count("airline: 300 test texts") == 1
    assert max(map(len, lines)) <= 120
    rows = [line.split() for line in lines[lines.index("airline: 300 test texts") + 2 :][:6]]
    assert [row[:2] for row in rows] == [
        ["TF-IDF", "floor"],
        ["feature", "floor"],
        ["naive", "55.5"],
        ["careful", "61.5"],
        ["adapted", "63.5"],
        ["full", "72.5"],
    ]
    assert rows[-1][-5:] == ["▲", "better", "▲", "above", "it"]
    assert "Is this model better here? Yes: it beats naive" in lines


HOSTILE = "<script>alert(1)</script></svg><img src=x onerror=alert(2)> | \x1b]0;owned\x07 {{ 7*7 }} \u202e\"'&amp; 😂"


def test_hostile_text_appears_as_text(tmp_path: Path) -> None:
    toy = Toy(arms={"naive": 0.5, "a<b>$x$|c": 0.7}, corpora=("<script>x",), pretty_name=HOSTILE, text=HOSTILE)
    out = make(tmp_path, toy, stage.Settings(title=HOSTILE, draws=1000, verdict_draws=1000))
    page = read(out / "report.html")
    assert not {"script", "img", "b>"} & set(page.tags)
    assert "<script>alert(1)</script></svg><img src=x onerror=alert(2)>" in page.text
    assert "{{ 7*7 }}" in page.text
    for path in (*out.glob("report.*"), out / "summary.txt", *out.glob("models/*/README.md"), *out.glob("figures/*")):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", path.read_text(encoding="utf-8")), path.name
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["name"] == HOSTILE


@pytest.mark.parametrize(
    ("toy", "said", "unsaid"),
    [
        (Toy(arms={"full": 0.7}), "It is the only arm of this run, with macro-recall: 70.0%", "Yes: it beats naive"),
        (Toy(general=False), "add one to see what was forgotten", "What it gained, what it forgot"),
        (
            Toy(restored=True, measured=False),
            "The base had no masked-word head; one was trained on general text first, 650,000",
            "nan",
        ),
        (Toy(emoji=False), "Yes: it beats naive", "emoji texts, %"),
        (Toy(budget=None), "Between base and tuned, full", "was asked to keep"),
        (Toy(measured=False, folds=5), "Yes: it beats naive", "Inside the model How far"),
        (Toy(arms={"naive": 0.7, "full": 0.5}, measured=False), "No: it is below naive", "Yes: it beats naive"),
        (
            Toy(arms={"naive": 0.5, "full": 0.52}, measured=False),
            "Rather the TF-IDF floor It does better than every arm.",
            "cheaper choice",
        ),
        (
            Toy(arms={"naive": 0.7, "full": 0.7}, measured=False),
            "No worse (within 1 point): full.",
            "Yes: it beats naive",
        ),
    ],
)
def test_parts_that_are_missing_leave_no_hole(tmp_path: Path, toy: Toy, said: str, unsaid: str) -> None:
    text = re.sub(r"\s+", " ", read(make(tmp_path, toy) / "report.html").text)
    assert said in text
    assert unsaid not in text
    assert not re.search(r"\bNone\b", text)
    assert "nan" not in text.split()


def test_an_artifact_without_manifest_is_reported_without_its_cost(tmp_path: Path) -> None:
    inputs = toy_runs.write(tmp_path / "artifacts", Toy(measured=False))
    for path in (tmp_path / "artifacts").rglob("manifest.json"):
        path.unlink()
    out = tmp_path / "out"
    out.mkdir()
    stage.report(SETTINGS, **inputs, recipe="mine", out=out)
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["cost"]["seconds"] == {}
    read(out / "report.html")


def test_models_are_copies_with_a_card(made: Path) -> None:
    for arm in toy_runs.LADDER:
        folder = made / "models" / arm
        assert (folder / "model.safetensors").read_bytes() == f"weights of {arm} 0".encode()
        assert (folder / "model.safetensors").stat().st_nlink == 1
        (index,) = ModelCard.load(folder / "README.md").data.to_dict()["model-index"]
        assert index["name"] == f"retone-{arm}"
        values = {
            (result["dataset"]["type"], metric["type"]): metric["value"]
            for result in index["results"]
            for metric in result["metrics"]
        }
        share = toy_runs.LADDER[arm]  # of seed 0, whose weights these are, and not the mean over seeds
        kinds = ("accuracy", "recall", "f1")
        assert values == {(corpus, kind): share for corpus in ("starter-reviews", "airline") for kind in kinds}


def test_the_last_arm_is_taken_away_unless_told_otherwise(tmp_path: Path, made: Path) -> None:
    assert (made / "model" / "model.safetensors").read_bytes() == b"weights of full 0"
    settings = stage.Settings(final_arm="careful", draws=1000, verdict_draws=1000)
    out = make(tmp_path, Toy(measured=False), settings)
    assert (out / "model" / "model.safetensors").read_bytes() == b"weights of careful 0"
    assert "The arm advised here lies in models/full/." in read(out / "report.html").text


def test_an_unknown_final_arm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.final_arm: no arm best in this run; choose one of naive, careful"):
        make(tmp_path, Toy(), stage.Settings(final_arm="best"))


def test_controls_are_no_rungs_and_the_final_arm_is_judged_against_each(tmp_path: Path) -> None:
    arms = {"naive": 0.6, "full": 0.9, "from-scratch": 0.5, "unrelated": 0.9}
    controls = ["from-scratch", "unrelated"]
    settings = stage.Settings(controls=controls, draws=1000, verdict_draws=1000)
    out = make(tmp_path, Toy(arms=arms, measured=False), settings)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [rung["arm"] for rung in report["ladder"]] == ["naive", "full"]
    assert [control["arm"] for control in report["controls"]] == controls
    assert report["final_arm"] == "full"
    judged = {one["against"]: one for one in report["verdicts"] if one["question"] == "control"}
    assert {control: found["arm"] for control, found in judged.items()} == dict.fromkeys(controls, "full")
    assert judged["from-scratch"]["verdict"] == "better"
    assert judged["unrelated"]["difference"]["value"] == pytest.approx(0, abs=1e-9)
    assert not {"from-scratch", "unrelated"} & {one["arm"] for one in report["verdicts"] if one["question"] == "rung"}
    assert "better against from-scratch" in read(out / "report.html").text
    rows = (out / "tables" / "full-against-its-controls.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["control", *controls]


def test_what_was_forgotten_of_old_reviews_is_told_against_the_model_as_it_was(tmp_path: Path) -> None:
    toy = Toy(
        arms={"before": 0.9, "new-alone": 0.6, "rehearsed": 0.85}, corpora=("old", "older", "new"), measured=False
    )
    inputs = toy_runs.write(tmp_path / "artifacts", toy)
    for (arm, _), folder in inputs["finetune"].items():
        texts = 120 if arm == "rehearsed" else 0
        told = {"rehearsal": {"corpora": ["old", "older"], "texts": texts, "new_texts": 300}}
        told |= {"method": "none"} if arm == "before" else {"method": "full"}
        path, manifest = folder / "finetune.json", folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | told), encoding="utf-8")
        asked = json.loads(manifest.read_text(encoding="utf-8"))
        asked["settings"]["rehearsal"] = {"share": 0.0 if arm == "new-alone" else 0.3}
        manifest.write_text(json.dumps(asked), encoding="utf-8")
    settings = stage.Settings(beside="first", draws=1000, verdict_draws=1000)
    stage.report(settings, **inputs, recipe="mine", out=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    changed = {arm: told["change"]["value"] for arm, told in report["backward"].items()}
    assert changed == pytest.approx({"new-alone": -0.3, "rehearsed": -0.05})
    assert report["backward"]["new-alone"]["change"]["n"] == 600
    ((_, *alone), *_) = [list(row) for row in csv.reader((tmp_path / "tables/old-reviews-and-new-ones.csv").open())][1:]
    assert alone[1:4] == ["old", "old", "90.0"]
    text = read(tmp_path / "report.html").text
    assert "Old reviews, against before: new-alone ▼ worse (−30.0 (" in text
    assert "mean of the old ones" in text
    assert "What it had been tuned on is not at hand" in text
    assert "120 of its texts learnt again" in text
    commands = [one["command"] for one in report["diagnosis"] if one["rule"] == "forgot-old-reviews"]
    assert 'make all RECIPE=mine SET="arms.new-alone.finetune.rehearsal.share=0.3"' in commands


def test_a_control_sets_no_floor(tmp_path: Path) -> None:
    toy = Toy(arms={"from-scratch": 0.5, "naive": 0.6, "full": 0.9}, measured=False)
    inputs = toy_runs.write(tmp_path / "artifacts", toy)
    shutil.rmtree(tmp_path / "artifacts" / "evaluate" / "from-scratch-0" / "floors")
    settings = stage.Settings(controls=["from-scratch"], draws=1000, verdict_draws=1000)
    stage.report(settings, **inputs, recipe="mine", out=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["floors"]["features"]["starter-reviews"]["macro_recall"]["value"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"controls": ["gone"]}, r"report\.controls: no arm gone in this run"),
     ({"controls": ["full"], "final_arm": "full"}, r"report\.controls: the final arm is judged against them"),
     ({"controls": ["naive", "careful", "adapted", "full"]}, r"report\.controls: the final arm is judged")],
)  # fmt: skip
def test_controls_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make(tmp_path, Toy(), stage.Settings(**settings))


def test_large_files_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "LARGE_FILE_BYTES", 10)
    out = make(tmp_path, Toy(arms={"full": 0.7}, measured=False))
    assert (out / "models" / "full" / "model.safetensors").stat().st_nlink > 1


def test_the_declaration_names_what_is_made(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == set(stage.STAGE.makes)
    assert stage.STAGE.collects
