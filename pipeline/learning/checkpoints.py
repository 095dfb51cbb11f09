"""Checkpoints that are known to be whole, because Trainer's are not written atomically and load silently when damaged.

A checkpoint counts only with a ``complete.json`` that holds the digest of every file, written after all of them, and
only together with the best checkpoint so far, whose weights the run ends with if none better comes.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from pipeline.common.files import remove, sha256, write_json

MARK = "complete.json"
log = logging.getLogger(__name__)


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARK)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def mark_complete(folder: Path) -> None:
    """Record the digest of every file of a checkpoint; the record appears at once or not at all."""
    write_json(folder / MARK, _digests(folder))


def is_complete(folder: Path) -> bool:
    """Whether every file that was written is there, and is what was written."""
    try:
        recorded = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    present = _digests(folder)
    return bool(recorded) and all(present.get(name) == digest for name, digest in recorded.items())


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _best(checkpoint: Path) -> Path:
    """The best checkpoint up to a whole one; often itself."""
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return checkpoint.with_name(f"checkpoint-{state['best_global_step'] or _step(checkpoint)}")


def latest_complete(folder: Path) -> Path | None:
    """The newest whole checkpoint under ``folder``; newer damaged ones are set aside with a warning."""
    for checkpoint in sorted(folder.glob("checkpoint-*[0-9]"), key=_step, reverse=True):
        if is_complete(checkpoint) and is_complete(_best(checkpoint)):
            return checkpoint
        aside = checkpoint.with_name(f"damaged-{checkpoint.name}")
        log.warning(
            "%s, or the best one before it, is incomplete or damaged; set aside as %s, going on from an older one",
            *(checkpoint.name, aside.name),
        )
        remove(aside)  # one of the same step, from an earlier try
        checkpoint.rename(aside)
    return None
