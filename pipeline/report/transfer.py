"""Negative transfer: the final arm against arms that lack what should have helped it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.drawing.tables import (
    MARKS,
    Cell,
    Report,
    Table,
    find_verdict,
    percent,
    points,
    prose,
    reviews,
    setting,
    verdict_cell,
)


def transfer(report: Report) -> Table:
    """A row for each control and corpus: both scores, the difference, the verdict, and what the control changes."""
    final, rows = report["final_arm"], []
    for control in report["controls"]:
        changes = prose(f"{change['setting']} {setting(change['to'])}" for change in control["changes"])
        for corpus in reviews(report):
            found = next(rung["scores"][corpus]["macro_recall"] for rung in report["ladder"] if rung["arm"] == final)
            verdict = _verdict(report, control["arm"], corpus)
            rows.append(
                (
                    Cell(control["arm"]),
                    Cell(corpus),
                    percent(control["scores"][corpus]["macro_recall"]),
                    percent(found),
                    Cell(points(verdict["difference"])),
                    verdict_cell(verdict),
                    Cell(changes),
                )
            )
    columns = ("control", "corpus", "its macro-recall, %", f"{final}, %", "difference, points", final, "it has")
    note = "Worse than without the source, or than with an unrelated one, is negative transfer (Wang et al. 2019)."
    return Table(f"{final} against its controls", columns, tuple(rows), note if rows else "", words=(1, 6))


def sentence(report: Report) -> str:
    """The verdicts against all controls in one line; empty without any."""
    said = [
        f"{MARKS[verdict['verdict']]} {verdict['verdict']} against {control['arm']}"
        f" ({points(verdict['difference'])} on {corpus})"
        for control in report["controls"]
        for corpus in reviews(report)
        if (verdict := _verdict(report, control["arm"], corpus))
    ]
    return f"Negative transfer: {report['final_arm']} {prose(said)}." if said else ""


def _verdict(report: Report, control: str, corpus: str) -> Mapping[str, Any]:
    about = (one for one in report["verdicts"] if one["against"] == control)
    found = find_verdict({"verdicts": list(about)}, "control", report["final_arm"], corpus)
    assert found is not None, f"no verdict against {control} on {corpus}"  # each control is judged on each corpus
    return found
