import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.machine import cli
from pipeline.report import comparison
from stages import __main__ as verbs
from stages import report as stage
from tests import toy_runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compared")
    settings = stage.Settings(draws=1000, verdict_draws=1000)
    toy = toy_runs.Toy(arms={"naive": 0.55, "full": 0.72}, measured=False)
    out = root / "out"
    out.mkdir()
    stage.report(settings, **toy_runs.write(root / "artifacts", toy), recipe="mine", out=out)
    return out


def put(folder: Path, report: Any) -> Path:
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def other(run: Path) -> dict[str, Any]:
    """A run with another full arm, another setting, a verdict turned round, and an arm of its own."""
    report = json.loads((run / "report.json").read_text("utf-8"))
    report["ladder"][1]["scores"]["starter-reviews"]["macro_recall"] = {
        "value": 0.80, "low": 0.75, "high": 0.84, "n": 300}  # fmt: skip
    report["arms"]["full"]["settings"]["finetune"]["learning_rate"] = 5e-05
    report["arms"]["best"] = copy.deepcopy(report["arms"]["full"])
    for verdict in report["verdicts"]:
        if verdict["question"] == "rung" and verdict["measure"] == "macro_recall":
            verdict["verdict"] = "worse"
    return report


def test_two_runs_side_by_side(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(verbs.build(), ["compare", str(run), str(put(tmp_path / "b", other(run)) / "report.json")]) == 0
    text = capsys.readouterr().out
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    (full,) = [row for row in rows if row[0] == "full" and "80.0 (75.0" in row[2]]
    assert full[1].startswith("72.0 (")
    assert full[2] == "80.0 (75.0–84.0)"
    assert full[3].startswith("+8.0 (+")
    assert full[4] == "unpaired"
    assert ["full: finetune.learning_rate", "3e-05", "5e-05"] in rows
    assert ["arm best", "–", "has it"] in rows
    assert ["full against naive", "macro-recall, starter-reviews", "▲ better", "▼ worse"] in rows
    assert "1 of" in text


def test_verdicts_on_each_floor_are_told_apart(run: Path) -> None:
    report = json.loads((run / "report.json").read_text("utf-8"))
    turned = copy.deepcopy(report)
    for verdict in turned["verdicts"]:
        if (verdict["arm"], verdict["against"]) == ("full", "features"):
            verdict["verdict"] = "worse"
    table = comparison.verdicts(report, turned)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["full against the feature floor", "macro-recall, starter-reviews", "▲ better", "▼ worse"]
    ]


def test_verdicts_against_each_control_are_told_apart(run: Path) -> None:
    """Three controls, of which two came out otherwise; and a rung of two arms is the whole ladder of four."""
    report = json.loads((run / "report.json").read_text("utf-8"))
    one = next(each for each in report["verdicts"] if each["measure"] == "macro_recall") | {"arm": "full"}
    controls = ("from-scratch", "not-adapted", "unrelated")
    before, now = (
        report | {"verdicts": [one | {"question": "control", "against": other, "verdict": word}
                               for other, word in zip(controls, words, strict=True)]
                  + [one | {"question": question, "against": "naive", "verdict": last}]}
        for words, question, last in ((("better", "undecided", "better"), "rung", "better"),
                                      (("undecided", "better", "better"), "overall", "worse"))
    )  # fmt: skip
    table = comparison.verdicts(before, now)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["full against from-scratch", "macro-recall, starter-reviews", "▲ better", "● undecided"],
        ["full against not-adapted", "macro-recall, starter-reviews", "● undecided", "▲ better"],
        ["full against naive", "macro-recall, starter-reviews", "▲ better", "▼ worse"],
    ]
    assert table.note == "3 of 4 verdicts that both runs have came out differently."


def test_a_run_beside_itself_differs_in_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(verbs.build(), ["compare", str(run), str(run)]) == 0
    text = capsys.readouterr().out
    assert "No settings differ." in text
    assert re.search(r"\b0 of \d+ verdicts", text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no report.json there; give a folder with a report.json, such as artifacts/latest"),
        ("{", "it is no JSON"),
        ("[1]", "it is JSON, but no report of Retone's"),
        ('{"name": "x"}', "it is JSON, but no report of Retone's"),
        ("[" * 100_000, "it is JSON, but no report of Retone's"),
        ('{"name": 1, "ladder": 2, "retention": 3, "verdicts": 4, "arms": 5}', "it is JSON, but no report of Retone's"),
    ],
)
def test_what_is_no_report_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        comparison.read(tmp_path)
    assert cli.main(verbs.build(), ["compare", str(run), str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "spoilt", [{"ladder": [1]}, {"retention": {"full": 3}}, {"verdicts": [[]]}, {"fingerprints": {"a": 1}}]
)
def test_a_report_spoilt_inside_is_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoilt: dict[str, Any]
) -> None:
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    (tmp_path / "report.json").write_text(json.dumps(report | spoilt), encoding="utf-8")
    assert cli.main(verbs.build(), ["compare", str(run), str(tmp_path)]) == 2
    assert "one is not as Retone writes it" in capsys.readouterr().err


def test_a_report_that_steers_a_terminal_is_written_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads((run / "report.json").read_text("utf-8")) | {"name": "\x1b]0;owned\x07"}
    assert cli.main(verbs.build(), ["compare", str(run), str(put(tmp_path / "b", report))]) == 0
    assert r"\x1b]0;owned\x07" in capsys.readouterr().out
