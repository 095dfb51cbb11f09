"""One run at a time per store: a lock that says who holds it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.common.errors import InputError


class BusyError(Exception):
    """Another run holds the store."""


@contextlib.contextmanager
def hold(store: Path, command: str) -> Iterator[None]:
    """Hold the store for one run. The operating system frees the lock when the holder dies, however it dies.

    Raises:
        BusyError: if another run holds it; the message says who, doing what, since when.
        InputError: if the folder cannot be written to.
    """
    note = store / "lock.json"
    who = {"pid": os.getpid(), "command": command, "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
    lock = FileLock(store / ".lock", timeout=0)
    try:
        store.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        note.write_text(json.dumps(who, ensure_ascii=False), "utf-8")
    except Timeout as error:
        raise BusyError(f"busy: {holder(store) or 'another run'} holds {store}; wait for it, or stop it") from error
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "give yourself write permission"
        raise InputError(
            f"store {store}: cannot be written ({error.strerror or error}); "
            f"{remedy}, or choose another place with --store"
        ) from error
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holder(store: Path) -> str | None:
    """Who runs on this store now (PID, command, since), or None. Never waits, never takes the lock."""
    try:
        who = json.loads((store / "lock.json").read_text("utf-8"))
        alive = _lives(int(who["pid"]))
        return f"PID {who['pid']}, command {who['command']}, since {who['since']}" if alive else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, and belongs to somebody else
    return True
