"""What report.json says of a sweep."""

from __future__ import annotations

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, closed


@closed
class Foretold(TypedDict):
    """The macro-recall of an arm with more labels, as curves through the first half of the arms have it.

    The mean of two shapes (``sweep.score.SHAPES``), from the lowest end of either to the highest.
    """

    arm: str
    predicted: Estimate
    missed: Estimate
    """What was measured less that, on the same texts."""


@closed
class Law(TypedDict):
    """Errors (1 - macro-recall) over labels n as ``level * n ** -rate``, fitted to all arms."""

    level: float
    rate: Estimate
    half: Estimate
    """Labels at which half the errors of the arm with most would be left; null: none, or too many to tell."""
    foretold: list[Foretold]


@closed
class Sweep(TypedDict):
    """The setting, each arm's value of it, and where it is labels the law of each review corpus."""

    setting: str
    values: dict[str, float]
    laws: dict[str, Law]
