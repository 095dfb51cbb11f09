"""A model that was tuned on: what it forgot of old reviews, what it won on new ones, against itself before."""

from __future__ import annotations

from pipeline.drawing import tables
from pipeline.drawing.tables import MARKS, NOTHING, Cell, Report, Table


def table(report: Report) -> Table:
    """A row an arm and corpus: macro-recall before and after, the verdict; of several old corpora the mean."""
    first, rows = report["ladder"][0], []
    for rung in report["ladder"][1:]:
        told = report["backward"].get(rung["arm"])
        for corpus in tables.reviews(report) if told else ():
            read = f"{told['texts']:,} of its texts learnt again" if corpus in told["old"][:1] else ""
            before, after = (tables.percent(one["scores"][corpus]["macro_recall"]) for one in (first, rung))
            verdict = tables.verdict_cell(report, tables.find_verdict(report, "overall", rung["arm"], corpus))
            kind = "old" if corpus in told["old"] else "new"
            rows.append((Cell(rung["arm"], read), Cell(corpus), Cell(kind), before, after, verdict))
        if told and len(told["old"]) > 1:
            mean = Cell(tables.points(told["change"]))
            rows.append((Cell(rung["arm"]), Cell("mean of the old ones"), Cell("old"), NOTHING, NOTHING, mean))
    columns = ("arm", "reviews", "", f"{first['arm']}: macro-recall, %", "after, %", "difference, points")
    note = (
        "On old reviews the difference is backward transfer, below 0 forgetting (Lopez-Paz & Ranzato 2017). "
        f"General {tables.english(report)} kept is of what {first['arm']} knew. {_seen(report, first['arm'])}"
    )
    return Table("Old reviews and new ones", columns, tuple(rows), note if rows else "")


def _seen(report: Report, arm: str) -> str:
    """How far the test texts are new to the model that was gone on from."""
    seen = report["arms"][arm]["source"].get("classifier", {}).get("seen")
    if seen is None:
        return "What it had been tuned on is not at hand: test texts that were among it flatter it."
    told = (f"{found['tuned_on']:,} of {found['test']:,} on {corpus}" for corpus, found in seen.items())
    return f"Of the test texts it had been tuned on {tables.prose(told)}."


def sentence(report: Report) -> str:
    """What each arm that goes on did to old reviews, in one line; empty without any."""
    said = []
    for arm, told in report["backward"].items():
        for corpus in told["old"]:
            verdict = tables.find_verdict(report, "overall", arm, corpus)
            if verdict:
                word = f"{MARKS[verdict['verdict']]} {tables.word(report, verdict)}"
                said.append(f"{arm} {word} ({tables.gained(verdict['difference'], corpus)})")
    return f"Old reviews, against {report['ladder'][0]['arm']}: {tables.prose(said)}." if said else ""
