"""On which texts a model fails: its scores on texts with a trait, beside those on the texts without it.

A model that is right overall can fail a whole kind of text: Ribeiro et al. 2020, "Beyond Accuracy" (CheckList). What
the traits are is not known here; they come as a set of names for each text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.common.labels import LABELS
from pipeline.measuring.statistics.bootstrap import Array, Difference, Figure
from pipeline.measuring.statistics.classification import METRICS, SHARES, of_class
from pipeline.measuring.statistics.comparison import FEWEST_OF_CLASS, Measured, classified, minus, verdicts
from pipeline.measuring.statistics.ladder import Draws, Rows, measured, tested_in

FEWEST = 20
"""Texts that must stand on both sides of a difference: on fewer its interval is too narrow, and says little anyway."""


def by_trait(
    rows_by_seed: Sequence[Rows], traits: Mapping[str, Set[str]], names: Sequence[str], draws: Draws
) -> dict[str, Any]:
    """The scores of one arm on one corpus, averaged over seeds, where a trait is there and where it is not.

    Args:
        rows_by_seed: [seeds][texts], the same texts in the same order.
        traits: id of each text -> the traits it has.
        names: the traits to look at, in the order of the result.

    Returns:
        trait -> {"with": SLICE | None, "without": SLICE | None, "difference": {metric: DIFFERENCE | None}}.
        SLICE = {"n", "accuracy": FIGURE, "macro_recall": FIGURE | None, "macro_f1": FIGURE | None}, macro figures None
        where a class has fewer than ``FEWEST_OF_CLASS`` texts. DIFFERENCE is with
        less without, a FIGURE (its n the smaller side's) with "p", "p_holm" (over the traits of one metric) and
        "verdict": better, worse or undecided; None where a side has no figure or fewer than 20 texts.
    """
    labels = np.array([row["label"] for row in rows_by_seed[0]])
    has = {trait: np.array([trait in traits[row["id"]] for row in rows_by_seed[0]], dtype=bool) for trait in names}
    apart = {metric: _judged(rows_by_seed, labels, has, metric, draws) for metric in METRICS}
    return {
        trait: {
            "with": _slice(rows_by_seed, labels, where, draws),
            "without": _slice(rows_by_seed, labels, ~where, draws),
            "difference": {metric: found.get(trait) for metric, found in apart.items()},
        }
        for trait, where in has.items()
    }


def by_class(rows_by_seed: Sequence[Rows], draws: Draws) -> dict[str, Any]:
    """Precision, recall and F1 of each class, averaged over seeds: class -> {"n", "precision", "recall", "f1"}.

    FIGUREs whose n is the number of all texts (precision and F1 rest on texts of other classes too); value None where
    a class never occurs, or a seed never predicts it.
    """
    labels = [row["label"] for row in rows_by_seed[0]]
    predicted = [[row["predicted"] for row in rows] for rows in rows_by_seed]
    folds = tested_in(rows_by_seed[0])

    def found(share: str, place: int) -> Measured:
        def shares(sums: Array) -> tuple[Array, Array]:
            matrix = sums.reshape(3, 3)
            return of_class(matrix, share)[[place]], matrix.sum(axis=1 if share == "recall" else 0)[[place]]

        measured = classified(labels, predicted, lambda matrix: of_class(matrix, share)[..., place], folds)
        return measured if share == "f1" else replace(measured, shares=shares)

    return {
        name: {"n": labels.count(place), **{share: draws.of(found(share, place)) for share in SHARES}}
        for place, name in enumerate(LABELS)
    }


def _slice(rows_by_seed: Sequence[Rows], labels: NDArray[Any], where: NDArray[Any], draws: Draws) -> Any:
    chosen = [[rows[place] for place in np.flatnonzero(where).tolist()] for rows in rows_by_seed]
    if not chosen[0]:
        return None
    figures = {
        metric: draws.of(measured(chosen, metric)) if _settles(metric, labels[where]) else None for metric in METRICS
    }
    return {"n": len(chosen[0]), **figures}


def _settles(metric: str, labels: NDArray[Any]) -> bool:
    """Whether these texts give the metric: accuracy always, a mean over classes where each has texts enough."""
    return metric == "accuracy" or int(np.bincount(labels, minlength=len(LABELS)).min()) >= FEWEST_OF_CLASS


def _judged(
    rows_by_seed: Sequence[Rows], labels: NDArray[Any], has: Mapping[str, NDArray[Any]], metric: str, draws: Draws
) -> dict[str, dict[str, Any]]:
    """Each trait's difference in one metric, read together."""
    whole, found = measured(rows_by_seed, metric), {}
    for trait, where in has.items():
        sides = (where, ~where)
        if all(side.sum() >= FEWEST and _settles(metric, labels[side]) for side in sides):
            found[trait] = _difference(whole, where, draws)
    return {
        trait: Figure.as_json(apart) | {"p": apart.p, "p_holm": adjusted, "verdict": word}
        for (trait, apart), (adjusted, word) in zip(found.items(), verdicts(list(found.values())), strict=True)
    }


def _difference(whole: Measured, where: NDArray[Any], draws: Draws) -> Difference:
    """With less without: all texts are drawn together, and each counts on its side alone."""
    mask = where[:, None, None]
    strata = None if whole.strata is None else 2 * whole.strata + where
    sides = (replace(whole, contributions=whole.contributions * side, strata=strata) for side in (mask, ~mask))
    apart = minus(*sides, draws=draws.draws, seed=draws.seed)
    return replace(apart, n=int(min(where.sum(), (~where).sum())))
