"""The words of a text, for counting: runs of letters, case folded, apostrophes inside kept."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def words(text: str) -> list[str]:
    """``Don't panic, it's 2 EASY!`` is ``don't panic it's easy``."""
    return _WORD.findall(text.casefold())
