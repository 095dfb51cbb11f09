"""The best's lead on dev, and how much of it is the luck of the best of many: told before any test text is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.common.labels import LABELS
from pipeline.common.results import Estimate
from pipeline.measuring.frontier.score import recalled
from pipeline.measuring.statistics.comparison import FEWEST_OF_CLASS, minus
from pipeline.measuring.statistics.selection import lead_left
from pipeline.search.results import Outcome, Tried

DRAWS = 2000


class Texts(NamedTuple):
    """What all of some trials answered, with each of their seeds [texts]."""

    labels: NDArray[np.int64]
    corpora: list[str]


def lead(reference: Outcome, best: Outcome) -> Estimate:
    """The best's macro-recall less that of the recipe as it is; without an interval where they answered other texts."""
    texts = _texts([reference, best])
    if texts:
        ours, theirs = (recalled(*texts, _predicted(outcome)) for outcome in (best, reference))
        return _estimate(minus(ours, theirs, draws=DRAWS, seed=0).as_json())
    after, before = best["macro_recall"], reference["macro_recall"]
    assert after
    assert before
    value = None if after["value"] is None or before["value"] is None else after["value"] - before["value"]
    return {"value": value, "low": None, "high": None, "n": after["n"]}


def expected(reference: Outcome, tried: Sequence[Tried], budget: float) -> Estimate | None:
    """The lead in macro-recall over the recipe as it is that is to be expected of the best on other texts.

    The recipe as it is may be the best itself. None where the best is not chosen by macro-recall, as no trial keeps the
    budget; where trials answered different texts, as where cleaning is searched; and on few texts of a class.
    """
    told = [trial["outcome"] for trial in tried if not trial["outcome"]["problem"]]
    within = [outcome for outcome in (reference, *told) if (outcome["at_least"] or 0.0) >= budget]
    texts = _texts([reference, *within])
    if texts is None or all(outcome is reference for outcome in within):
        return None
    _, corpora = np.unique(texts.corpora, return_inverse=True)
    strata = len(LABELS) * corpora + texts.labels
    if np.unique(strata, return_counts=True)[1].min() < FEWEST_OF_CLASS:
        return None
    rival, *found = ((_predicted(each) == texts.labels).mean(axis=0) for each in (reference, *within))
    return _estimate(lead_left(strata, rival, found, draws=DRAWS, seed=0).as_json())


def _texts(outcomes: Sequence[Outcome]) -> Texts | None:
    """None where they are not the same for all of them and all seeds, as where each has a fold of its own."""
    asked = {
        tuple((own["corpus"], own["labels"]) for own in of_seed)
        for outcome in outcomes
        for of_seed in outcome["answers"]
    }
    if len(asked) != 1 or not all(outcome["answers"] for outcome in outcomes):
        return None
    of_all = asked.pop()
    corpora = [corpus for corpus, labels in of_all for _ in labels]
    return Texts(_ids(labels for _, labels in of_all), corpora) if corpora else None


def _predicted(outcome: Outcome) -> NDArray[np.int64]:
    """The classes said [seeds, texts]."""
    return np.stack([_ids(own["predicted"] for own in of_seed) for of_seed in outcome["answers"]])


def _ids(digits: Iterable[str]) -> NDArray[np.int64]:
    return np.array([int(digit) for digit in "".join(digits)], dtype=np.int64)


def _estimate(told: Mapping[str, Any]) -> Estimate:
    """Without what is for verdicts."""
    return {"value": told["value"], "low": told["low"], "high": told["high"], "n": told["n"]}
