"""What search.json says."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, closed
from pipeline.measuring.frontier.results import Answers


@closed
class Outcome(TypedDict):
    """What came of a trial, on dev, the mean over seeds; ``problem``: why nothing did, and then it has no figures."""

    macro_recall: Estimate | None
    kept: Estimate | None
    at_least: float | None
    """The one-sided 95% lower bound of ``kept``, by which a budget is met."""
    answers: list[list[Answers]]
    """What the recall is of: of each seed, corpus by corpus."""
    seconds: float
    """What making it took, or has taken once."""
    artifacts: list[str]
    """What it ended in, one a seed: folders in the store."""
    made: list[str]
    """Those of them that it made, and did not find there."""
    problem: str


def failed(problem: object) -> Outcome:
    """Of a trial that came to nothing."""
    return {"macro_recall": None, "kept": None, "at_least": None, "answers": [], "seconds": 0.0, "artifacts": [],
            "made": [], "problem": str(problem)}  # fmt: skip


@closed
class Tried(TypedDict):
    """A trial; ``number``: None for the recipe as it is."""

    number: int | None
    values: dict[str, Any]
    outcome: Outcome
    front: bool


@closed
class Tested(TypedDict):
    """Macro-recall on test texts, the mean over corpora: of the recipe as it is and of the best."""

    recipe: Estimate
    best: Estimate


@closed
class Found(TypedDict):
    """A study: the recipe as it is, all that was tried, and which is the best of those that keep the budget.

    ``best``: None where no trial is better than the recipe as it is. ``within``: whether the best keeps the budget;
    where none does it is the one that keeps most. ``lead``: the best's in macro-recall, on the very texts that chose
    it. ``expected``: what lead is to be expected on other texts (``luck``). ``importance``: by objective and setting,
    the shares that each alone has in what trials differ by; empty where there are too few to tell.
    """

    name: str
    recipe: str
    arm: str
    budget: float
    reference: Tried
    trials: list[Tried]
    best: int | None
    within: bool | None
    lead: Estimate | None
    expected: Estimate | None
    importance: dict[str, dict[str, float]]
    tested: Tested | None
    judged: int
    """How many trials test texts have judged by now, each the best in its turn."""
