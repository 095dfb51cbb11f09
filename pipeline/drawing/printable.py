"""Makes text of unknown origin safe to print: what steers a terminal or a page becomes visible letters."""

from __future__ import annotations

import json
import re
from typing import Any

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls of terminals (tab and line feed are blanks, see below)
    "\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c"  # turn the direction of the text around them
    "\u2028\u2029\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"  # halves of a character: no file in UTF-8 can hold them
)


def printable(text: str) -> str:
    r"""The text on one line, controls and lone surrogates written out (``\x1b``). Emoji and their joiners stay."""
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode(), re.sub(r"[\t\n]+", " ", text))


def escaped_json(data: Any) -> str:
    """JSON in which emoji stand as they are, and what steers a terminal or has no UTF-8 as its escape."""
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def markdown(text: str) -> str:
    r"""Printable text in which no letter has a meaning in GitHub's Markdown, table cells included."""
    escaped = re.sub(r"([\\`*_\[\]<>|#~!$])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;")
