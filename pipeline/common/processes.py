"""Processes that others have started do not outlive them."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Have this process, which multiprocessing has started, end at once when its parent has, however that ended."""
    threading.Thread(target=_wait_for_its_end, daemon=True).start()


def _wait_for_its_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # also after kill -9 of the parent: its lock is free, and nobody may go on writing
