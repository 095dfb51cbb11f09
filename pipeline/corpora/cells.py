"""What a cell of a file holds: a text, a label, or nothing. Cards and ``predict`` decide by this alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.common.errors import InputError


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: null, or the NaN that tables store in its place."""
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def as_text(value: Any, place: str) -> str:
    """The text of a cell, empty where none is; a number is one.

    Raises:
        InputError: a value of another type, a NUL character, half an emoji.
    """
    if is_missing(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InputError(f"{place}: a {type(value).__name__} where a text belongs; name another column")
    text = str(value)
    if "\0" in text:
        raise InputError(f"{place}: a NUL character in the text; remove it from the file")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: half an emoji (a lone surrogate) at character {error.start}; repair it") from None
    return text


def joined(row: Mapping[str, Any], columns: str | Sequence[str], place: str) -> str:
    """The text of a row; where it stands in several columns, those that hold some, each ended by a full stop or its own
    sign. Raises InputError as ``as_text`` does.
    """
    if isinstance(columns, str):
        return as_text(row[columns], place)
    parts = [part for name in columns if (part := as_text(row[name], place).strip())]
    return " ".join([f"{part}{'' if part[-1] in '.!?:;,…' else '.'}" for part in parts[:-1]] + parts[-1:])


def label_as_written(value: Any) -> str:
    """A label as the card would write it: trimmed; a whole float (how tables store 5 beside a gap) as an integer."""
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def as_written(value: Any) -> str:
    """Any value as a cell of a table: lists and the like as JSON, empty where none is, half an emoji as U+FFFD."""
    if isinstance(value, bool | list | dict):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = "" if is_missing(value) else str(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_number(label: str) -> float | None:
    """The number that a label is (``85%`` is 85, ``4,5`` is 4.5), or None."""
    match = re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?)\s*%?", label, re.I)
    return float(match[1].replace(",", ".")) if match else None
