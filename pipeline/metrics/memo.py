"""Figures that many runs share are worked out once and remembered by what they were worked out from."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def remembered(folder: Path, key: Any, compute: Callable[[], Any]) -> Any:
    """The value of ``compute()``, a JSON value, computed only if ``folder`` does not hold it for ``key`` yet.

    Each entry carries its own digest; a damaged one is computed again. The folder may vanish at any time, and one that
    cannot be written costs time, nothing else.

    Args:
        key: JSON value that names everything the result depends on.
    """
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = folder / f"{name}.json"
    found = _read(path)
    if found is None:
        found = json.dumps(compute(), ensure_ascii=False)
        _write(path, found)
    return json.loads(found)


def _read(path: Path) -> str | None:
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(body).hexdigest().encode() != digest:
        log.warning("remembered figures in %s are damaged; working them out again", path.name)
        return None
    return body.decode()


def _write(path: Path, text: str) -> None:
    body = text.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".draft", delete=False) as draft:
            draft.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        Path(draft.name).replace(path)
    except OSError as problem:
        log.warning("figures cannot be remembered in %s (%s); the next run works them out again", path.parent, problem)
