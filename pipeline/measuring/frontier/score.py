"""What can be had for what: models by dev macro-recall and by general English kept, the best trade-offs, the choice.

Macro-recall is the mean over the corpora of reviews, as the ladder reads it. A point is on the Pareto front if no other
has at least as much of both and more of one. Where a retention is asked for (a budget), the point with the highest
macro-recall is chosen among those that are shown to keep as much: whose one-sided 95% lower bound over dev documents
is the budget at least. It is chosen on dev text, so its figures there flatter it a little, and no verdict is built on
them; what it is worth is measured on test.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike

from pipeline.measuring.frontier.results import Answers, Frontier
from pipeline.measuring.statistics.bootstrap import Figure
from pipeline.measuring.statistics.classification import macro_recall
from pipeline.measuring.statistics.comparison import Measured, classified, minus

DRAWS = 1000
SEED = 0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Point:
    """A model between base and tuned, and what it did."""

    name: str
    alphas: Mapping[str, float]
    macro_recall: Measured
    kept: Measured
    answers: Sequence[Answers] = ()


def recalled(labels: ArrayLike, corpora: Sequence[str], predicted: ArrayLike) -> Measured:
    """The macro-recall by which points are judged; all [texts], on dev."""
    return replace(classified(labels, predicted, macro_recall, corpora=corpora), enough=True)


def answered(labels: Sequence[int], corpora: Sequence[str], predicted: Sequence[int]) -> list[Answers]:
    """The same as it is written down; all [texts]."""
    found: dict[str, Answers] = {}
    for label, corpus, called in zip(labels, corpora, predicted, strict=True):
        own = found.setdefault(corpus, {"corpus": corpus, "labels": "", "predicted": ""})
        own["labels"] += str(label)
        own["predicted"] += str(called)
    return list(found.values())


def surely_kept(kept: Measured) -> float:
    """What a point keeps at least: the one-sided 95% lower bound, documents drawn."""
    return kept.at_least(draws=DRAWS, seed=SEED)


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Whether each of some points [points, measures] is dominated by no other; equal ones share a place."""
    return [not any(dominates(other, point) for other in points) for point in points]


def dominates(point: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a point has at least as much of each measure, and more of one."""
    both = list(zip(point, other, strict=True))
    return all(mine >= its for mine, its in both) and any(mine > its for mine, its in both)


def choose(scores: Sequence[float], kept: Callable[[int], float], budget: float) -> int:
    """Place of the highest score among those that keep ``budget`` or more; of the one that keeps most if none does.

    Ties go to the higher retention, then to the first. ``kept`` of a place (``surely_kept``) is asked only while there
    is need to know.
    """
    shares: dict[int, float] = {}
    for score in sorted(set(scores), reverse=True):
        here = {place: kept(place) for place, own in enumerate(scores) if own == score}
        best = max(here, key=lambda place: here[place])
        if here[best] >= budget:
            return best
        shares |= here
    return max(sorted(shares), key=lambda place: (shares[place], scores[place]))


def told(found: Sequence[Point], *, tuned: str, budget: float | None) -> Frontier:
    """What frontier.json says of these points.

    Args:
        tuned: name of the point that tuning gave: chosen if there is no budget; the chosen one is held against it.
    """
    figures = [
        {"macro_recall": _figure(point.macro_recall), "kept": _figure(point.kept), "at_least": surely_kept(point.kept)}
        for point in found
    ]
    values = [[figure["macro_recall"]["value"], figure["kept"]["value"]] for figure in figures]
    surely = [figure["at_least"] for figure in figures]
    reference = [point.name for point in found].index(tuned)
    place = reference if budget is None else choose([recall for recall, _ in values], surely.__getitem__, budget)
    within = None if budget is None else bool(surely[place] >= budget)
    if within is False:
        log.warning(
            "finetune.frontier.budget: no model between base and tuned is shown to keep %g of general English on dev; "
            "taken is the one that keeps most, %s with %.3f at least",
            *(budget, found[place].name, surely[place]),
        )
    chosen, against = found[place], found[reference]
    sure = {"draws": DRAWS, "seed": SEED}
    return {
        "points": [
            {
                "name": point.name,
                "alpha": _alpha(point.alphas),
                "alphas": dict(point.alphas),
                "macro_recall": figure["macro_recall"],
                "kept": figure["kept"],
                "at_least": figure["at_least"],
                "front": best,
            }
            for point, figure, best in zip(found, figures, pareto_front(values), strict=True)
        ],
        "budget": budget,
        "within": within,
        "chosen": chosen.name,
        "cost": {
            "macro_recall": Figure.as_json(minus(chosen.macro_recall, against.macro_recall, **sure)),
            "kept": Figure.as_json(minus(chosen.kept, against.kept, **sure)),
        },
        "answers": list(chosen.answers),
        "reason": None,
    }


def left_out(reason: str, *, tuned: str) -> Frontier:
    """What frontier.json says where there is none."""
    return {"points": [], "budget": None, "within": None, "chosen": tuned, "cost": None, "answers": [],
            "reason": reason}  # fmt: skip


def _figure(measured: Measured) -> Any:
    return measured.figure(draws=DRAWS, seed=SEED).as_json()


def _alpha(alphas: Mapping[str, float]) -> float | None:
    """The share, where all groups have the same."""
    return next(iter(alphas.values())) if len(set(alphas.values())) == 1 else None
