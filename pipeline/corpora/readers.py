"""Reading rows from files of many formats (``FORMATS``), every value as it was written.

Nothing is guessed about values (``NA``, ``null`` and ``007`` are texts), and nothing is skipped: what cannot be read
ends in an error with the number of the row. Files may be compressed; never more is unpacked than was allowed for.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import zstandard

from pipeline.common.errors import InputError
from pipeline.corpora.cards import Reading

Row = tuple[int, dict[str, Any]]
"""Number of the row in its file (the first row of data is 1) and its values by column."""

MAX_FILE_BYTES = 4 << 30
_LONGEST_FIELD = 1 << 30
_MOST_DECODED = 1 << 28
PLAIN = Reading()
OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": lambda path, mode: io.BufferedReader(zstandard.open(path, mode)),
}
ARCHIVES = {".zip", ".tar", ".tgz", ".7z", ".rar"}


def read_rows(path: Path, place: str, reading: Reading = PLAIN, max_bytes: int = MAX_FILE_BYTES) -> Iterator[Row]:
    """Yield the rows of one file; ``place`` names it in errors.

    Raises InputError for an unknown format, a damaged file, more than ``max_bytes`` unpacked, and any row that cannot
    be read as it stands.
    """
    known = FORMATS.get(kind(path))
    if {suffix.lower() for suffix in path.suffixes} & ARCHIVES:
        raise InputError(f"{place}: archives are not opened; unpack it and name the file inside")
    if known is None:
        raise InputError(f"{place}: no format is known by the name {path.name}; there are {formats()}")
    return known.rows(path, place, reading, max_bytes)


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
    quoting: Any = csv.QUOTE_NONE if reading.quoting == csv.QUOTE_NONE else csv.QUOTE_MINIMAL
    table = csv.reader(chain([first], source), delimiter=sep, quoting=quoting, strict=True)
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
        source = io.BytesIO(unpacked(path, place, max_bytes=max_bytes)) if compressed else path
        texts = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
        names = [field.name for field in pq.read_schema(source) if field.type in texts]
        table = pq.ParquetFile(source, read_dictionary=names)
        if (
            size := sum(table.metadata.row_group(at).total_byte_size for at in range(table.num_row_groups))
        ) > max_bytes:
            raise InputError(f"{place}: unpacks to {size:,} bytes; split it, or raise max_file_bytes")
        number = decoded = 0
        for batch in table.iter_batches(batch_size=4096):
            few = max(1, _MOST_DECODED // max(1, batch.nbytes))  # rows: each may be as long as all that is packed
            for at in range(0, len(batch), few):
                rows = batch.slice(at, few).to_pylist()
                decoded += sum(len(value) for row in rows for value in row.values() if isinstance(value, (str, bytes)))
                if decoded > max_bytes:
                    raise InputError(
                        f"{place}: unpacks to more than {max_bytes:,} bytes; split it, or raise max_file_bytes"
                    )
                yield from enumerate(rows, start=number + 1)
                number += len(rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: no readable parquet ({str(error).splitlines()[0]}); fetch it again") from None


class Format(NamedTuple):
    """How rows are read, given a file, its name in errors, the card's options, and the bytes it may unpack to."""

    rows: Callable[[Path, str, Reading, int], Iterator[Row]]
    encoded: bool = True
    """Whether it is text, in an encoding that a card may name."""


FORMATS = {
    "csv": Format(_delimited),
    "tsv": Format(_delimited),
    "txt": Format(_plain_lines),
    "raw": Format(_plain_lines),
    "json": Format(_json_whole),
    "jsonl": Format(_json_lines),
    "parquet": Format(_parquet, encoded=False),
}
"""By the ending of a file's name. Whatever reads files, or names to people what can be read, goes by this table."""


def formats() -> str:
    """What can be read, in words: ``csv, tsv, ..., plain or compressed (.gz, ...)``."""
    return f"{', '.join(FORMATS)}, plain or compressed ({', '.join(OPENERS)})"


def kind(path: Path) -> str:
    """The format by the file's name, less a compression suffix: ``reviews.csv.gz`` is ``csv``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    return suffixes[-1].removeprefix(".") if suffixes else ""


def lines(path: Path, place: str, *, encoding: str = "utf-8", max_bytes: int, advice: str = "") -> Iterator[str]:
    """The lines of a text file with their ends, a byte order mark removed. ``advice``: another way out of a wrong code.

    Raises InputError with the line (and byte, counted in the unpacked file) of what cannot be decoded, for a NUL byte,
    for a damaged archive, and once more than ``max_bytes`` have been unpacked.
    """
    with _opened(path, place) as handle:
        at = 0
        for number, raw in enumerate(_raw_lines(handle, path, place, encoding, max_bytes), start=1):
            try:
                line = raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{place}, line {number}, byte {at + error.start}: not {encoding.upper()}; save the file as UTF-8, "
                    f"as with `iconv -f latin1 -t utf-8 OLD > NEW`{advice}"
                ) from None
            if "\0" in line:
                raise InputError(f"{place}, line {number}: a NUL byte; is it UTF-16 or no text? Save it as UTF-8")
            at += len(raw)
            yield line.removeprefix("\ufeff") if number == 1 else line


def unpacked(path: Path, place: str, *, max_bytes: int) -> bytes:
    """The whole file, decompressed. Raises InputError as ``lines`` does."""
    with _opened(path, place) as handle:
        return b"".join(_limited(lambda: handle.read(1 << 20), path, place, max_bytes))


def _opened(path: Path, place: str) -> IO[bytes]:
    try:
        return cast(IO[bytes], OPENERS.get(path.suffix.lower(), Path.open)(path, "rb"))
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _raw_lines(handle: IO[bytes], path: Path, place: str, encoding: str, max_bytes: int) -> Iterator[bytes]:
    """Lines as bytes; in an encoding where a line end is more than the byte 10, the whole file as one piece."""
    if "\n".encode(encoding)[-1:] == b"\n" and len("\n".encode(encoding)) == 1:
        yield from _limited(lambda: handle.readline(max_bytes + 1), path, place, max_bytes)
        return
    whole = b"".join(_limited(lambda: handle.read(1 << 20), path, place, max_bytes))
    try:
        text = whole.decode(encoding)
    except UnicodeDecodeError:
        yield whole
        return
    yield from (line.encode(encoding) for line in text.splitlines(keepends=True))


def _limited(read: Callable[[], bytes], path: Path, place: str, max_bytes: int) -> Iterator[bytes]:
    taken = 0
    while True:
        try:
            piece = read()
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise InputError(f"{place}: damaged or not really {path.suffix} ({error}); fetch it again") from None
        if not piece:
            return
        taken += len(piece)
        if taken > max_bytes:
            raise InputError(f"{place}: unpacks to more than {max_bytes:,} bytes; split it, or raise max_file_bytes")
        yield piece
