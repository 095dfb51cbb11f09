"""Files of new texts, read whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.corpora import new_texts


class Whole(NamedTuple):
    texts: list[str]
    columns: list[str]
    cells: list[list[str]]


def read_texts(source: str, column: str | Sequence[str] | None = None, sheet: str | None = None) -> Whole:
    found = new_texts.read_texts(source, column, sheet)
    rows = list(found.rows())
    assert len(rows) == found.count
    return Whole([text for text, _ in rows], found.columns, [cells for _, cells in rows])
