"""Reading rows from files of many formats (``FORMATS``), every value as it was written.

Nothing is guessed about values (``NA``, ``null`` and ``007`` are texts), and nothing is skipped: what cannot be read
ends in an error with the number of the row. Files may be compressed; never more is unpacked than was allowed for.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import InputError
from pipeline.corpora.card_files import Reading
from pipeline.corpora.json_rows import json_rows
from pipeline.corpora.lines import MAX_FILE_BYTES, OPENERS, kind, lines, refuse_foreign, unpacked
from pipeline.corpora.sheets import sheet_rows
from pipeline.corpora.tables import Row, delimited

_MOST_DECODED = 1 << 27
"""Bytes of a parquet file that are made Python objects at a time, and the most of one row."""
_VALUE_BYTES = 8
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
    too_much = f"{place}: unpacks to more than {max_bytes:,} bytes; split it, or raise max_file_bytes"
    try:
        with path.open("rb") as file:
            if not (first := file.read(512)).startswith(b"PAR1") and not compressed:
                refuse_foreign(first, place)
        source = io.BytesIO(unpacked(path, place, max_bytes=max_bytes)) if compressed else path
        leaves = pq.ParquetFile(source).schema
        held = [
            leaf.path
            for leaf in map(leaves.column, range(len(leaves)))
            if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL"
        ]
        table = pq.ParquetFile(source, read_dictionary=held)
        names = table.schema_arrow.names
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(f"{place}: column {min(twice)!r} stands twice; give each a name of its own")
        groups = [table.metadata.row_group(at) for at in range(table.num_row_groups)]
        values = sum(group.column(at).num_values for group in groups for at in range(group.num_columns))
        if max(_VALUE_BYTES * values, sum(group.total_byte_size for group in groups)) > max_bytes:
            raise InputError(too_much)
        number = decoded = 0
        share = values // max(1, table.metadata.num_rows)
        for batch in table.iter_batches(batch_size=min(4096, 1 + _MOST_DECODED // (_VALUE_BYTES * (share + 1)))):
            for part in _parts(batch):
                decoded += (size := _weight(part))
                if decoded > max_bytes:
                    raise InputError(too_much)
                if size > _MOST_DECODED:
                    raise InputError(f"{place}, row {number + 1}: unpacks to {size:,} bytes; split it")
                rows = part.to_pylist()
                yield from enumerate(rows, start=number + 1)
                number += len(rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{place}: no readable parquet ({str(error).splitlines()[0]}); fetch it again") from None


def _parts(batch: Any) -> Iterator[Any]:
    """A batch in parts that memory holds as Python objects, down to single rows."""
    if len(batch) < 2 or _weight(batch) <= _MOST_DECODED:
        yield batch
        return
    yield from _parts(batch.slice(0, len(batch) // 2))
    yield from _parts(batch.slice(len(batch) // 2))


def _weight(array: Any) -> int:
    """Bytes that the values of a batch or an array come to, nested ones too: counted before any is decoded."""
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    if isinstance(array, pa.RecordBatch | pa.StructArray):
        return sum(map(_weight, array.columns if isinstance(array, pa.RecordBatch) else array.flatten()))
    own, kind = _VALUE_BYTES * len(array), array.type
    if isinstance(array, pa.ExtensionArray):
        return _weight(array.storage)
    if isinstance(array, pa.MapArray):  # a part of one has the keys and items of all
        first, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return own + sum(_weight(each.slice(first, end - first)) for each in (array.keys, array.items))
    if pa.types.is_nested(kind):
        return own + _weight(array.flatten())
    if isinstance(array, pa.DictionaryArray):
        return own + (pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0)
    if pa.types.is_binary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        own += pc.sum(pc.binary_length(array)).as_py() or 0
    return own


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
