"""What lies on the Hugging Face Hub: fetched once into the Hub's own cache, and read from there."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any, Literal

log = logging.getLogger(__name__)
SECONDS = 5.0


def reach() -> str:
    """Whether the Hub answers, in words: after ``SECONDS`` at the latest, though names may take longer to resolve."""
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        return "not asked: HF_HUB_OFFLINE is set"
    found: list[str] = []
    began = time.monotonic()

    def ask() -> None:
        try:
            HfApi().model_info("sentence-transformers/all-MiniLM-L6-v2", timeout=SECONDS)
            found.append(f"answers after {time.monotonic() - began:.1f} s")
        except Exception as problem:
            reason = (str(problem).strip().splitlines() or [""])[0][:100]
            found.append(f"out of reach ({type(problem).__name__}: {reason})")

    asking = threading.Thread(target=ask, daemon=True)  # a look-up of a name knows no timeout: it is left behind
    asking.start()
    asking.join(SECONDS)
    where = constants.ENDPOINT
    return f"{where} {found[0] if found else f'gave no answer in {SECONDS:.0f} s'}"


def snapshot(name: str, revision: str | None, kind: Literal["model", "dataset"], **patterns: Any) -> Path:
    """The folder of a repository, named by its commit; as the cache has it where the Hub is out of reach.

    Args:
        patterns: ``allow_patterns`` and ``ignore_patterns`` of what is fetched.

    Raises:
        Exception: of a dozen kinds, within seconds, where neither has it.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        # Asked first because it fails at once where the Hub is out of reach; a download tries again for half a minute.
        commit = HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=SECONDS).sha
    except Exception as error:
        try:
            found = snapshot_download(name, repo_type=kind, revision=revision, local_files_only=True, **patterns)
        except Exception:
            raise error from None
        log.warning("%s: the Hub is out of reach; taken from the cache, which may lack files", name)
        return Path(found)
    return Path(snapshot_download(name, repo_type=kind, revision=commit, **patterns))
