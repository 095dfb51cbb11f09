"""What the report's sections say, by value, on a run whose figures are known."""

import copy
import csv
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.common import results
from pipeline.common.errors import InputError
from pipeline.drawing import tables
from pipeline.drawing.tables import NOTHING, Cell, Table
from pipeline.measuring.diagnosis import rules
from pipeline.measuring.diagnosis import show as diagnosis_show
from pipeline.measuring.emoji import show as emoji_show
from pipeline.measuring.frontier import show as frontier_show
from pipeline.measuring.frontier.score import left_out
from pipeline.measuring.general import show as general_show
from pipeline.measuring.layers import show as layers_show
from pipeline.measuring.reviews import show as reviews_show
from pipeline.measuring.sweep import show as sweep_show
from pipeline.report import answers, corpora_tables, csv_export, gallery, pages, steps, training_tables
from pipeline.report.results import Report
from stages import finetune
from stages import report as stage
from tests import toy_measures, toy_runs


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sections")
    settings = stage.Settings(draws=1000, verdict_draws=1000)
    toy = toy_runs.Toy(corpora=("shop", "cafe"))
    stage.report(settings, **toy_runs.write(root / "artifacts", toy), recipe="mine", out=root)
    return root


@pytest.fixture
def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return found


def row(table: Table, name: str) -> dict[str, Cell]:
    (found,) = [cells for cells in table.rows if cells[0].text == name]
    return dict(zip(table.columns, found, strict=True))


def test_one_sentence_says_it_all(report: dict[str, Any]) -> None:
    gained = "full beats naive (+17.0 points on shop and +17.0 points on cafe)"
    assert answers.lead(report) == f"{gained} and keeps 70.5% of the base's general English."
    for verdict in report["verdicts"]:
        if verdict["question"] == "overall" and verdict["place"] == "cafe":
            verdict["verdict"] = "worse"
    assert answers.lead(report).startswith(
        "full beats naive (+17.0 points on shop), is below naive (+17.0 points on cafe)"
    )
    alone = {**report, "ladder": report["ladder"][-1:], "verdicts": []}
    assert answers.lead(alone).startswith("full has a macro-recall of 72.0% on shop and 72.0% on cafe and keeps")


def test_how_much_of_a_searchs_lead_is_luck_is_a_line(report: dict[str, Any], tmp_path: Path) -> None:
    assert answers.searched(report) == ""
    searched = {"arm": "full", "against": "adapted", "trials": 1040}
    settings = stage.Settings(draws=1000, verdict_draws=1000, searched=searched)
    told = toy_runs.write(tmp_path / "artifacts", toy_runs.Toy(corpora=("shop",)))
    stage.report(settings, **told, recipe="mine", out=tmp_path)
    made = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    line = (
        "full is what a search chose by dev texts, which judged 1,040 trials: 74.0% there, 72.0% on test. Of its lead "
        "over adapted, +11.0 points on dev, +9.0 are left on test; the best of many is partly the luckiest."
    )
    assert answers.searched(made) == line
    assert line in html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    with pytest.raises(InputError, match=r"report\.searched: no arm ful in this run; choose one of naive, full"):
        stage.rungs_of(stage.Settings(searched={**searched, "arm": "ful"}), ["naive", "full"])


def test_how_training_went_with_what_is_kept_of_frozen_layers_and_padding(report: dict[str, Any]) -> None:
    full, naive = (row(training_tables.training(report), arm) for arm in ("full", "naive"))
    assert (full["frozen layers' states, MB"].text, full["in tuning, %"].text) == ("12.5", "3.9")
    assert full["padding in pretraining, %"].text == "4.2"
    assert naive["padding in pretraining, %"].text == "–"  # adapted to nothing


def test_arms_with_a_target_say_how_their_domains_are_told_apart_and_what_alarms() -> None:
    apart = {"before": toy_measures.figure(0.9, 100), "after": toy_measures.figure(0.55, 100)}
    alarmed = {"domain_loss": 0.69, "lowest_domain_loss": 0.688, "variance_left": 1.2, "alarm": "it learnt nothing"}
    tuned = {"naive": {}, "dann": {"domains": apart, "domain_adversary": alarmed}, "source-only": {"domains": apart}}
    table = training_tables.alignment({"arms": {arm: {"finetune": {"0": told}} for arm, told in tuned.items()}})
    assert [cells[0].text for cells in table.rows] == ["dann", "source-only"]
    assert row(table, "source-only")["alarm"].text == "–"
    found = row(table, "dann")
    shown = (
        "domains told apart before tuning, %",
        "after",
        "adversary: lowest loss, nats",
        "variance left, %",
        "alarm",
    )
    assert [found[name].text for name in shown] == ["90.0", "55.0", "0.69", "120.0", "it learnt nothing"]
    assert not training_tables.alignment({"arms": {}}).rows


def test_the_ledger_says_what_each_step_took_and_gained(report: dict[str, Any]) -> None:
    table = steps.ledger(report)
    full, naive = row(table, "full"), row(table, "naive")
    assert full["gained on shop, points of macro-recall"].text == "▲ +9.0"
    assert full["general English kept, points (masked words)"].text.startswith("○ −3.6")
    # This arm shares prepare and source (5 s), and does its own tokenizer, pretrain, finetune and evaluate.
    assert full["new work, s"].text == f"{3.5 + 60 + 25 + 12:.0f}"
    assert (full["remedy for"].text, naive["remedy for"].text) == ("domain shift", "–")
    assert naive["gained on shop, points of macro-recall"].text == "–"
    (rate,) = [column for column in table.columns if "informal nat" in column]
    paid = toy_measures.NATS_LOST["full"] / 3 / toy_measures.INFORMAL_GAINED
    assert (full[rate].text, naive[rate].text) == (f"{paid:.2f}", "–")


def test_a_column_of_fold_0s_model_says_so(report: dict[str, Any]) -> None:
    head = "masked words kept, %"
    assert head in tables.ladder(report, "shop").columns
    report["corpora"]["shop"]["folds"] = 5
    assert f"{head} (fold 0's model)" in tables.ladder(report, "shop").columns


def test_all_that_is_said_of_fold_0s_model_names_it(report: dict[str, Any]) -> None:
    """Scores are those of the models of all folds; general English, layers and emoji those of one of them."""
    report["corpora"]["shop"]["folds"] = 5
    drawn = [picture for group in gallery.pictures(report).values() for picture in group]
    said = {picture.name: "(fold 0's model)" in picture.title + picture.caption for picture in drawn}
    one = {"frontier", "front", "step-kept", "cka", "probe", "drift", "emoji", "counterfactuals"}
    assert {name for name, named in said.items() if named} == {name for name in said if name.startswith(tuple(one))}
    sheets = [*general_show.retention(report), layers_show.by_layer(report, "full"), layers_show.drift(report, "full"),
              emoji_show.understood(report), emoji_show.polarity(report, "full")]  # fmt: skip
    assert all("(fold 0's model)" in table.title for table in sheets)
    ledger = steps.ledger(report).columns
    assert [column for column in ledger if "fold 0's" in column] == [column for column in ledger if "kept" in column]
    assert "the one that is taken away" in answers.cost(report).lines[-1].said
    assert answers.lead(report).endswith("general English (fold 0's model).")


def test_arms_along_a_setting_are_drawn_and_labels_foretell(tmp_path: Path) -> None:
    settings = stage.Settings(draws=1000, verdict_draws=1000, across="finetune.train_reviews")
    toy = toy_runs.Toy(labels={"naive": 30, "careful": 60, "adapted": 90})
    stage.report(settings, **toy_runs.write(tmp_path / "artifacts", toy), recipe="mine", out=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["sweep"]["values"] == {"naive": 30, "careful": 60, "adapted": 90, "full": toy_runs.LEARNT}
    drawing = (tmp_path / "figures" / "sweep-0.svg").read_text(encoding="utf-8")
    assert "full: macro-recall on starter-reviews 72.0" in drawing
    assert "full: general English kept 70.5" in drawing
    table = sweep_show.foretold(report, "starter-reviews")
    adapted = row(table, "adapted")
    # Errors 0.45 of 30 labels and 0.39 of 60: a rate of 0.206 and 0.359 of 90, or 0.06 a doubling and 0.355 of 90.
    assert (adapted["labels"].text, adapted["foretold, %"].text) == ("90", "64.3")
    assert adapted["apart, points"].text == "−1.3"
    ((corpus, said),) = sweep_show.sentences(report)
    assert corpus == "starter-reviews"
    assert said.startswith("with n labels errors fall as n to the power of −0.11 (")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Along one setting" in page
    assert "What fewer labels foretold" in page


def test_a_setting_to_draw_over_is_known_before_anything_runs() -> None:
    stages = {"report": stage.Settings(across="finetune.freezing.layer"), "finetune": finetune.Settings()}
    with pytest.raises(InputError, match=r"no setting finetune\.freezing\.layer; did you mean finetune\S+layers"):
        stage.check(stages)
    stage.check(stages | {"report": stage.Settings(across="finetune.freezing.layers")})


def test_where_general_english_gained_no_rate_is_told(report: dict[str, Any]) -> None:
    report["exchange"]["full"] = {
        name: {"value": -0.1, "low": -0.2, "high": 0.0, "n": 9} for name in ("rate", "lost", "gained")
    }
    row = next(row for row in steps.ledger(report).rows if row[0].text == "full")
    assert row[-1].text == "the base was still learning"


def test_what_a_budget_costs_is_a_sentence(report: dict[str, Any]) -> None:
    assert frontier_show.price(report) == (
        "full was asked to keep 95% of general English, as a lower bound. The point 0.375 was taken: −11.5 (−14.5 to "
        "−8.5) points of macro-recall against tuned, +25.0 (+22.0 to +28.0) points of general English (dev)."
    )
    report["frontier"]["full"]["within"] = False
    assert "general English, which no point is shown to: this one keeps most." in frontier_show.price(report)
    report["frontier"]["full"]["budget"] = None
    assert frontier_show.price(report) == ""
    report["frontier"]["full"] = left_out("adapters are merged", tuned="1")
    assert frontier_show.price(report) == "No models between base and tuned were measured: adapters are merged."


def test_layers_stand_in_rows(report: dict[str, Any]) -> None:
    table = layers_show.by_layer(report, "full")
    assert [cells[0].text for cells in table.rows] == ["embeddings", "layer 1", "layer 2", "layer 3", "layer 4"]
    last = row(table, "layer 4")
    assert last["likeness of tuned to the base (CKA)"] == Cell(
        "0.680", "0.650–0.710", value=0.68, beside={"low": 0.65, "high": 0.71}
    )  # 1 - 0.04 * 4 ** 1.5
    assert last["shuffled bigram, % right (chance 50), base"].text == "80.0"  # 52 + 4 * 7
    parts = row(layers_show.drift(report, "full"), "encyclopedia")
    assert parts["· really lost, nats lost"].text == "0.090"


def test_probes_stand_beside_their_controls_the_base_and_the_first_arm(report: dict[str, Any]) -> None:
    apart = {"value": -0.02, "low": -0.05, "high": 0.01, "n": 60}
    report["layers"]["full"]["apart"] = {"length": [apart] * 5}
    table = layers_show.probed(report, "full", "length")
    last = row(table, "layer 4")
    assert [cell.text for cell in last.values()][1:] == ["+20.0", "+16.0", "+4.0", "−4.0", "−16.0", "−2.0"]
    assert last["tuned less that of naive, points"].detail == "−5.0 to +1.0"
    assert "tuned less that of naive, points" not in layers_show.probed(report, "naive", "length").columns


def test_emoji_are_marked_by_themselves(report: dict[str, Any]) -> None:
    (picture,) = [each for each in emoji_show.pictures(report, "full") if each.name == "emoji-map"]
    assert "Rank correlation 0.78 (0.75–0.81)." in picture.caption
    assert "Kralj Novak" in picture.caption
    assert 'aria-label="😂 people +0.20, model +0.04"' in picture.svg  # 1.2 * 0.2 + 0.2 * (0 - 2) / 2
    assert "😂\ufe0f" in picture.svg
    table = emoji_show.understood(report)
    assert table.rows[-1][0] == Cell("full", "cafe", beside={"corpus": "cafe"})
    assert [cell.text for cell in table.rows[-1][-5:]] == ["84.0", "–", "77.0", "95.0", "90.0"]


def test_mistakes_are_text_and_say_how_sure(report: dict[str, Any]) -> None:
    table = reviews_show.mistakes(report, "shop")
    found = report["errors"]["shop"]["mistakes"][0]
    assert [cell.text for cell in table.rows[0]] == [
        found["text"], found["label"], found["predicted"], f"{100 * found['confidence']:.0f}"]  # fmt: skip


def test_doubtful_labels_say_how_much_likelier_another_is(report: dict[str, Any]) -> None:
    row = {"id": "1", "text": "gr8", "label": "negative", "likely": "positive", "confidence": 0.99}
    rows = [{**row, "doubt": doubt} for doubt in (1.0, 0.99975, 0.9952, 0.6)]
    report["errors"]["shop"]["label_noise"] = {"n": 300, "suspects": 7, "share": 7 / 300, "rows": rows}
    table = reviews_show.doubtful(report, "shop")
    assert [cells[-1].text for cells in table.rows] == ["1,000,000", "4,000", "210", "1.5"]  # 0.9952 / 0.0048 = 207
    assert table.note == "7 of 300 labels are worth a second look; the 4 most doubtful."


def test_the_troubleshooter_speaks_of_the_final_arm_first(report: dict[str, Any]) -> None:
    assert {each["arm"] for each in diagnosis_show.found(report)} == {"full"}
    assert len(diagnosis_show.found(report)) <= diagnosis_show.SHOWN
    assert {cells[0].text for cells in diagnosis_show.of_others(report).rows} == set(toy_runs.LADDER)


def test_words_of_the_page_are_of_its_language_and_quotes_stay_as_they_are(
    report: dict[str, Any], tmp_path: Path
) -> None:
    quoted = "no <general English> in this shop"
    report["errors"]["shop"]["mistakes"][0]["text"] = quoted
    report["corpora"]["encyclopedia"]["language"] = ["de"]
    report["recommendation"] |= {"keeps_more": "careful", "more_of": ["masked", "encyclopedia"]}
    report["diagnosis"] = rules.diagnose(report)
    pages.write(results.checked(Report, report), tmp_path)
    page = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert quoted in page
    assert "General text, before and after" in page
    assert page.count("eneral English") == 1
    assert page.count("general text") > 20
    drawn = [path.read_text(encoding="utf-8") for path in (tmp_path / "figures").iterdir()]
    assert not any("eneral English" in each for each in [*drawn, (tmp_path / "summary.txt").read_text("utf-8")])


def test_a_report_without_its_parts_is_set_without_them(report: dict[str, Any], tmp_path: Path) -> None:
    bare = copy.deepcopy(report)
    nothing = {"probes": {}, "cka": {}, "drift": {}, "noise_floor": [], "by_chance": [], "apart": {}}
    bare |= {"layers": dict.fromkeys(report["arms"], nothing), "errors": {}, "diagnosis": []}
    bare |= {name: dict.fromkeys(report["arms"]) for name in ("frontier", "emoji")}
    pages.write(results.checked(Report, bare), tmp_path)
    whole = {name for group in gallery.pictures(report).values() for name in [each.name for each in group]}
    fewer = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert fewer < whole
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "None" not in re.sub(r"<[^>]*>", "", text)


def test_a_class_of_too_few_test_texts_leaves_no_score_and_ends_nothing(report: dict[str, Any], tmp_path: Path) -> None:
    unknown = {"value": None, "low": None, "high": None, "n": 18}
    for rung in report["ladder"]:
        for scores in rung["scores"].values():
            scores["macro_recall"] = unknown
    for scores in (scores for floor in report["floors"].values() for scores in floor.values()):
        scores["macro_recall"] = unknown
    for verdict in report["verdicts"]:
        if verdict["measure"] == "macro_recall":
            verdict |= {"difference": unknown, "p": 1.0, "p_holm": None, "verdict": "unmeasured"}
    pages.write(results.checked(Report, report), tmp_path)
    said = "full has no macro-recall (too few test texts) and keeps 70.5% of the base's general English."
    assert answers.lead(report) == said
    assert said in (tmp_path / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    helped = answers.helped(report)
    assert (helped.headline, helped.tone) == ("Not measured: too few texts", "unmeasured")
    said = (
        "– not measured: a class has too few test texts. full was not compared with the TF-IDF floor: a class has too"
    )
    assert helped.lines[0].said.startswith(said)
    drawn = gallery.pictures(report)
    assert (drawn["ladder"], [each.name for each in drawn["frontier"]]) == ([], ["front"])


@pytest.mark.parametrize("beside", ["first", "above"])
def test_a_small_corpus_beside_a_large_one_is_passed_over(tmp_path: Path, beside: Any) -> None:
    """Eight neutral test texts: no macro-recall there, and the ledger goes by what was gained elsewhere."""
    toy = toy_runs.Toy(arms={"naive": 0.55, "careful": 0.61, "full": 0.72}, corpora=("shop", "corner"), few=("corner",))
    searched = {"arm": "full", "against": "naive", "trials": 9}
    settings = stage.Settings(draws=1000, verdict_draws=1000, beside=beside, searched=searched)
    stage.report(settings, **toy_runs.write(tmp_path / "artifacts", toy), recipe="mine", out=tmp_path)
    made = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert made["ladder"][2]["scores"]["corner"]["macro_recall"] == {"value": None, "low": None, "high": None, "n": 208}
    assert made["searched"] is None, "dev has a mean of both corpora, test has none"
    for verdict in made["verdicts"]:
        few = verdict["place"] == "corner" and "macro_recall" in verdict["measure"]
        assert (verdict["verdict"] == "unmeasured") == few, "macro-recall of all texts there, and of those with emoji"
    family = {"first": 2 + 2 + 2 + 2, "above": 2 + 1 + 1 + 1 + 2}[beside]  # steps, emoji, masked words, floors
    assert sum(each["p_holm"] is not None for each in made["verdicts"]) == family
    pages_of = [tmp_path / name for name in ("report.html", "summary.txt", "models/full/README.md")]
    for text in (html.unescape(path.read_text(encoding="utf-8")) for path in pages_of):
        assert not re.findall(r"–%|– points|\(–\)|\(\)|– on |: undecided\.", text), text
    corner = next(line.said for line in answers.helped(made).lines if line.about == "corner")
    assert corner.startswith("– not measured: a class has too few test texts. full was not compared with the TF-IDF")
    assert corner.endswith("On texts with emoji not measured: a class has too few.")
    assert answers.helped(made).headline == "1 better and 1 not measured"
    said = "It has the highest macro-recall: 72.0%, the mean over corpora with texts enough (shop)."
    assert answers.choice(made).lines[0].said.startswith(said)
    order = {"first": ["naive", "full", "careful"], "above": ["naive", "careful", "full"]}
    assert [cells[0].text for cells in steps.ledger(made).rows] == order[beside]
    for verdict in made["verdicts"]:
        if verdict["arm"] == "full":
            verdict["difference"] |= {"value": None, "low": None, "high": None}
    assert [cells[0].text for cells in steps.ledger(made).rows] == order["above"], "of which nothing is known is last"


def test_where_no_corpus_has_texts_enough_no_arm_is_advised(tmp_path: Path) -> None:
    toy = toy_runs.Toy(arms={"naive": 0.55, "full": 0.72}, corpora=("corner",), few=("corner",))
    settings = stage.Settings(draws=1000, verdict_draws=1000, final_arm="naive")
    stage.report(settings, **toy_runs.write(tmp_path / "artifacts", toy), recipe="mine", out=tmp_path)
    made = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    advised = made["recommendation"]
    assert (advised["arm"], advised["beats_floor"], advised["macro_recall"]) == (None, None, {})
    text = (tmp_path / "summary.txt").read_text(encoding="utf-8")
    assert "Which arm should I take? Not told: too few test texts\nWhere is the model? model/\n" in text
    assert answers.advised(made) == "naive"


def test_arms_without_figures_leave_no_hole(report: dict[str, Any]) -> None:
    nothing = {"probes": {}, "cka": {}, "drift": {}, "noise_floor": [], "by_chance": [], "apart": {}}
    report |= {"layers": dict.fromkeys(report["arms"], nothing)}
    report |= {name: dict.fromkeys(report["arms"]) for name in ("frontier", "emoji")}
    drawn = gallery.pictures(report)
    assert [each.name for each in drawn["layers"]] == []
    assert [each.name for each in drawn["emoji"]] == ["coverage"]
    assert [each.name for each in drawn["frontier"]] == ["frontier-0", "frontier-1"]
    assert not layers_show.by_layer(report, "full").rows
    assert not emoji_show.understood(report).rows
    assert not emoji_show.polarity(report, "full").rows


def test_every_table_is_a_sheet_with_numbers(out: Path) -> None:
    rows = _sheet(out, "ladder-shop")
    assert [each["arm"] for each in rows] == ["TF-IDF floor", "feature floor", *toy_runs.LADDER]
    full = rows[-1]
    assert float(full["macro-recall, %"]) == pytest.approx(72.0)
    assert float(full["macro-recall, %: low"]) < 72.0 < float(full["macro-recall, %: high"])
    assert full["against the arm above"] == "better"
    assert float(full["against the arm above: difference"]) == pytest.approx(9.0)
    assert float(full["against the arm above: low"]) > 0
    step = next(each for each in _sheet(out, "ledger-of-fixes") if each["arm"] == "full")
    gained = "gained on shop, points of macro-recall"
    assert (step[gained], step[f"{gained}: verdict"]) == ("9.0", "better")
    names = {path.stem for path in (out / "tables").iterdir()}
    assert {"ledger-of-fixes", "surest-mistakes-cafe", "emoji-understood", "layer-by-layer-full"} <= names


def _sheet(out: Path, name: str) -> list[dict[str, str]]:
    with (out / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_sheets_columns_have_names_of_their_own_and_hold_numbers_or_words(out: Path) -> None:
    names: set[str] = set()
    for path in (out / "tables").iterdir():
        with path.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        assert all(header)
        assert len(set(header)) == len(header)
        names |= {*header}
        for title, *cells in zip(header, *rows, strict=True):
            numbers = [cell for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?(e-\d+)?", cell)]
            assert len(numbers) in (0, sum(cell != "" for cell in cells)), (path.name, title, cells)
            assert not any(cell.startswith((*tables.MARKS.values(), "−")) for cell in cells), (path.name, title)
    assert {"words lost after, %, lower is better", "tokens a text after", "arm: seed", "texts: train"} <= names
    assert not {"after", "ended"} & names


def test_sheets_are_safe_and_none_is_lost(tmp_path: Path) -> None:
    code, number = Cell("=1+1", "…", beside={"low": -0.5, "high": 1234.5}), Cell("−1,234.5", value=-1234.5)
    hostile = Table("../=1+1?", ("a", "b"), ((code, number), (Cell("@x"), NOTHING)))
    names = csv_export.write({"one": [hostile, hostile], "other": Table("empty", ("a",), ())}, tmp_path)
    assert names == ["1-1", "1-1-2"]
    assert (tmp_path / "1-1.csv").read_text(encoding="utf-8").splitlines() == [
        "a,a: low,a: high,b", "'=1+1,-0.5,1234.5,-1234.5", "'@x,,,"]  # fmt: skip


def test_damage_is_shown_by_corpus_and_kind() -> None:
    audit = {"mended": {"shop": {"HTML tags": 3}, "posts": {"escapes": 2}}, "unknown": {"shop": {"symbols": 1}}}
    mended, left = corpora_tables.damage({"audit": audit})
    assert mended.columns == ("corpus", "HTML tags", "escapes")
    assert [[cell.text for cell in row] for row in mended.rows] == [["shop", "3", "0"], ["posts", "0", "2"]]
    assert [[cell.text for cell in row] for row in left.rows] == [["shop", "1"]]
    assert corpora_tables.damage({"audit": {}}) == []


def test_side_by_side_arms_are_read_against_the_first_and_the_ledger_is_sorted(tmp_path: Path) -> None:
    toy = toy_runs.Toy(corpora=("shop",))
    settings = stage.Settings(draws=1000, verdict_draws=1000, beside="first")
    stage.report(settings, **toy_runs.write(tmp_path / "artifacts", toy), recipe="mine", out=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    arms = [rung["arm"] for rung in report["ladder"]]
    assert {one["against"] for one in report["verdicts"] if one["question"] == "rung"} == {arms[0]}
    assert "against naive" in tables.ladder(report, "shop").columns
    changed = row(tables.steps(report), "full")["what it changes against naive"].text
    assert {one["setting"] for one in report["ladder"][-1]["changes"]} == {
        part.split(":")[0] for part in changed.split("; ")
    }
    ledger = steps.ledger(report)
    gained = {one["arm"]: one["difference"]["value"] for one in report["verdicts"]
              if one["question"] == "rung" and one["measure"] == "macro_recall"}  # fmt: skip
    assert [cells[0].text for cells in ledger.rows] == [arms[0], *sorted(arms[1:], key=lambda arm: -gained[arm])]
    assert len({*gained.values()}) > 1
    declared = {(one["arm"], one["measure"]) for one in report["verdicts"]
                if one["question"] == "rung" and one["verdict"] != "exploratory"}  # fmt: skip
    assert declared == {
        (arm, measure) for arm in arms[1:] for measure in ("macro_recall", "emoji_macro_recall", "masked")
    }
    assert "against the arm above" not in (tmp_path / "report.html").read_text(encoding="utf-8")
