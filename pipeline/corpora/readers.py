"""Reading rows from files of many formats (``FORMATS``), every value as it was written.

Nothing is guessed about values (``NA``, ``null`` and ``007`` are texts), and nothing is skipped: what cannot be read
ends in an error with the number of the row. Files may be compressed; never more is unpacked than was allowed for.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import InputError
from pipeline.corpora.card_files import Reading
from pipeline.corpora.json_rows import json_rows
from pipeline.corpora.lines import MAX_FILE_BYTES, OPENERS, kind, lines, refuse_foreign, unpacked
from pipeline.corpora.sheets import sheet_rows
from pipeline.corpora.tables import Row, delimited

_MOST_DECODED = 1 << 28
PLAIN = Reading()
ARCHIVES = {".zip", ".tar", ".tgz", ".7z", ".rar"}
_SHEETS = {"xls", "xlsm", "ods", "numbers"}


def read_rows(path: Path, place: str, reading: Reading = PLAIN, max_bytes: int = MAX_FILE_BYTES) -> Iterator[Row]:
    """Yield the rows of one file; ``place`` names it in errors.

    Raises InputError for an unknown format, a damaged file, more than ``max_bytes`` unpacked, and any row that cannot
    be read as it stands.
    """
    known = FORMATS.get(kind(path))
    if {suffix.lower() for suffix in path.suffixes} & ARCHIVES:
        raise InputError(f"{place}: archives are not opened; unpack it and name the file inside")
    if known is None:
        sheet = "save the sheet as .xlsx or CSV UTF-8; " if kind(path) in _SHEETS else ""
        raise InputError(f"{place}: no format is known by the name {path.name}; {sheet}there are {formats()}")
    if reading.sheet is not None and kind(path) != "xlsx":
        raise InputError(f"{place}: no workbook, so it has no sheet {reading.sheet}; leave the sheet out")
    return known.rows(path, place, reading, max_bytes)


def _plain_lines(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    if reading.sep is not None:
        yield from delimited(path, place, reading, max_bytes)
        return
    source = lines(path, place, encoding=reading.encoding, max_bytes=max_bytes, advice=reading.otherwise)
    for number, line in enumerate(source, start=1):
        yield number, {"text": line.rstrip("\r\n")}


def looks_like_table(path: Path, place: str, reading: Reading = PLAIN, max_bytes: int = MAX_FILE_BYTES) -> bool:
    """Whether each line of a text file holds the same number of tabs: Excel's "Unicode text"."""
    source = lines(path, place, encoding=reading.encoding, max_bytes=max_bytes)
    tabs = (line.count("\t") for line in source if line.strip())
    first, second = next(tabs, 0), next(tabs, 0)
    return first == second > 0 and all(each == first for each in tabs)


def class_names(path: Path) -> dict[str, list[str]]:
    """The names that a parquet file gives the numbers in its columns (a ClassLabel of Hugging Face ``datasets``)."""
    if path.suffix.lower() != ".parquet":
        return {}
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        told = json.loads((pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        return {name: list(map(str, each["names"])) for name, each in features.items() if "names" in each}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}


def _parquet(path: Path, place: str, _: Reading, max_bytes: int) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    compressed = path.suffix.lower() != ".parquet"
    try:
        with path.open("rb") as file:
            if not (first := file.read(512)).startswith(b"PAR1") and not compressed:
                refuse_foreign(first, place)
        source = io.BytesIO(unpacked(path, place, max_bytes=max_bytes)) if compressed else path
        texts = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
        held = [field.name for field in pq.read_schema(source) if field.type in texts]
        table = pq.ParquetFile(source, read_dictionary=held)
        names = table.schema_arrow.names
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(f"{place}: column {min(twice)!r} stands twice; give each a name of its own")
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
    headed: bool = False
    """Whether its first line names the columns."""


FORMATS = {
    "csv": Format(delimited, headed=True),
    "tsv": Format(delimited, headed=True),
    "txt": Format(_plain_lines),
    "raw": Format(_plain_lines),
    "json": Format(json_rows),
    "jsonl": Format(json_rows),
    "parquet": Format(_parquet, encoded=False),
    "xlsx": Format(sheet_rows, encoded=False, headed=True),
}
"""By the ending of a file's name. Whatever reads files, or names to people what can be read, goes by this table."""


def formats() -> str:
    """What can be read, in words: ``csv, tsv, ..., plain or compressed (.gz, ...)``."""
    return f"{', '.join(FORMATS)}, plain or compressed ({', '.join(OPENERS)})"
