"""A piece of work is done by one run at a time: a lock each, which says who holds it."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.common.errors import InputError
from pipeline.common.files import read_object
from pipeline.common.printable import printable

logger = logging.getLogger(__name__)
HOST = socket.gethostname()
POLL_SECONDS = 1.0
_LONGEST_NOTE = 1 << 20


def this_run() -> dict[str, Any]:
    """What tells this process from any other: host, PID, and when it began."""
    return {"host": HOST, "pid": os.getpid(), "begun": _begun(os.getpid())}


@contextlib.contextmanager
def hold(path: Path, command: str, run: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Hold a piece of work; where another run holds it, say which and wait for it.

    The operating system frees the lock when the holder dies, however it dies. Over a shared file system it may not
    tell hosts of each other's locks: so what another host has noted is held until the note is gone, unless it was the
    same run, one of whose workers has died.

    Args:
        path: of the lock, without a suffix.
        command: what others are told the run is.
        run: ``this_run`` of the process that the work is done for; None: this one.

    Raises:
        InputError: if the folder cannot be written to.
    """
    note, lock = path.with_suffix(".json"), FileLock(path.with_suffix(".lock"))
    who = {**(run or this_run()), "command": command, "since": f"{datetime.now():%F %T}"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _say_who(path)
            lock.acquire()
        if not _noted(note, who):
            _say_who(path)
            while not _noted(note, who):
                time.sleep(POLL_SECONDS)
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


def _say_who(path: Path) -> None:
    logger.warning("waiting for %s, which is made by %s", path.name, holder(path) or "another run")


def _noted(note: Path, who: Mapping[str, Any]) -> bool:
    """Write who holds it, unless another host has, or a run that lives: its lock's file was removed under it.

    A process of this host that does not tell when it began, or began at another time, is not the one that noted it.
    """
    told = _told(note)
    ours = all(told.get(name) == who[name] for name in ("host", "pid", "begun"))
    lives = told.get("begun") and told["begun"] == _begun(told.get("pid"))
    if not ours and (told.get("host", HOST) != HOST or lives):
        return False
    note.unlink(missing_ok=True)
    try:
        with note.open("x", encoding="utf-8") as file:
            json.dump(who, file, ensure_ascii=False)
    except FileExistsError:
        return False
    return True


def _told(note: Path) -> dict[str, Any]:
    """What the note says, or nothing."""
    try:
        return read_object(note, _LONGEST_NOTE)
    except (OSError, ValueError):
        return {}


def holder(path: Path) -> str | None:
    """Who holds a piece of work now (PID, command, since), or None. Never waits, never takes the lock.

    Of another host, whose processes cannot be looked at, the answer says what to do if it is gone.
    """
    note = path.with_suffix(".json")
    try:
        who = _told(note)
        host, pid = who.get("host", HOST), int(who["pid"])
        said = printable(f"command {who['command']}, since {who['since']}")
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    if host != HOST:
        return f"PID {pid} on host {printable(str(host))}, {said} (if that host is gone, delete {note})"
    return f"PID {pid}, {said}" if _lives(pid) else None


def holders(folder: Path) -> list[str]:
    """Who holds anything in a folder of locks."""
    return list(dict.fromkeys(who for note in sorted(folder.glob("*.json")) if (who := holder(note))))


def _begun(pid: Any) -> str | None:
    """When a process of this host began, in the system's own ticks; None where it is gone, or that cannot be told.

    A number of a process is given again, the two together are not.
    """
    try:
        told = Path(f"/proc/{pid:d}/stat").read_text().rpartition(")")[2].split()
        return None if told[0] in "XZ" else told[19]  # dead, and not yet asked for by its parent
    except (OSError, ValueError, TypeError, IndexError):
        return None


def _lives(pid: int) -> bool:
    if not 0 < pid < 1 << 31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, and belongs to somebody else
    return True
