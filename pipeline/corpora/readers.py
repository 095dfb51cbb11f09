"""Reading rows from csv, tsv, txt, json, jsonl and parquet files, every value as it was written.

Nothing is guessed about values (``NA``, ``null`` and ``007`` are texts), and nothing is skipped: what cannot be read
ends in an error with the number of the row.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.corpora.cards import Reading
from pipeline.corpora.data_files import ARCHIVES, kind, lines, unpacked

Row = tuple[int, dict[str, Any]]
"""Number of the row in its file (the first row of data is 1) and its values by column."""

MAX_FILE_BYTES = 4 << 30
_LONGEST_FIELD = 1 << 30
PLAIN = Reading()


def read_rows(path: Path, place: str, reading: Reading = PLAIN, max_bytes: int = MAX_FILE_BYTES) -> Iterator[Row]:
    """Yield the rows of one file; ``place`` names it in errors.

    Raises InputError for an unknown format, a damaged file, more than ``max_bytes`` unpacked, and any row that cannot
    be read as it stands.
    """
    reader = _READERS.get(kind(path))
    if {suffix.lower() for suffix in path.suffixes} & ARCHIVES:
        raise InputError(f"{place}: archives are not opened; unpack it and name the file inside")
    if reader is None:
        known = ", ".join(_READERS)
        raise InputError(f"{place}: no format is known by the name {path.name}; there are {known}, plain or .gz")
    return reader(path, place, reading, max_bytes)


def _lines(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[str]:
    otherwise = (
        ", or write `encoding: latin-1` (or what it is) beside data_files in the card" if reading.of_card else ""
    )
    return lines(path, place, encoding=reading.encoding, max_bytes=max_bytes, advice=otherwise)


def _delimited(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    source = _lines(path, place, reading, max_bytes)
    first = next(source, "")
    sep = reading.sep or separator(path, first)
    table = csv.reader(_chained(first, source), delimiter=sep, quoting=_quoting(reading), strict=True)
    header: list[str] = []
    number, begins = 0, 1
    while True:
        try:
            fields = next(table, None)
        except csv.Error as error:
            raise InputError(f"{place}, row {number + 1} (line {begins}): {_plain(error, reading)}") from None
        if fields is None:
            return
        if not header:
            header = _header(fields, place)
        elif fields:
            number += 1
            if len(fields) != len(header):
                raise InputError(
                    f"{place}, row {number} (line {begins}): {len(fields)} fields where the header has {len(header)}; "
                    f"quote a text that holds a {'tab' if sep == chr(9) else sep}"
                )
            yield number, dict(zip(header, fields, strict=True))
        begins = table.line_num + 1


def _quoting(reading: Reading) -> Any:
    return csv.QUOTE_NONE if reading.quoting == csv.QUOTE_NONE else csv.QUOTE_MINIMAL


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def separator(path: Path, header: str) -> str:
    """Tab for tsv; for csv the one of comma, semicolon and tab that cuts the header line into most columns."""
    if kind(path) == "tsv":
        return "\t"
    return max(",;\t", key=lambda sep: len(next(csv.reader([header], delimiter=sep), [])))


def _plain(error: csv.Error, reading: Reading) -> str:
    otherwise = ", or write `quoting: 3` beside data_files in the card" if reading.of_card else ""
    if "unexpected end of data" in str(error):
        return f'a quote (") opens here and is never closed; close it{otherwise}'
    if "expected after" in str(error):
        return f'a quote (") ends inside a field; double it (""){otherwise}'
    return f"{error}; repair the row"


def _header(fields: Sequence[str], place: str) -> list[str]:
    header = [field.strip() for field in fields]
    twice = sorted({name for name in header if header.count(name) > 1}) if len(header) <= 10_000 else []
    if twice or len(header) > 10_000:
        problem = f"column {twice[0]!r} stands twice" if twice else f"{len(header):,} columns"
        raise InputError(f"{place}: {problem} in the first line; it must name each column once")
    return header


def _plain_lines(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    for number, line in enumerate(_lines(path, place, reading, max_bytes), start=1):
        yield number, {"text": line.rstrip("\r\n")}


def _json_lines(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    number = 0
    for at, line in enumerate(_lines(path, place, reading, max_bytes), start=1):
        if line.strip():
            number += 1
            yield number, _object(_parsed(line, f"{place}, row {number} (line {at})"), f"{place}, row {number}")


def _json_whole(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    text = "".join(_lines(path, place, reading, max_bytes))
    if not text.lstrip().startswith("[") and reading.field is None:
        yield from _json_lines(path, place, reading, max_bytes)
        return
    found = _parsed(text, place)
    if reading.field is not None:
        found = found.get(reading.field) if isinstance(found, dict) else None
    if not isinstance(found, list):
        raise InputError(f"{place}: no list of rows; write [{{...}}, ...] or one object a line, or name the `field`")
    for number, row in enumerate(found, start=1):
        yield number, _object(row, f"{place}, row {number}")


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f", line {error.lineno}" if text.count("\n", 0, -1) else ""
        raise InputError(f"{place}{at}: no valid JSON ({error.msg}); repair it") from None
    except (RecursionError, ValueError):
        raise InputError(f"{place}: JSON nested too deep or a number too long; repair it") from None


def _object(row: Any, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InputError(f"{place}: no JSON object; write {{column: value, ...}}")
    return row


def _parquet(path: Path, place: str, _: Reading, max_bytes: int) -> Iterator[Row]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    compressed = path.suffix.lower() != ".parquet"
    try:
        table = pq.ParquetFile(io.BytesIO(unpacked(path, place, max_bytes=max_bytes)) if compressed else path)
        if (
            size := sum(table.metadata.row_group(at).total_byte_size for at in range(table.num_row_groups))
        ) > max_bytes:
            raise InputError(f"{place}: unpacks to {size:,} bytes; split it, or raise max_file_bytes")
        number = 0
        for batch in table.iter_batches(batch_size=4096):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: no readable parquet ({str(error).splitlines()[0]}); fetch it again") from None


_READERS: dict[str, Callable[[Path, str, Reading, int], Iterator[Row]]] = {
    "csv": _delimited,
    "tsv": _delimited,
    "txt": _plain_lines,
    "raw": _plain_lines,
    "json": _json_whole,
    "jsonl": _json_lines,
    "parquet": _parquet,
}
