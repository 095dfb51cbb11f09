"""What frontier.json says."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, closed


@closed
class Point(TypedDict):
    """A model between base and tuned: its shares of the tuned weights (``alpha``: where all groups have the same)."""

    name: str
    alpha: float | None
    alphas: dict[str, float]
    macro_recall: Estimate
    kept: Estimate
    """exp(loss of the base - loss) on general dev text."""
    at_least: float
    """Its one-sided 95% lower bound, by which a budget is met."""
    front: bool


@closed
class Answers(TypedDict):
    """What a model made of the dev texts of a corpus: a digit a text, the id of its class."""

    corpus: str
    labels: str
    predicted: str


@closed
class Frontier(TypedDict):
    """The points, and the one chosen; ``within``: whether it keeps the budget; ``reason``: why there are no points."""

    points: list[Point]
    budget: float | None
    within: bool | None
    chosen: str
    cost: dict[Literal["macro_recall", "kept"], Estimate] | None
    """The chosen point less the tuned one, on the text it was chosen on."""
    answers: list[Answers]
    """Of the chosen point: what its macro-recall is of."""
    reason: str | None
