"""Intervals for cross-validated predictions: the texts of a fold share a model, so they are right or wrong together.

Resampling texts alone takes a fold's luck for proof. Here the variance between folds *beyond* what their texts explain
is estimated by moments (DerSimonian & Laird 1986, "Meta-Analysis in Clinical Trials", with folds as the trials) and
added, with Student's t for the few folds it rests on (Satterthwaite 1946). What folds have in common, being trained on
overlapping texts, no estimate from one corpus can show (Bengio & Grandvalet 2004): the interval is about such models
of this corpus, not about other corpora.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from pipeline.metrics.bootstrap import LEVEL, Array, Difference, Figure, resample, settled
from pipeline.metrics.comparison import Measured, paired

FOLD_DRAWS = 400
"""Samples behind the variance of one fold's texts: good to 7%, and the mean of five folds to 3%."""


def minus(a: Measured, b: Measured, folds: ArrayLike, *, draws: int, seed: int) -> Difference:
    """As ``comparison.minus``, over texts that were each tested in one fold, the same on both sides.

    Args:
        folds: [items] the fold that each item was tested in, in every seed.

    Raises:
        ValueError: other items or seeds, or fewer than two folds.
    """
    return difference(paired(a, b), folds, draws=draws, seed=seed)


def figure(measured: Measured, folds: ArrayLike, *, draws: int, seed: int) -> Figure:
    """As ``Measured.figure``, over folds; arguments and errors as in ``minus``."""
    found = difference(measured, folds, draws=draws, seed=seed)
    return Figure(found.value, found.low, found.high, found.n)


def difference(measured: Measured, folds: ArrayLike, *, draws: int, seed: int) -> Difference:
    """A measure that is one side less the other, with the variance of texts and of folds in its interval.

    Seeds are averaged, not drawn: between folds all models differ, so what seeds do shows there.
    """
    items, seeds, width = measured.contributions.shape
    places = np.asarray(folds)
    if places.shape != (items,) or len(np.unique(places)) < 2:
        raise ValueError(f"folds: {len(np.unique(places))} over {places.shape}; two at least over {items} items")

    def averaged(sums: Array) -> Array:
        return measured.statistic(sums.reshape(*sums.shape[:-1], seeds, width)).mean(axis=-1)

    whole = Measured(measured.contributions.reshape(items, 1, -1), averaged)
    value, drawn = resample(whole.contributions, averaged, draws=draws, seed=seed)
    extra, freedom = _beyond_texts(whole, places, float(np.nanvar(drawn)), seed)
    luck = np.random.default_rng([seed, items]).normal(0, np.sqrt(extra), size=draws)
    tail = (1 - LEVEL) / 2
    wider = float(t.ppf(tail, freedom) / norm.ppf(tail)) if extra else 1.0
    return settled(value, value + wider * (drawn + luck - value), items)


def _beyond_texts(whole: Measured, folds: NDArray[np.int64], of_texts: float, seed: int) -> tuple[float, float]:
    """Variance that folds add to the mean over all of them, and the degrees of freedom of the sum with ``of_texts``."""
    parts = [whole.contributions[folds == fold] for fold in np.unique(folds)]
    found = [resample(part, whole.statistic, draws=FOLD_DRAWS, seed=seed) for part in parts]
    observed = float(np.nanvar([value for value, _ in found], ddof=1)) / len(parts)
    expected = float(np.mean([np.nanvar(drawn) for _, drawn in found])) / len(parts)
    extra = max(0.0, observed - expected)
    return extra, (len(parts) - 1) * ((of_texts + extra) / observed) ** 2 if extra else np.inf
