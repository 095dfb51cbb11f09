"""Texts that are to be scored, from whatever file they come in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.text.rows import read_rows


def read_texts(source: str, column: str | None = None) -> list[str]:
    """The texts of a file in any format that cards know, as they stand there; of standard input, one a line, for ``-``.

    Without ``column``, the column ``text`` is taken, or the only one there is.

    Raises:
        InputError: no such file, not UTF-8, no such column, a row that cannot be read, or nothing in it.
    """
    if source == "-":
        texts = _lines(sys.stdin.buffer.read())
    else:
        place = f"input {source}"
        rows = read_rows(Path(source), place)
        texts = [_value(row, column, f"{place}, row {number}") for number, row in rows]
    if not texts:
        raise InputError(f"input {source}: no texts in it; write one a row")
    return texts


def _lines(content: bytes) -> list[str]:
    try:
        return content.decode("utf-8").removeprefix("\ufeff").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"input -: byte {error.start} is not UTF-8; convert the texts to UTF-8") from None


def _value(row: dict[str, Any], column: str | None, place: str) -> str:
    name = column or ("text" if "text" in row or len(row) != 1 else next(iter(row)))
    if name not in row:
        raise InputError(f"{place}: no column {name}; name one with --text-column, there are: {', '.join(row)}")
    return "" if row[name] is None else str(row[name])
