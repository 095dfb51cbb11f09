"""A picture for the page: a drawing, and what to read in it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.drawing.printable import printable
from pipeline.drawing.tables import Estimate, amount

LABEL_CHARACTERS = 24


@dataclass(frozen=True)
class Picture:
    """An SVG with what to read in it; ``name`` is its file's."""

    name: str
    title: str
    caption: str
    svg: str


def label(name: str) -> str:
    """A name that leaves room for the drawing."""
    shown = printable(name)
    return shown if len(shown) <= LABEL_CHARACTERS else shown[: LABEL_CHARACTERS - 1] + "…"


def told(figure: Estimate, *, digits: int = 1, factor: int = 100, unit: str = "%") -> str:
    """A figure in one line: ``72.5% (69.5–75.5), 300 items``."""
    cell = amount(figure, digits, factor)
    interval = f" ({cell.detail})" if cell.detail else ""
    return f"{cell.text}{unit}{interval}, {figure['n']:,} items"
