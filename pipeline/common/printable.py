"""What is printed: text of unknown origin, in which what steers a terminal or a page becomes letters; counts."""

from __future__ import annotations

import re

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls of terminals (tab and line feed are blanks, see below)
    "\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c"  # turn the direction of the text around them
    "\u2028\u2029\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"  # halves of a character: no file in UTF-8 can hold them
)


def printable(text: str) -> str:
    r"""The text on one line, controls and lone surrogates written out (``\x1b``). Emoji and their joiners stay."""
    return STEERING.sub(lambda match: match[0].encode("unicode_escape").decode(), re.sub(r"[\t\n]+", " ", text))


def many(count: int, what: str) -> str:
    """How many, with its noun, which takes an s where they are not one: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def markdown(text: str) -> str:
    r"""Printable text in which no letter has a meaning in GitHub's Markdown, table cells included."""
    escaped = re.sub(r"([\\`*_\[\]<>|#~!$])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;")
