"""What a behaviour is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.measuring.statistics.bootstrap import Figure

Classify = Callable[[Sequence[str]], Sequence[int]]
"""From texts, cleaned already, to what a model calls them: places in ``LABELS``."""
Review = Mapping[str, Any]
"""A test text: its ``text`` and ``label``."""
Measure = Callable[[Classify, Sequence[Review], int], Mapping[str, Figure]]
"""Puts texts to a model and counts: given test reviews and the seed of what is drawn. Of no items a figure is NaN."""


class Behaviour(NamedTuple):
    """Something that a model should do or leave, in English texts."""

    title: str
    note: str
    """What was asked, for people: below the table."""
    figures: Mapping[str, str]
    """What ``measure`` gives, in order: a figure's name, and the head of its column. Shares of items."""
    measure: Measure
