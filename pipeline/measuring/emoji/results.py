"""What emoji.json says."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, closed


@closed
class Polarity(TypedDict):
    """What one model means by each emoji: its shift of positive minus negative; the ``unknown`` have none."""

    spearman: Estimate | None
    """Rank agreement with the reference; null: under 6 emoji."""
    emoji: dict[str, float]
    asked: int
    unknown: int
    words: NotRequired[list[int]]
    """How many of praise and of blame a masked language model was asked for."""


@closed
class Emoji(TypedDict):
    """emoji.json; names and default are the base with new rows, untrained."""

    reference: dict[Literal["name", "emoji"], str | dict[str, float]]
    """What people mean by each, from -1 to 1: by the ranking, or by the reviews."""
    polarity: dict[Literal["base", "adapted", "tuned", "names", "default"], Polarity]
    counterfactuals: dict[str, dict[Literal["swap", "flips", "delete", "move", "control"], Estimate | None]]
    """Shares by reviews corpus; null where no text asks."""
