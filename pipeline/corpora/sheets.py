"""Rows of Excel workbooks, read by openpyxl (extra ``excel``): no formula is worked out, no link followed.

A cell holds what Excel showed when it last saved: the result of a formula, a number as a number, a date as ISO 8601.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from pipeline.common.errors import InputError
from pipeline.common.extras import need
from pipeline.corpora.card_files import Reading
from pipeline.corpora.cells import as_written
from pipeline.corpora.lines import OPENERS, refuse_foreign, unpacked
from pipeline.corpora.tables import Row, header_of

_LINE_END = "_x000D_"
"""What Excel writes for the first half of ``\\r\\n``."""


def sheet_rows(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    """The rows of a workbook's one sheet that has any, or of the card's ``sheet``; empty ones are left out.

    Raises InputError as ``readers.read_rows`` does, and where several sheets have rows and no card says which counts.
    """
    with _workbook(path, place, max_bytes) as book:
        if (name := _sheet(book, place, reading)) is None:
            return
        header: list[str] = []
        number = 0 if reading.header else 1
        for at, cells in enumerate(_records(book, name), start=1):
            if not any(cell is not None for cell in cells):
                continue
            header = header or header_of([as_written(_value(cell)) for cell in cells], reading, place)
            if any(cell is not None for cell in cells[len(header) :]):
                raise InputError(
                    f"{place}, row {number} (line {at} of sheet {name}): more cells than the {len(header)} of the "
                    f"{'header' if reading.header else 'first row'}; name each column in the first line"
                )
            if number:
                row = [_value(cell) for cell in cells[: len(header)]]
                yield number, dict(zip(header, row + [None] * (len(header) - len(row)), strict=True))
            number += 1


def sheet_names(path: Path, place: str, max_bytes: int) -> list[str]:
    """The sheets of a workbook that have rows, those that have most of them first."""
    with _workbook(path, place, max_bytes) as book:
        rows = {str(sheet.title): _size(book, sheet.title) for sheet in book.worksheets}
    return sorted(filter(rows.get, rows), key=lambda name: -rows[name])


def _sheet(book: Any, place: str, reading: Reading) -> str | None:
    """The one to read; None where none has rows (a workbook may hold nothing but a chart)."""
    names = [str(sheet.title) for sheet in book.worksheets if _size(book, sheet.title, most=1)]
    if reading.sheet is not None:
        if reading.sheet not in names:
            raise InputError(f"{place}: no sheet {reading.sheet!r} with rows; there are {', '.join(names) or 'none'}")
        return reading.sheet
    if len(names) > 1:
        way = f"write `sheet: {names[0]}` beside data_files in the card" if reading.of_card else "name one with --sheet"
        raise InputError(f"{place}: {len(names)} sheets have rows ({', '.join(names)}); {way}")
    return names[0] if names else None


def _size(book: Any, name: str, most: int | None = None) -> int:
    """How many rows a sheet has that hold anything, counted no further than ``most``."""
    found = 0
    for cells in _records(book, name):
        found += any(cell is not None for cell in cells)
        if found == most:
            break
    return found


def _records(book: Any, name: str) -> Iterator[tuple[Any, ...]]:
    sheet = book[name]
    sheet.reset_dimensions()  # what a file says of its own size may be a lie
    yield from sheet.iter_rows(values_only=True)


@contextmanager
def _workbook(path: Path, place: str, max_bytes: int) -> Iterator[Any]:
    need("excel", "openpyxl", who=place, instead="save the sheet as CSV UTF-8")
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    packed = path.suffix.lower() in OPENERS
    try:
        source = io.BytesIO(unpacked(path, place, max_bytes=max_bytes)) if packed else path.open("rb")
        with source:
            if not (first := source.read(512)).startswith(b"PK\x03\x04"):
                refuse_foreign(first, place)
                raise InputError(f"{place}: no Excel workbook, whatever its name; let it end in what it is")
            source.seek(0)
            with ZipFile(source) as parts:
                size = sum(part.file_size for part in parts.infolist())
            if size > max_bytes:
                raise InputError(f"{place}: unpacks to {size:,} bytes; split it, or raise max_file_bytes")
            source.seek(0)
            book = load_workbook(source, read_only=True, data_only=True, keep_links=False)
            try:
                yield book
            finally:
                book.close()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises whatever it trips over where a part is damaged, missing or locked
        told = str(error).splitlines()
        raise InputError(
            f"{place}: no readable workbook ({told[0] if told else type(error).__name__}); open it in Excel and save "
            "the sheet as CSV UTF-8"
        ) from None


def _value(cell: Any) -> Any:
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, str):
        return cell.replace(f"{_LINE_END}\n", "\n").replace(_LINE_END, "\n")
    return cell
