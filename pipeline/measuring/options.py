"""What measuring asks to be told, of the settings of the stage ``evaluate``, which has their meaning and ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Options(Protocol):
    """How much is measured, and how surely."""

    max_length: int
    general_documents: int
    pairs: int
    probe_sentences: int
    emoji_ranking: Path | None
    counterfactuals: int
    draws: int
    seed: int
    tokens_per_batch: int | None

    def model_dump(self, *, include: set[str]) -> dict[str, Any]:
        """Those named, and others that are handed on as they are: what is masked, and what heads are refitted on."""
