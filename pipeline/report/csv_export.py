"""Tables as CSV files, for spreadsheets: numbers are taken for numbers, and in no cell does a text run as a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pipeline.common.printable import printable
from pipeline.drawing.tables import NOTHING, Cell, Table, Value

NAME_CHARACTERS = 60
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that opens with one of these is code to spreadsheets (OWASP, CSV injection)."""


def write(contents: Any, folder: Path) -> list[str]:
    """Write each table that has rows, wherever it stands in ``contents``, as ``<its file>.csv``; return the names."""
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    for table in tables_in(contents):
        if table.rows:
            name = _name(table.file or table.title.partition(" (")[0])
            names.append(name if name not in names else f"{name}-{names.count(name) + len(names)}")
            columns = [column for place in range(len(table.columns)) for column in _columns(table, place)]
            with (folder / f"{names[-1]}.csv").open("w", encoding="utf-8", newline="") as stream:
                write_csv(stream, [[title for title, _ in columns]])
                write_csv(stream, zip(*(cells for _, cells in columns), strict=True))
    return names


def tables_in(contents: Any) -> Iterator[Table]:
    """Every table within lists and mappings, in their order."""
    if isinstance(contents, Table):
        yield contents
    elif isinstance(contents, (dict, list, tuple)):
        for part in contents.values() if isinstance(contents, dict) else contents:
            yield from tables_in(part)


def _columns(table: Table, place: int) -> list[tuple[str, list[str]]]:
    """A column of the table as one or more of the sheet: what it says, and what its cells have beside it."""
    title, cells = table.alone.get(place, table.columns[place]), [row[place] for row in table.rows]
    found: dict[str, list[Value]] = {title: [_said(cell) for cell in cells]}
    beside = [cell.beside or ({"remark": cell.detail} if cell.detail else {}) for cell in cells]
    for which in dict.fromkeys(name for names in beside for name in names):
        found[f"{title}: {which}"] = [names.get(which) for names in beside]
    return [(printable(name), [_text(value) for value in values]) for name, values in found.items()]


def _said(cell: Cell) -> Value:
    return None if cell.text == NOTHING.text else cell.text if cell.value is None else cell.value


def _text(value: Value) -> str:
    return "" if value is None else printable(str(value))


def _name(title: str) -> str:
    """Small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:NAME_CHARACTERS].strip("-") or "table"


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would run it. A number (``-1.5``) is none of those."""
    if not text.startswith(FORMULA_STARTS) or re.fullmatch(r"[+-]?\d+([.,]\d+)*(e[+-]?\d+)?", text, re.I):
        return text
    return f"'{text}"


def write_csv(stream: IO[str], rows: Iterable[Sequence[str]], separator: str = ",") -> int:
    """Write rows of texts, a header first if they have one, as CSV; return how many cells got an apostrophe."""
    plain, quoted = (
        csv.writer(stream, lineterminator="\n", delimiter=separator, quoting=how)
        for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    changed = 0
    for row in rows:
        safe = [safe_cell(cell) for cell in row]
        changed += sum(map(str.__ne__, row, safe))
        # The writer quotes what holds \n, but not a \r alone, which ends a row for readers.
        (quoted if any("\r" in cell for cell in safe) else plain).writerow(safe)
    return changed
