"""How much of the best's lead on dev is the luck of the best of many: told before any test text is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.common.labels import LABELS
from pipeline.common.results import Estimate
from pipeline.measuring.statistics.bootstrap import Array
from pipeline.measuring.statistics.comparison import FEWEST_OF_CLASS
from pipeline.measuring.statistics.selection import lead_left
from pipeline.search.results import Outcome, Tried

DRAWS = 2000


def expected(reference: Outcome, tried: Sequence[Tried], budget: float) -> Estimate | None:
    """The lead in macro-recall over the recipe as it is that is to be expected of the best on other texts.

    None where the best was not chosen by macro-recall, as none keeps the budget; where trials answered different texts,
    as where cleaning is searched; and on few texts of a class.
    """
    told = [trial["outcome"] for trial in tried if not trial["outcome"]["problem"]]
    found = [outcome for outcome in told if (outcome["at_least"] or 0.0) >= budget]
    asked = {_asked(outcome) for outcome in (reference, *found)}
    if not found or len(asked) > 1:
        return None
    of_seeds = set(asked.pop())
    if len(of_seeds) != 1:  # no answers, or another fold a seed
        return None
    labels = of_seeds.pop()
    strata = np.array([len(LABELS) * place + int(label) for place, (_, own) in enumerate(labels) for label in own])
    if not len(strata) or np.unique(strata, return_counts=True)[1].min() < FEWEST_OF_CLASS:
        return None
    left: Estimate = lead_left(
        strata, _right(reference), [_right(outcome) for outcome in found], draws=DRAWS, seed=0
    ).as_json()
    return left


def _asked(outcome: Outcome) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Of each seed the corpora and the labels of their texts."""
    return tuple(tuple((own["corpus"], own["labels"]) for own in of_seed) for of_seed in outcome["answers"])


def _right(outcome: Outcome) -> Array:
    """The share of seeds that are right of each text [texts]."""
    of_seeds = [
        [label == said for own in of_seed for label, said in zip(own["labels"], own["predicted"], strict=True)]
        for of_seed in outcome["answers"]
    ]
    shares: Array = np.asarray(of_seeds, np.float64).mean(axis=0)
    return shares
