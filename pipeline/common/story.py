"""The stages, which stand on top of all rooms: asked for by name by what needs them as a whole."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pipeline.common.errors import InputError


def story() -> Any:
    """All stages in order.

    Raises:
        InputError: a folder of another program's has that name, and comes first.
    """
    found = import_module("stages")
    if not hasattr(found, "STORY"):
        place = found.__file__ or next(iter(found.__path__), "nothing")
        raise InputError(f"stages is {place}, not Retone's own; rename it, or start from another folder")
    return found.STORY
