"""A piece of work is done by one run at a time: a lock each, which says who holds it."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import multiprocessing
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.common.errors import InputError

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def hold(path: Path, command: str) -> Iterator[None]:
    """Hold a piece of work; where another run holds it, say which and wait for it.

    The operating system frees the lock when the holder dies, however it dies.

    Args:
        path: of the lock, without a suffix.
        command: what others are told the run is.

    Raises:
        InputError: if the folder cannot be written to.
    """
    note, lock = path.with_suffix(".json"), FileLock(path.with_suffix(".lock"))
    parent = multiprocessing.parent_process()  # the run, where this is one of its workers
    who = {"pid": parent.pid if parent else os.getpid(), "command": command, "since": f"{datetime.now():%F %T}"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.warning("waiting for %s, which is made by %s", path.name, holder(path) or "another run")
            lock.acquire()
        note.write_text(json.dumps(who, ensure_ascii=False), "utf-8")
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "give yourself write permission"
        raise InputError(
            f"store {path.parents[1]}: cannot be written ({error.strerror or error}); "
            f"{remedy}, or choose another place with --store"
        ) from error
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holder(path: Path) -> str | None:
    """Who holds a piece of work now (PID, command, since), or None. Never waits, never takes the lock."""
    try:
        who = json.loads(path.with_suffix(".json").read_text("utf-8"))
        alive = _lives(int(who["pid"]))
        return f"PID {who['pid']}, command {who['command']}, since {who['since']}" if alive else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holders(folder: Path) -> list[str]:
    """Who holds anything in a folder of locks."""
    return list(dict.fromkeys(who for note in sorted(folder.glob("*.json")) if (who := holder(note))))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, and belongs to somebody else
    return True
