"""The troubleshooter's findings as the page tells them: what the matter is, how one can tell, what to type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.drawing.tables import Cell, Report, Table

NOTHING_FOUND = "nothing found"
SHOWN = 3


def found(report: Report) -> list[Mapping[str, Any]]:
    """What the final arm has, the gravest first, at most three; nothing found is a finding, too."""
    mine = [each for each in report["diagnosis"] if each["arm"] == report["final_arm"]]
    return mine[:SHOWN]


def of_others(report: Report) -> Table:
    """Every finding of every arm."""
    rows = tuple(
        (
            Cell(each["arm"]),
            Cell(each["issue"]),
            Cell("; ".join(each["evidence"])),
            Cell("" if each["issue"] == NOTHING_FOUND else each["command"]),
            Cell(each["source"]),
        )
        for each in report["diagnosis"]
    )
    columns = ("arm", "issue", "evidence", "type next", "source")
    return Table("What troubles every arm", columns, rows, words=(1, 2, 3, 4))
