"""What was left out because it is asked in English, or in no language of the base: said, not shown as a gap."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.common.languages import ENGLISH, reads
from pipeline.drawing import tables
from pipeline.drawing.tables import Report


def left_out(report: Report) -> str:
    """One line for people; empty where all was asked."""
    found = "; ".join(_left_out(report))
    return f"Left out, for the language: {found}." if found else ""


def _left_out(report: Report) -> Iterator[str]:
    base = tuple(report["arms"][report["final_arm"]]["source"].get("language", ENGLISH))
    spoken = {name: tuple(told.get("language", ENGLISH)) for name, told in report["corpora"].items()}
    for name, told in report["corpora"].items():
        if told["role"] == "pairs" and not reads(base, spoken[name]):
            own, others = (" ".join(codes) for codes in (base, spoken[name]))
            yield f"the minimal pairs of {name}, which are in {others} (the base reads {own})"
    foreign = [name for name in tables.reviews(report) if not reads(spoken[name], ENGLISH)]
    if foreign or not reads(base, ENGLISH):
        yield "what an emoji means by itself and how the model behaves, which are asked in English"
    if foreign:
        yield f"negation among the kinds of texts of {tables.prose(foreign)}, which is found by English words"
