"""Files that are written whole or not at all, what they hold as a digest, and who holds them."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.common.printable import STEERING

LARGEST_BYTES = 256 << 20
"""Of a file that is read as a whole, unless its reader says less."""


def regular(path: Path) -> io.BufferedReader:
    """Open a file for reading. Raises OSError for what is none: a pipe or a device may never end, or never begin."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(handle, "rb")


def read_whole(path: Path, most: int = LARGEST_BYTES) -> bytes:
    """The content of a regular file. Raises OSError where it is none, or larger than ``most`` bytes."""
    with regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    return content


def sha256(path: Path) -> str:
    """SHA-256 of a file's content; of a folder, of the names and contents of all files in it."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest([[file.relative_to(path).as_posix(), sha256(file)] for file in files])
    with regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a plain JSON value; the order of keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_object(path: Path, most: int = LARGEST_BYTES) -> dict[str, Any]:
    """The JSON object in a file that anybody may have written.

    Raises:
        OSError: see ``read_whole``.
        ValueError: it is not UTF-8, no JSON, nested too deep, or no object.
    """
    try:
        found = json.loads(read_whole(path, most))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people to read too: emoji as they are, what steers a terminal or has no UTF-8 as its escape."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    write_whole(path, [STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text), "\n"])


def write_config(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as transformers and peft write their configs: keys sorted, all of it ASCII."""
    write_whole(path, [json.dumps(content, indent=2, sort_keys=True), "\n"])


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    write_whole(path, (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Write a file so that a reader, or a power cut, meets either the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
    sync(fresh)
    fresh.replace(path)


def sync(path: Path) -> None:
    """Make sure that a file, or a folder's list of names, survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with everything in it; do nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def held(path: Path, timeout: float = -1) -> Iterator[bool | None]:
    """Hold a cache's file or folder, so that who wants the same waits for it and finds it there.

    Yields True while it is held, False where another process has held it for ``timeout`` seconds (-1 waits as long as
    it takes), None where nothing can be written, so that there is nothing to hold.
    """
    lock = FileLock(path.with_suffix(".lock"), timeout=timeout)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError:
        yield None
        return
    try:
        yield True
    finally:
        lock.release()
