"""Rows of JSON, in the shapes that people have: an object a line, a list, a list under a key, tables by column."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.corpora.card_files import Reading
from pipeline.corpora.lines import kind, lines
from pipeline.corpora.tables import Row

_PYTHON = re.compile(r"[\s\[]*\{\s*'")


def json_rows(path: Path, place: str, reading: Reading, max_bytes: int) -> Iterator[Row]:
    """The rows of a file of JSON, whatever their shape. Raises InputError as ``readers.read_rows`` does."""

    def numbered() -> Iterator[tuple[int, str]]:
        source = lines(path, place, encoding=reading.encoding, max_bytes=max_bytes, advice=reading.otherwise)
        return ((at, line) for at, line in enumerate(source, start=1) if line.strip())

    source = numbered()
    begun = [line for line in (next(source, None), next(source, None)) if line]
    by_line = kind(path) == "jsonl" and not "".join(line for _, line in begun).lstrip().startswith("[")
    if by_line or (len(begun) == 2 and reading.field is None and _complete(begun[0][1])):
        for number, (at, line) in enumerate(chain(begun, source), start=1):
            yield number, _object(_parsed(line, f"{place}, row {number} (line {at})"), f"{place}, row {number}")
    elif begun:
        found = _parsed("".join(lines(path, place, encoding=reading.encoding, max_bytes=max_bytes)), place)
        for number, row in enumerate(_rows(found, reading, place), start=1):
            yield number, _object(row, f"{place}, row {number}")


def field_of_rows(path: Path, place: str, reading: Reading, max_bytes: int) -> str | None:
    """The key under which the rows of a .json file stand, where that is one key of one object."""
    text = "".join(lines(path, place, encoding=reading.encoding, max_bytes=max_bytes))
    found = json.loads(text) if _complete(text) else None
    keys = _keys_of_rows(found) if isinstance(found, dict) else []
    return keys[0] if len(keys) == 1 else None


def _rows(found: Any, reading: Reading, place: str) -> list[Any]:
    if reading.field is not None:
        found = found.get(reading.field) if isinstance(found, dict) else None
    elif isinstance(found, dict):
        return _unwrapped(found, reading, place)
    if not isinstance(found, list):
        raise InputError(f"{place}: no list of rows; write [{{...}}, ...] or one object a line, or name the `field`")
    return found


def _unwrapped(found: Mapping[str, Any], reading: Reading, place: str) -> list[Any]:
    """The rows of a single object: a list of them under one key, or a table by columns; else the object is the row."""
    keys = _keys_of_rows(found)
    if keys and (reading.of_card or len(keys) > 1):
        way = f"write `field: {keys[0]}` beside data_files in the card" if reading.of_card else "keep one in the file"
        raise InputError(f"{place}: one object, with rows under {', '.join(keys)}; {way}")
    if keys:
        return list(found[keys[0]])
    values = list(found.values())
    if set(found) >= {"columns", "data"} and _lists_of_one_length(found["data"]):  # pandas, orient="split"
        names = found["columns"] if isinstance(found["columns"], list) else []
        if len(names) == len(found["data"][0]):
            return [dict(zip(map(str, names), row, strict=True)) for row in found["data"]]
    if _lists_of_one_length(values):
        return [dict(zip(found, row, strict=True)) for row in zip(*values, strict=True)]
    if values and all(isinstance(value, dict) and value and set(value) == set(values[0]) for value in values):
        if all(key.isdigit() for key in values[0]):  # pandas, as it writes by default
            return [{name: column[key] for name, column in found.items()} for key in values[0]]
        if all(key.isdigit() for key in found):  # orient="index"
            return values
        raise InputError(f"{place}: an object of objects; write [{{...}}, ...] or one object a line")
    return [found]


def _keys_of_rows(found: Mapping[str, Any]) -> list[str]:
    return [
        key
        for key, value in found.items()
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
    ]


def _lists_of_one_length(values: Any) -> bool:
    """Whether it is a list of lists, none empty, that make a table."""
    lists = isinstance(values, list) and all(isinstance(value, list) and value for value in values)
    return lists and len({len(value) for value in values}) == 1


def _complete(text: str) -> bool:
    try:
        json.loads(text)
    except (RecursionError, ValueError):
        return False
    return True


def _parsed(text: str, place: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            raise InputError(f"{place}: key {twice!r} stands twice in one object; it must name each value once")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        if _PYTHON.match(text):
            raise InputError(f"{place}: a Python dict, no JSON; write the rows by json.dumps, one a line") from None
        at = f", line {error.lineno}" if text.count("\n", 0, -1) else ""
        raise InputError(f"{place}{at}: no valid JSON ({error.msg}); repair it") from None
    except (RecursionError, ValueError):
        raise InputError(f"{place}: JSON nested too deep or a number too long; repair it") from None


def _object(row: Any, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InputError(f"{place}: no JSON object; write {{column: value, ...}}")
    return row
