"""Rows of csv and tsv: the separator found out, a quote that swallows rows noticed, every row as long as the header."""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import InputError
from pipeline.corpora.card_files import Reading
from pipeline.corpora.lines import kind, lines

Row = tuple[int, dict[str, Any]]
"""Number of the row in its file (the first row of data is 1) and its values by column."""

SEPARATORS = ",;\t|^"
_LOG = logging.getLogger(__name__)
_LONGEST_FIELD = 1 << 30
_FEW = 12
_LOOKED_AT = 20_000
_MOST_COLUMNS = 10_000
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.I)
"""What Excel writes, and reads, before the header."""
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)* ?%?")

QUOTED: Mapping[str, Any] = {"quoting": csv.QUOTE_MINIMAL}
LETTERS: Mapping[str, Any] = {"quoting": csv.QUOTE_NONE}
ESCAPED: Mapping[str, Any] = {"quoting": csv.QUOTE_MINIMAL, "escapechar": "\\"}
"""Ways to read quotes: as quotes, doubled within a field; as letters like any other; as quotes, ``\\"`` within one."""
_BACKSLASH = re.compile(r'(\\["\\])|\\')


class _Table(NamedTuple):
    path: Path
    place: str
    reading: Reading
    max_bytes: int
    sep: str


class _Record(NamedTuple):
    number: int
    """As in ``Row``; 0 is the header."""
    begins: int
    """The line it begins in."""
    ends: int
    fields: list[str]


def delimited(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    """The rows of a table. Raises InputError as ``readers.read_rows`` does."""
    table = _table(path, place, reading, max_bytes)
    header: list[str] = []
    for record in _records(table, quoting(path, place, reading, max_bytes)):
        header = header or header_of(record.fields, table.reading, table.place)
        if record.number:
            yield record.number, dict(zip(header, _fitted(record, header, table), strict=True))


def separator(path: Path, place: str, reading: Reading, max_bytes: int) -> str:
    """The card's; what Excel's ``sep=`` line says; tab for tsv; else what cuts the first line into most fields."""
    first = next(_lines(path, place, reading, max_bytes), "")
    told = _SEP_LINE.fullmatch(first)
    if reading.sep or told:
        return reading.sep or (told[1] if told else "")
    if kind(path) == "tsv":
        return "\t"
    return max(SEPARATORS, key=lambda sep: len(next(csv.reader([first], delimiter=sep), [])))


def quoting(path: Path, place: str, reading: Reading, max_bytes: int) -> Mapping[str, Any]:
    """How quotes in a table are meant: a stray one, as a quote, would swallow rows up to the next one.

    Where nothing is said, quotes are quotes, unless a row is then broken or holds lines that are rows by themselves,
    and every row is whole where quotes stand behind backslashes, or every line is one where they are letters: that is
    warned of. Raises InputError where no reading is clean.
    """
    if reading.escapechar is not None:
        return ESCAPED
    if reading.quoting is not None:
        return LETTERS if reading.quoting == csv.QUOTE_NONE else QUOTED
    table = _table(path, place, reading, max_bytes)
    swallowing = _swallowing(table, QUOTED)
    marked = any('\\"' in line for line in _lines(*table[:4]))
    broken = marked and (swallowing or not _is_whole(table, QUOTED))
    if broken and _is_whole(table, ESCAPED) and not _swallowing(table, ESCAPED):
        _LOG.warning(f'{place}: \\" was read as a quote within a text; where quotes are doubled, rows would break')
        return ESCAPED
    if swallowing is None:
        return QUOTED
    within = f"lines {swallowing.begins} to {swallowing.ends}"
    header: list[str] = []
    ragged, quoted, rows = None, 0, 0
    for record in _records(table, LETTERS):
        header = header or header_of(record.fields, table.reading, table.place)
        rows += 1
        quoted += any(len(field) > 1 and field[0] == field[-1] == '"' for field in record.fields)
        if record.number and _is_ragged(record, header):
            ragged = ragged or record
    if 2 * quoted > rows:  # where most rows are quoted, a stray quote ends in an error, not in a longer row
        return QUOTED
    if ragged:
        advice = "; or say in the card which it is: `quoting: 0` or `quoting: 3`" if reading.of_card else ""
        raise InputError(
            f'{place}, row {swallowing.number} ({within}): a quote (") opens here that holds whole rows; and read '
            f"without quotes, row {ragged.number} (line {ragged.begins}) has {len(ragged.fields)} fields where the "
            f"header has {len(header)}; close or double the quote{advice}"
        )
    _LOG.warning(f'{place}: quotes (") were read as letters; as quotes, one would make one row of {within}')
    return LETTERS


def _is_whole(table: _Table, quoting: Mapping[str, Any]) -> bool:
    """Whether every row can be read, and is as long as the header."""
    header: list[str] = []
    try:
        for record in _records(table, quoting):
            header = header or header_of(record.fields, table.reading, table.place)
            if _is_ragged(record, header):
                return False
    except InputError:
        return False
    return True


def _table(path: Path, place: str, reading: Reading, max_bytes: int) -> _Table:
    csv.field_size_limit(_LONGEST_FIELD)
    return _Table(path, place, reading, max_bytes, separator(path, place, reading, max_bytes))


def _lines(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[str]:
    return lines(path, place, encoding=reading.encoding, max_bytes=max_bytes, advice=reading.otherwise)


def _records(table: _Table, quoting: Mapping[str, Any]) -> Iterator[_Record]:
    """Header and rows. An empty line is none, but an empty cell in a table of one column, where rows follow."""
    source = _lines(*table[:4])
    first = next(source, "")
    told = bool(_SEP_LINE.fullmatch(first))
    source = source if told else chain([first], source)
    if "escapechar" in quoting:  # a backslash before anything else is a letter
        source = (_BACKSLASH.sub(lambda match: match[1] or "\\\\", line) for line in source)
    parsed = csv.reader(source, delimiter=table.sep, strict=True, **quoting)
    number, begins = 0 if table.reading.header else 1, 1 + told
    width, after = 0, begins
    while True:
        try:
            fields = next(parsed, None)
        except csv.Error as error:
            raise InputError(f"{table.place}, row {number} (line {begins}): {_plain(error, table.reading)}") from None
        if fields is None:
            return
        ends = parsed.line_num + told
        if fields:
            width = width or len(fields)
            for line in range(after, begins) if width == 1 and number else ():
                yield _Record(number, line, line, [""])
                number += 1
            yield _Record(number, begins, ends, fields)
            number += 1
            after = ends + 1
        begins = ends + 1


def _swallowing(table: _Table, quoting: Mapping[str, Any]) -> _Record | None:
    """The first row of several lines of which one is a row by itself, as far as the table can be read."""

    def suspect(record: _Record) -> bool:
        spans = record.number and record.ends > record.begins
        return bool(spans) and any(_breaks(field) and table.sep in field for field in record.fields)

    try:
        if not sum(map(suspect, _records(table, quoting))):  # all of them: an error may come last
            return None
    except InputError:  # told when the rows are read
        return None
    width = len(next(_records(table, quoting)).fields)
    rows = (record.fields for record in islice(_records(table, quoting), _LOOKED_AT) if record.number)
    typed, source, at = _typed(rows, width), _lines(*table[:4]), 0
    for record in filter(suspect, _records(table, quoting)):
        own = list(islice(source, record.begins - 1 - at, record.ends - at))
        at = record.ends
        if _holds_rows(record, own, table.sep, width, typed):
            return record
    return None


def _typed(rows: Iterator[list[str]], width: int) -> Mapping[int, Callable[[str], Any]]:
    """Whether a cell can be one of its column, for each column that holds few values, or numbers alone."""
    values: list[Counter[str] | None] = [Counter() for _ in range(width)]
    numbers = [True] * width
    for fields in rows:
        for at, cell in enumerate(fields[:width]):
            numbers[at] = numbers[at] and (not cell or bool(_NUMBER.fullmatch(cell)))
            counted = values[at]
            if counted is not None:
                counted[cell] += 1
                values[at] = counted if len(counted) <= _FEW else None
    kinds: dict[int, Callable[[str], Any]] = {}
    for at, counted in enumerate(values):
        if counted and any(counted) and counted.total() >= 2 * len(counted):
            kinds[at] = frozenset(filter(None, counted)).__contains__
        elif numbers[at] and (counted is None or any(counted)):
            kinds[at] = _NUMBER.fullmatch
    return kinds


def _holds_rows(
    record: _Record, own: Sequence[str], sep: str, width: int, typed: Mapping[int, Callable[[str], Any]]
) -> bool:
    """Whether a line of a record is a row by itself: as long as the header, and of its columns' kind.

    What stands before the field that spans lines, and after it, says nothing: it is the same in both readings.
    """
    spans = [at for at, field in enumerate(record.fields) if _breaks(field)]
    cut = [next(csv.reader([line], delimiter=sep, quoting=csv.QUOTE_NONE), []) for line in own]
    for place, cells in enumerate(cut):
        first, last = place == 0, place == len(cut) - 1
        telling = [at for at in typed if not (first and at < spans[0]) and not (last and at > spans[-1])]
        if len(cells) == width and telling and all(typed[at](cells[at]) for at in telling):
            return True
    return not typed and all(len(cells) == width for cells in cut)


def _breaks(field: str) -> bool:
    return "\n" in field or "\r" in field


def _plain(error: csv.Error, reading: Reading) -> str:
    otherwise = ", or write `quoting: 3` beside data_files in the card" if reading.of_card else ""
    if "unexpected end of data" in str(error):
        return f'a quote (") opens here and is never closed; close it{otherwise}'
    if "expected after" in str(error):
        return f'a quote (") ends inside a field; double it (""){otherwise}'
    return f"{error}; repair the row"


def header_of(fields: Sequence[str], reading: Reading, place: str) -> list[str]:
    """The columns' names, of the first line's fields. Raises InputError where one stands twice."""
    if not reading.header:
        return [f"column {number}" for number in range(1, len(fields) + 1)]
    if len(fields) > _MOST_COLUMNS:
        raise InputError(f"{place}: {len(fields):,} columns in the first line; it must name each column once")
    header = [field.strip() for field in fields]
    if len(header) > 2 and not any(header[-2:]):  # columns that a spreadsheet once had
        header = header[: max(at for at, name in enumerate(header, start=1) if name or at == 1)]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{place}: column {twice[0]!r} stands twice in the first line; it must name each column once")
    return header


def _fitted(record: _Record, header: Sequence[str], table: _Table) -> list[str]:
    """The fields of a row, as many as the header has; empty ones beyond it are none."""
    if _is_ragged(record, header):
        raise InputError(
            f"{table.place}, row {record.number} (line {record.begins}): {len(record.fields)} fields where the "
            f"{'header' if table.reading.header else 'first row'} has {len(header)}; "
            f"{_way_out(record, header, table.sep)}"
        )
    return record.fields[: len(header)]


def _way_out(record: _Record, header: Sequence[str], sep: str) -> str:
    """What to do about a row of another length than the header's."""
    if any(re.match(r"\s+[\"']|'", field) for field in record.fields):
        return 'a field is quoted by ", with no blank before it'
    quote = f'quote (") a text that holds a {"tab" if sep == chr(9) else sep}'
    return f"{quote}; or take out what stands above the line that names the columns" if len(header) == 1 else quote


def _is_ragged(record: _Record, header: Sequence[str]) -> bool:
    return len(record.fields) < len(header) or any(record.fields[len(header) :])
