"""The report in a terminal's width: the ladder, the verdicts in words, and where the rest stands."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.common.labels import FLOORS
from pipeline.common.printable import printable
from pipeline.drawing import tables
from pipeline.drawing.tables import Report, Table
from pipeline.report import answers, languages

WIDTH = 100


def summary(report: Report) -> str:
    """Some thirty lines of plain text: a table for each review corpus, all in a sentence, the answers' headlines."""
    parts = [f"{report['name']}, recipe {report['recipe']}"]
    for corpus in tables.reviews(report):
        title = tables.ladder(report, corpus).title
        parts.append("\n".join([title, *aligned(_rows(report, corpus))]))
    parts += [textwrap.fill(said, WIDTH) for said in (answers.lead(report), languages.left_out(report)) if said]
    parts.append("\n".join(f"{answer.question} {answer.headline}" for answer in answers.answers(report)))
    return "\n\n".join("\n".join(printable(line) for line in part.split("\n")) for part in parts) + "\n"


def _rows(report: Report, corpus: str) -> list[Sequence[str]]:
    """Header, floors and arms: macro-recall, what was kept of the first measure of general English, the verdicts."""
    places = tables.retention_places(report)[:1]
    measured = [f"{tables.PLACES[measure]} kept, %{tables.whose(report)}" for measure, _ in places]
    beside = f"against the {FLOORS[tables.better_floor(report)]}"
    rows: list[Sequence[str]] = [("", "macro-recall, %", *measured, tables.beside(report), beside)]
    for name, title in FLOORS.items():
        score = tables.percent(report["floors"][name][corpus]["macro_recall"]).line
        rows.append((title, score, *[""] * len(places)))
    for rung in report["ladder"]:
        arm = rung["arm"]
        verdicts = (tables.find_verdict(report, question, arm, corpus) for question in ("rung", "floor"))
        rows.append(
            (
                arm,
                tables.percent(rung["scores"][corpus]["macro_recall"]).line,
                *(tables.percent(tables.kept(report, arm, *place)).line for place in places),
                *(tables.verdict_cell(report, verdict).text if verdict else "" for verdict in verdicts),
            )
        )
    return rows


def rung(scores: Mapping[str, Any], retention: Mapping[str, Any]) -> list[str]:
    """One run's line of the ladder for each review corpus, from its ``scores.json`` and ``retention.json``."""
    masked = retention["scores"]["base_to_tuned"]["masked"]
    kept = [f"general English kept (masked words) {tables.percent(of).line}" for of in [*masked.values()][:1]]
    lines = []
    for corpus, found in scores["corpora"].items():
        emoji = found["slices"]["emoji"]
        parts = [f"macro-recall {tables.percent(found['model']['macro_recall']).line}"]
        if emoji:
            parts.append(f"on {emoji['n']:,} emoji texts {tables.percent(emoji['macro_recall']).line}")
        name = f"{corpus}: " if len(scores["corpora"]) > 1 else ""
        lines.append(printable(f"{name}{', '.join([*parts, *kept])}, all in %"))
    return lines


def aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """The rows as lines with aligned columns."""
    widths = [max(len(row[place]) for row in rows if place < len(row)) for place in range(len(rows[0]) if rows else 0)]
    for row in rows:
        yield "  " + "   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)).rstrip()


def plain(shown: Sequence[Table]) -> str:
    """Tables for a terminal."""
    parts = []
    for table in shown:
        rows = [table.columns, *([cell.line for cell in row] for row in table.rows)] if table.rows else []
        parts.append([table.title, *aligned(rows), *([f"  {table.note}"] if table.note else [])])
    return "\n\n".join("\n".join(map(printable, part)) for part in parts)
