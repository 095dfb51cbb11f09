"""A long file that is written part by part: broken off, it goes on where it was; it is there only once it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.common.errors import InputError
from pipeline.common.files import held, read_object, sync, write_json


@dataclass(frozen=True)
class Growing:
    """A file that is being written."""

    stream: IO[str]
    told: Mapping[str, Any]
    """What was told with the last part that was kept; empty at the beginning."""
    keep: Callable[[Mapping[str, Any]], None]
    """Have what was written so far survive whatever comes. It takes JSON: what going on from here takes."""


@contextmanager
def growing(path: Path, identity: str, encoding: str = "utf-8") -> Iterator[Growing]:
    """Write a file as ``<name>.part``, and give it its name at the end.

    Args:
        identity: of all that the content depends on: what was kept under another one is written anew.

    Raises:
        InputError: it cannot be written, or another process is writing it.
    """
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    try:
        with held(part, timeout=0) as mine:
            if mine is False:
                raise InputError(f"output {path}: another process is writing it; wait for it, or choose another place")
            try:
                told = _resumed(part, note, identity)
                with part.open("a", encoding=encoding, newline="") as stream:

                    def keep(told: Mapping[str, Any]) -> None:
                        stream.flush()
                        os.fsync(stream.fileno())
                        write_json(note, {"of": identity, "bytes": part.stat().st_size, "told": dict(told)})

                    yield Growing(stream, told, keep)
                sync(part)
                part.replace(path)
                note.unlink(missing_ok=True)
            finally:
                if not note.exists():
                    part.unlink(missing_ok=True)
                part.with_suffix(".lock").unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"output {path}: cannot be written ({error.strerror}); choose another place") from error


def _resumed(part: Path, note: Path, identity: str) -> dict[str, Any]:
    """Cut the file back to the last part that was kept, and return what was told with it; else begin anew."""
    try:
        kept = read_object(note)
        if kept["of"] == identity and part.stat().st_size >= kept["bytes"]:
            os.truncate(part, kept["bytes"])
            return dict(kept["told"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    part.unlink(missing_ok=True)
    note.unlink(missing_ok=True)
    return {}
