"""Texts that are to be scored, from whatever file they come in, with the columns that stand beside them.

A file is looked through once, so that whatever is wrong with it is told before any work, and then read again in chunks:
memory does not grow with its rows (but for a ``.json`` that is one list, and a workbook's table of strings).
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.files import digest, sha256
from pipeline.common.labels import LABEL_TO_ID, LABELS
from pipeline.common.printable import many
from pipeline.corpora.card_files import Reading
from pipeline.corpora.cards import Card
from pipeline.corpora.cells import as_written, joined, label_as_written
from pipeline.corpora.guessing import LOOKED_AT, looks_headless
from pipeline.corpora.lines import MAX_FILE_BYTES, kind, lines_of
from pipeline.corpora.readers import FORMATS, looks_like_table, read_rows
from pipeline.corpora.tables import Row, delimited, quoting, separator
from pipeline.text.cleaning import normalise

CHUNK_ROWS, CHUNK_CHARACTERS = 1024, 1 << 24
"""A chunk ends with the row that reaches either: long enough to hold many texts of one length."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewTexts:
    """The rows of a file, in its order, as often as they are wanted."""

    columns: list[str]
    count: int
    """Of rows."""
    identity: Callable[[], str]
    """Digest of what is read: the file, and which texts of it."""
    rows: Callable[[], Iterator[tuple[str, list[str]]]]
    """The text of each, and every column as it stands there, in the order of ``columns``; a missing value is empty."""
    separator: str = ","
    """What stands between the fields of a .csv; of any other file, a comma."""

    def chunks(self, after: int = 0) -> Iterator[list[tuple[str, list[str]]]]:
        """The rows beyond the first ``after``, some thousands at a time."""
        some, size = [], 0
        for row in islice(self.rows(), after, None):
            some.append(row)
            size += sum(map(len, row[1]))
            if len(some) == CHUNK_ROWS or size >= CHUNK_CHARACTERS:
                yield some
                some, size = [], 0
        if some:
            yield some


def read_texts(source: str, column: str | Sequence[str] | None = None, sheet: str | None = None) -> NewTexts:
    """Look through a file in any format that cards know, or standard input, a text a line, for ``-``.

    Several columns are read as one text, as a card does. Without ``column``, the texts are in the column ``text``, or
    the only one there is; without ``sheet``, of a workbook in the only one that has rows.

    Raises:
        InputError: no such file, not UTF-8, no such column in a row, a value that is no text, or nothing in it.
    """
    place, column = f"input {source}", [column] if isinstance(column, str) else column
    rows, content = _of_input(place) if source == "-" else _of_file(Path(source), place, sheet)
    columns: dict[str, None] = {}
    sample: list[dict[str, Any]] = []
    wanted: Sequence[str] = ()
    count, names, refused = 0, [], None
    for number, row in rows():
        if not count:
            names = list(row)
            wanted = column or ["text" if "text" in row or len(row) != 1 else names[0]]
        count += 1
        if count <= LOOKED_AT or list(row.values()) == names:  # a header that stands again further down tells, too
            sample.append(row)
        columns |= dict.fromkeys(row)
        try:
            _text(row, wanted, f"{place}, row {number}")
        except InputError as told:
            refused = refused or told
    if not count:
        raise InputError(f"{place}: no texts in it; write one a row")
    if source != "-":
        _check_first_line(Path(source), place, sample, column)  # it explains a column that is missed
    if refused:
        raise refused

    def texts() -> Iterator[tuple[str, list[str]]]:
        for number, row in rows():
            yield _text(row, wanted, f"{place}, row {number}"), [as_written(row.get(name)) for name in columns]

    headed = [as_written(name) for name in columns]
    separated = separator(Path(source), place, Reading(), MAX_FILE_BYTES) if kind(Path(source)) == "csv" else ","
    return NewTexts(headed, count, lambda: digest([content(), list(wanted), sheet]), texts, separated)


Rows = Callable[[], Iterable[Row]]
Content = Callable[[], str]
"""Digest of what a file holds."""


def _of_file(file: Path, place: str, sheet: str | None) -> tuple[Rows, Content]:
    reading = Reading(sheet=sheet)
    read_rows(file, place, reading)  # refuses what it does not know
    if FORMATS[kind(file)].rows is delimited:  # found out, and warned of, once
        found = quoting(file, place, reading, MAX_FILE_BYTES)
        reading = Reading(sheet=sheet, quoting=found["quoting"], escapechar=found.get("escapechar"))
    return partial(read_rows, file, place, reading), partial(sha256, file)


def _of_input(place: str) -> tuple[Rows, Content]:
    """Standard input, which can be read once, laid down where it can be read again."""
    spool = TemporaryFile()  # noqa: SIM115  open as long as somebody may read it
    shutil.copyfileobj(sys.stdin.buffer, spool)

    def rows() -> Iterator[Row]:
        spool.seek(0)
        given = lines_of(spool, Path("-"), place, max_bytes=MAX_FILE_BYTES)
        return ((number, {"text": line.rstrip("\r\n")}) for number, line in enumerate(given, start=1))

    def content() -> str:
        spool.seek(0)
        return hashlib.file_digest(spool, "sha256").hexdigest()

    return rows, content


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
        InputError: as ``read_texts``; a card without labels, no such column of them, or some that belong to no class.
    """
    if card and card.role != "reviews":
        raise InputError(f"card {card.name}: role {card.role} has no labels; name with --card one of role reviews")
    given = read_texts(source, column or (card.columns["text"] if card else None), sheet)
    name = labels or str(card.columns["label"] if card else "label")
    if name not in given.columns:
        raise InputError(
            f"input {source}: no column {name} with labels; name one with --label-column, there are: "
            f"{', '.join(given.columns)}"
        )
    place, found, strange = given.columns.index(name), [], Counter[str]()
    dropped = 0
    for raw, cells in given.rows():
        text, label = clean(raw), label_as_written(cells[place])
        try:
            meant = _class(label, card) if text and label else None
        except KeyError:
            strange[label] += 1
            continue
        dropped += meant is None
        if meant is not None:
            found.append((text, meant))
    if strange:
        shown = ", ".join(f"{label} ({count:,})" for label, count in strange.most_common(5))
        advice = (
            "add them to the card"
            if card
            else f"write {', '.join(LABELS)}, or name with --card one that says what they mean"
        )
        raise InputError(f"input {source}, column {name}: labels that belong to no class: {shown}; {advice}")
    if dropped:
        _LOG.warning("input %s: %s left out for want of a text or a label", source, many(dropped, "row"))
    return found


def _class(label: str, card: Card | None) -> int | None:
    """The class of a label as it stands there; or else of the whole number that it is: a ``5.0`` may be a card's 5.

    None where the card says to drop it. Raises KeyError where neither belongs anywhere.
    """
    if card is None:
        return LABEL_TO_ID[label.casefold()]
    try:
        return card.class_of(label)
    except KeyError:
        return card.class_of(re.sub(r"^(-?\d+)\.0$", r"\1", label))


def _check_first_line(file: Path, place: str, rows: list[dict[str, Any]], column: Sequence[str] | None) -> None:
    """Refuse a table whose first line would be lost as names, and one that would be read as lines."""
    names = list(rows[0])
    if FORMATS[kind(file)].headed and looks_headless(names, rows):
        looks = f"{place}: its first line ({' | '.join(names)[:60]}) looks like a row, not like names of columns"
        if column is None and "text" not in names:
            raise InputError(f"{looks}; write names above it, or name the column with --text-column if they are names")
        if set(column or ["text"]) & set(names):
            _LOG.warning(f"{looks}; it was taken for them, and gets no label")
    if kind(file) in {"txt", "raw"} and looks_like_table(file, place):
        raise InputError(f"{place}: every line has as many tabs, so it is a table; let its name end in .tsv")


def _text(row: dict[str, Any], columns: Sequence[str], place: str) -> str:
    for name in columns:
        if name not in row:
            raise InputError(f"{place}: no column {name}; name one with --text-column, there are: {', '.join(row)}")
    return joined(row, columns if len(columns) > 1 else columns[0], place)
