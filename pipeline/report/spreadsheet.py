"""Tables that people open in a spreadsheet: in none of their cells does a text run as a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import IO

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that opens with one of these is code to spreadsheets (OWASP, CSV injection)."""


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would run it. A number (``-1.5``) is none of those."""
    if not text.startswith(FORMULA_STARTS) or re.fullmatch(r"[+-]?\d+([.,]\d+)*(e[+-]?\d+)?", text, re.I):
        return text
    return f"'{text}"


def write_csv(stream: IO[str], header: Sequence[str], rows: Iterable[Sequence[str]], separator: str = ",") -> None:
    """Write a header and rows of texts as CSV."""
    table = csv.writer(stream, lineterminator="\n", delimiter=separator)
    table.writerows([safe_cell(cell) for cell in row] for row in chain([header], rows))
