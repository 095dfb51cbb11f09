"""Texts that are to be scored, from whatever file they come in, with the columns that stand beside them."""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import InputError
from pipeline.common.labels import LABEL_TO_ID, LABELS
from pipeline.corpora.card_files import Reading
from pipeline.corpora.cards import Card
from pipeline.corpora.cells import as_text, as_written, label_as_written
from pipeline.corpora.guessing import looks_headless
from pipeline.corpora.lines import MAX_FILE_BYTES, kind, lines_of
from pipeline.corpora.readers import FORMATS, looks_like_table, read_rows
from pipeline.text.cleaning import normalise

_LOG = logging.getLogger(__name__)


class NewTexts(NamedTuple):
    """The rows of a file in its order: the text of each, and every column as it stands there."""

    texts: list[str]
    columns: list[str]
    cells: list[list[str]]
    """Of each row, in the order of ``columns``; a value that is missing is empty."""


def read_texts(source: str, column: str | None = None, sheet: str | None = None) -> NewTexts:
    """Read a file in any format that cards know, or standard input, a text a line, for ``-``.

    Without ``column``, the texts are in the column ``text``, or the only one there is; without ``sheet``, of a workbook
    in the only one that has rows.

    Raises:
        InputError: no such file, not UTF-8, no such column in a row, a value that is no text, or nothing in it.
    """
    place = f"input {source}"
    if source == "-":
        given = lines_of(sys.stdin.buffer, Path(source), place, max_bytes=MAX_FILE_BYTES)
        rows = [(number, {"text": line.rstrip("\r\n")}) for number, line in enumerate(given, start=1)]
    else:
        rows = list(read_rows(Path(source), place, Reading(sheet=sheet)))
    if not rows:
        raise InputError(f"{place}: no texts in it; write one a row")
    first = rows[0][1]
    if source != "-":
        _check_first_line(Path(source), place, [values for _, values in rows], column)
    wanted = column or ("text" if "text" in first or len(first) != 1 else next(iter(first)))
    texts = [_text(row, wanted, f"{place}, row {number}") for number, row in rows]
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    names = [as_written(name) for name in columns]
    return NewTexts(texts, names, [[as_written(row.get(name)) for name in columns] for _, row in rows])


def read_labelled(
    source: str,
    column: str | None = None,
    labels: str | None = None,
    sheet: str | None = None,
    card: Card | None = None,
    clean: Callable[[str], str] = normalise,
) -> list[tuple[str, int]]:
    """The texts of a file, cleaned, with their class ids; rows that lack either are left out, with a warning.

    Args:
        labels: the column that holds them, by default as the card calls it, or ``label``.
        card: what says which labels mean what; without it they are class names.
        clean: how the model's texts are cleaned.

    Raises:
        InputError: as ``read_texts``; no such column of labels, or labels that belong to no class.
    """
    given = read_texts(source, column or (card.columns["text"] if card else None), sheet)
    name = labels or (card.columns["label"] if card else "label")
    if name not in given.columns:
        raise InputError(
            f"input {source}: no column {name} with labels; name one with --label-column, there are: "
            f"{', '.join(given.columns)}"
        )
    place, found, strange = given.columns.index(name), [], Counter[str]()
    dropped = 0
    for raw, cells in zip(given.texts, given.cells, strict=True):
        text, label = clean(raw), _label(cells[place])
        try:
            meant = (card.class_of(label) if card else LABEL_TO_ID[label.casefold()]) if text and label else None
        except KeyError:
            strange[label] += 1
            continue
        dropped += meant is None
        if meant is not None:
            found.append((text, meant))
    if strange:
        shown = ", ".join(f"{label} ({count:,})" for label, count in strange.most_common(5))
        advice = (
            "add them to the card" if card else f"write {', '.join(LABELS)}, or name a card that says what they mean"
        )
        raise InputError(f"input {source}, column {name}: labels that belong to no class: {shown}; {advice}")
    if dropped:
        _LOG.warning("input %s: %s rows without a text or a label were left out", source, f"{dropped:,}")
    return found


def _label(cell: str) -> str:
    """A label as a card would write it: a whole number as one, also where the file stored ``5.0``."""
    return re.sub(r"^(-?\d+)\.0$", r"\1", label_as_written(cell))


def _check_first_line(file: Path, place: str, rows: list[dict[str, Any]], column: str | None) -> None:
    """Refuse a table whose first line would be lost as names, and one that would be read as lines."""
    names = list(rows[0])
    if FORMATS[kind(file)].headed and looks_headless(names, rows):
        looks = f"{place}: its first line ({' | '.join(names)[:60]}) looks like a row, not like names of columns"
        if column is None and "text" not in names:
            raise InputError(f"{looks}; write names above it, or name the column with --text-column if they are names")
        if (column or "text") in names:
            _LOG.warning(f"{looks}; it was taken for them, and gets no label")
    if kind(file) in {"txt", "raw"} and looks_like_table(file, place):
        raise InputError(f"{place}: every line has as many tabs, so it is a table; let its name end in .tsv")


def _text(row: dict[str, Any], column: str, place: str) -> str:
    if column not in row:
        raise InputError(f"{place}: no column {column}; name one with --text-column, there are: {', '.join(row)}")
    return as_text(row[column], place)
