"""A table a behaviour, a row an arm."""

from __future__ import annotations

from pipeline.drawing.tables import Cell, Report, Table, percent, whose
from pipeline.measuring.behaviour.asked import Behaviour
from pipeline.measuring.behaviour.known import BEHAVIOURS


def tables(report: Report) -> list[Table]:
    """Those of which something was asked."""
    shown = [_table(report, name, one) for name, one in BEHAVIOURS.items()]
    return [table for table in shown if table.rows]


def _table(report: Report, name: str, one: Behaviour) -> Table:
    asked = {arm: told["shares"].get(name) for arm, told in report["behaviour"].items() if told}
    rows = tuple(
        (Cell(arm), *(percent(found.get(figure)) for figure in one.figures)) for arm, found in asked.items() if found
    )
    return Table(f"{one.title}{whose(report)}", ("arm", *one.figures.values()), rows, one.note)
