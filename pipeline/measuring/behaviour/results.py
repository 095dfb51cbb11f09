"""What behaviour.json says."""

from __future__ import annotations

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, closed


@closed
class Behaviours(TypedDict):
    """behaviour.json."""

    shares: dict[str, dict[str, Estimate]]
    """By behaviour and by its figures (``measuring.behaviour``); empty where base or reviews are not English."""
