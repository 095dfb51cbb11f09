"""Where a tuned model's masked loss comes from: step by step, and at the last step what only the head no longer reads.

Tuning moves the encoder away under a head that stays behind. What a head refitted on the frozen encoder wins back is
interface drift; the rest is real. Refitting also helps a model that lost nothing (it has read more text), so the real
part is taken between two models whose heads were refitted alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.measuring.statistics.bootstrap import Figure, interval

Row = Mapping[str, Any]
PARTS = {
    "adaptation": ("base", "adapted"),
    "tuning": ("adapted", "tuned"),
    "interface": ("tuned_refitted", "tuned"),
    "real": ("adapted_refitted", "tuned_refitted"),
    "refitting": ("adapted", "adapted_refitted"),
}
"""Each part is the loss of the second model less that of the first; tuning = interface + real + refitting."""
REFITTED = ("adapted_refitted", "tuned_refitted")


def scored(masked: Mapping[str, Mapping[str, Sequence[Row]]], *, draws: int, seed: int) -> dict[str, Any]:
    """The parts of the loss on every slice, as retention.json has them.

    Args:
        masked: model -> slice -> a document each with sums ``nats`` and ``masked``; of base, adapted, tuned and, where
            heads were refitted, ``adapted_refitted`` and ``tuned_refitted``.

    Returns:
        slice -> part -> figure in nats a masked piece, empty where no head was refitted.
    """
    if not set(REFITTED) <= set(masked):
        return {}
    sure = {"draws": draws, "seed": seed}
    return {
        place: {part: gap(masked[a][place], masked[b][place], **sure).as_json() for part, (a, b) in PARTS.items()}
        for place in masked["base"]
    }


def gap(before: Sequence[Row], now: Sequence[Row], *, draws: int, seed: int) -> Figure:
    """Loss now less loss before, in nats a masked piece, documents paired; above 0 something was lost."""
    if [row["id"] for row in before] != [row["id"] for row in now]:
        raise ValueError("drift compares the same documents in the same order; ask both models the same masks")
    table = np.array([[a["nats"], b["nats"], a["masked"]] for a, b in zip(before, now, strict=True)])
    return interval(table, lambda sums: (sums[..., 1] - sums[..., 0]) / sums[..., 2], draws=draws, seed=seed)
