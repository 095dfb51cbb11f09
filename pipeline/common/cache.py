"""Figures that many runs share are worked out once and remembered by what they were worked out from."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.common.files import digest, held, write_whole

log = logging.getLogger(__name__)


Question = tuple[Any, Callable[[], Any]]
"""A JSON value that names everything an answer depends on, and how the answer, a JSON value, is worked out."""
Remember = Callable[[Sequence[Question]], list[Any]]
"""``remembered`` with its folder: questions -> their answers, in order."""


def remembered(folder: Path, questions: Sequence[Question]) -> list[Any]:
    """The answers, in order, worked out only where ``folder`` does not hold them yet.

    What another process is working out at the moment is left to it, and read when everything else is done: so arms
    that are scored side by side share the work. Each entry carries its own digest; a damaged one is worked out again.
    The folder may vanish at any time, and one that cannot be written costs time, nothing else.
    """
    paths = [folder / f"{digest(key)}.json" for key, _ in questions]
    found: dict[int, str] = {}
    for patience in (0, -1):  # first pass over what others hold, then wait for it
        for place, (path, (_, compute)) in enumerate(zip(paths, questions, strict=True)):
            if place in found:
                continue
            with held(path, patience) as mine:
                if mine is False:
                    continue
                known = _read(path)
                if known is None:
                    known = json.dumps(compute(), ensure_ascii=False)
                    _write(path, known)
                found[place] = known
    return [json.loads(found[place]) for place in range(len(questions))]


def _read(path: Path) -> str | None:
    try:
        told, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(body).hexdigest().encode() != told:
        log.warning("remembered figures in %s are damaged; working them out again", path.name)
        return None
    return body.decode()


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, [hashlib.sha256(text.encode()).hexdigest(), "\n", text])
    except OSError as problem:
        log.warning("figures cannot be remembered in %s (%s); the next run works them out again", path.parent, problem)
