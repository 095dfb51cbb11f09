"""What one measured process is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Told = dict[str, Any]
"""What work tells beside its cost: ``updates`` and ``dev_macro_recall``, where it has them."""
Work = Callable[[], Told]


@dataclass(frozen=True)
class Spec:
    """One side of one case, in one round."""

    task: str
    side: str
    folder: Path
    """Holds what ``workload.write`` wrote."""
    counts: dict[str, dict[str, int]]
    """``rows`` and ``tokens`` of each part of the work."""
    frozen: int
    epochs: int
    batch_size: int
    precision: str
    seed: int
    max_length: int
    learning_rate: float = 2e-4
    memory_megabytes: int | None = None
    """For the frozen layers' states; None: the default."""
    checkout: str | None = None
    """Of this project, whose story is run; None: this one."""

    @property
    def model(self) -> Path:
        return self.folder / "tokenizer" / "model"
