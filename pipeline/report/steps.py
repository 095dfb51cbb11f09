"""What each step took, gained here and lost of general English, and the final arm against its controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.drawing import tables
from pipeline.drawing.dots import Dot, Line, dots
from pipeline.drawing.svg import HELPED, HURT, UNDECIDED, Picture, label
from pipeline.drawing.tables import NOTHING, Cell, Report, Table
from pipeline.measuring.diagnosis.rules import against

TONES = {"better": HELPED, "worse": HURT}


def ledger(report: Report) -> Table:
    """A row an arm: new seconds, megabytes, points gained and general English lost against another.

    Where that is the first arm for all, those that gained most stand first.
    """
    measured = [("macro_recall", corpus) for corpus in tables.reviews(report)] + tables.retention_places(report)[:1]
    rates = {rung["arm"]: report["exchange"].get(rung["arm"]) for rung in report["ladder"]}
    rows = []
    for rung in _in_order(report):
        arm, spent = rung["arm"], report["cost"]["seconds"].get(rung["arm"])
        new = sum(entry["new"] for entry in spent.values()) if spent else None
        steps = [tables.find_verdict(report, "rung", arm, place, measure) for measure, place in measured]
        rows.append(
            (
                Cell(arm),
                Cell(", ".join(issues)) if (issues := against(rung["changes"])) else NOTHING,
                tables.number(new),
                tables.number(report["cost"]["model_megabytes"].get(arm), 1),
                *(_points(step) for step in steps),
                *([_rate(rates[arm])] if any(rates.values()) else []),
            )
        )
    columns = [
        "arm",
        "remedy for",
        "new work, s",
        "model, MB",
        *(_column(report, measure, place) for measure, place in measured),
    ]
    columns += ["general nats lost per informal nat gained, lower is better"] if any(rates.values()) else []
    note = f"Gained and kept are {tables.beside(report)}, on the same texts; what an earlier arm made costs nothing."
    if any(rates.values()):
        note += (
            f" The rate is of adaptation alone, in masked loss; where general {tables.english(report)} gained, too, the"
            " base was still learning it, and nothing was paid. For comparison, RoBERTa adapted to Amazon reviews paid"
            " 5.2 (Gururangan et al. 2020, table 12)."
        )
    return Table("Ledger of fixes", tuple(columns), tuple(rows), note)


def _in_order(report: Report) -> list[Mapping[str, Any]]:
    """The arms as the ledger has them: as the ladder does, or the first and then by what the others gained on it.

    Of an arm nothing is known where no corpus has texts enough: it comes last.
    """
    first, *others = report["ladder"]
    if report["beside"] == "above":
        return [first, *others]

    def gained(rung: Mapping[str, Any]) -> float:
        found = (tables.find_verdict(report, "rung", rung["arm"], corpus) for corpus in tables.reviews(report))
        known = [value for each in found if each and (value := each["difference"]["value"]) is not None]
        return sum(known) if known else -math.inf

    return [first, *sorted(others, key=gained, reverse=True)]


def _rate(found: Mapping[str, Any] | None) -> Cell:
    if found and found["lost"]["value"] < 0:
        said = "the base was still learning"
        return Cell(said, value="", beside={"remark": said})
    return tables.amount(found and found["rate"])


def pictures(report: Report) -> list[Picture]:
    """What every step gained on the reviews, and what it did to general English, in points."""
    sides = [("gained", "Gained on reviews by each step", "macro-recall, points (right is better)",
              [("macro_recall", corpus) for corpus in tables.reviews(report)]),
             ("kept", f"General {tables.english(report)}, by each step{tables.whose(report)}",
              "kept, points of the base (right is better)",
              tables.retention_places(report))]  # fmt: skip
    drawn = []
    for name, title, axis, places in sides:
        rows = [
            (label(f"{rung['arm']}, {place}" if len(places) > 1 else rung["arm"]), [_dot(report, step, rung["arm"])])
            for rung in report["ladder"]
            for measure, place in places
            if (step := tables.find_verdict(report, "rung", rung["arm"], place, measure))
        ]
        if rows:
            drawing = dots(rows, name=f"step-{name}", axis=axis, lines=[Line(0)])
            said = f"Points {tables.beside(report)}; green better, red worse, grey neither, or exploratory; 95%."
            drawn.append(Picture(f"step-{name}", title, said, drawing))
    return drawn


def _points(step: Mapping[str, Any] | None) -> Cell:
    if step is None or step["verdict"] == "unmeasured":
        return NOTHING
    apart = tables.change(step["difference"])
    found = step["verdict"]
    said = f"{tables.MARKS[found]} {apart.text}"
    return replace(apart, text=said, tone=found, beside={**apart.beside, "verdict": found})


def _column(report: Report, measure: str, place: str) -> str:
    if measure == "macro_recall":
        return f"gained on {place}, points of macro-recall"
    return f"general {tables.english(report)} kept, points ({tables.PLACES[measure]}){tables.whose(report)}"


def _dot(report: Report, step: Mapping[str, Any], arm: str) -> Dot:
    apart = step["difference"]
    word = tables.word(report, step)
    said = f"{arm} against {step['against']}: {tables.points(apart)} points on {step['place']}, {word}"
    return Dot(apart, said, TONES.get(step["verdict"], UNDECIDED))


def transfer(report: Report) -> Table:
    """A row for each control and corpus: both scores, the difference, the verdict, and what the control changes."""
    final, rows = report["final_arm"], []
    for control in report["controls"]:
        changes = tables.prose(f"{change['setting']} {tables.setting(change['to'])}" for change in control["changes"])
        for corpus in tables.reviews(report):
            found = next(rung["scores"][corpus]["macro_recall"] for rung in report["ladder"] if rung["arm"] == final)
            verdict = _verdict(report, control["arm"], corpus)
            rows.append(
                (
                    Cell(control["arm"]),
                    Cell(corpus),
                    tables.percent(control["scores"][corpus]["macro_recall"]),
                    tables.percent(found),
                    tables.on_one_line(tables.change(verdict["difference"])),
                    tables.verdict_cell(report, verdict),
                    Cell(changes),
                )
            )
    columns = ("control", "corpus", "its macro-recall, %", f"{final}, %", "difference, points", final, "it has")
    note = "Worse than without the source, or than with an unrelated one, is negative transfer (Wang et al. 2019)."
    return Table(
        f"{final} against its controls", columns, tuple(rows), note if rows else "", words=(1, 6), alone={5: "verdict"}
    )


def sentence(report: Report) -> str:
    """The verdicts against all controls in one line; empty without any."""
    said = [
        f"{tables.MARKS[verdict['verdict']]} {tables.word(report, verdict)} against {control['arm']}"
        f" ({tables.gained(verdict['difference'], corpus)})"
        for control in report["controls"]
        for corpus in tables.reviews(report)
        if (verdict := _verdict(report, control["arm"], corpus))
    ]
    return f"Negative transfer: {report['final_arm']} {tables.prose(said)}." if said else ""


def _verdict(report: Report, control: str, corpus: str) -> Mapping[str, Any]:
    found = tables.find_verdict(report, "control", report["final_arm"], corpus, other=control)
    assert found is not None, f"no verdict against {control} on {corpus}"  # each control is judged on each corpus
    return found
