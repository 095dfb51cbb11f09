"""Intervals for cross-validated predictions: the texts of a fold share a model, so they are right or wrong together.

Resampling texts alone takes a fold's luck for proof. Here the variance between folds *beyond* what their texts explain
is estimated by moments (DerSimonian & Laird 1986, "Meta-Analysis in Clinical Trials", with folds as the trials) and
added, with Student's t for the few folds it rests on (Satterthwaite 1946). What folds have in common, being trained on
overlapping texts, no estimate from one corpus can show (Bengio & Grandvalet 2004): the interval is about such models
of this corpus, not about other corpora.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, t

from pipeline.measuring.statistics.bootstrap import LEVEL, Array, Difference, Figure, Statistic, resample, settled

FOLD_DRAWS = 400
"""Samples behind the variance of one fold's texts: good to 7%, and the mean of five folds to 3%."""


def interval(contributions: Array, statistic: Statistic, folds: ArrayLike, *, draws: int, seed: int) -> Figure:
    """As ``bootstrap.interval``, over folds; arguments and errors as in ``difference``."""
    found = difference(contributions, statistic, folds, draws=draws, seed=seed)
    return Figure(found.value, found.low, found.high, found.n)


def difference(contributions: Array, statistic: Statistic, folds: ArrayLike, *, draws: int, seed: int) -> Difference:
    """As ``bootstrap.difference``, with the variance of texts and of folds in the interval.

    Seeds are averaged, not drawn: between folds all models differ, so what seeds do shows there.

    Args:
        contributions: [items, seeds, k].
        folds: [items] the fold that each item was tested in, the same in every seed.

    Raises:
        ValueError: not a fold for each item, or fewer than two.
    """
    items, seeds, width = contributions.shape
    places = np.asarray(folds)
    if places.shape != (items,) or len(np.unique(places)) < 2:
        raise ValueError(f"folds: {len(np.unique(places))} over {places.shape}; two at least over {items} items")

    def averaged(sums: Array) -> Array:
        return statistic(sums.reshape(*sums.shape[:-1], seeds, width)).mean(axis=-1)

    table = contributions.reshape(items, 1, -1)
    value, drawn = resample(table, averaged, draws=draws, seed=seed)
    parts = [table[places == fold] for fold in np.unique(places)]
    extra, freedom = _beyond_texts([resample(part, averaged, draws=FOLD_DRAWS, seed=seed) for part in parts], drawn)
    luck = np.random.default_rng([seed, items]).normal(0, np.sqrt(extra), size=draws)
    tail = (1 - LEVEL) / 2
    wider = float(t.ppf(tail, freedom) / norm.ppf(tail)) if extra else 1.0
    return settled(value, value + wider * (drawn + luck - value), items)


def _beyond_texts(found: Sequence[tuple[float, Array]], drawn: Array) -> tuple[float, float]:
    """Variance that folds add to the mean over all of them, and the degrees of freedom of its sum with the texts'.

    Args:
        found: of each fold, its value and draws of its texts. Folds that do not settle the figure are left out.
        drawn: of all texts.
    """
    defined = [(value, draws) for value, draws in found if not np.isnan(value)]
    if len(defined) < 2:
        return 0.0, np.inf
    observed = float(np.var([value for value, _ in defined], ddof=1)) / len(defined)
    expected = float(np.mean([np.nanvar(draws) for _, draws in defined])) / len(defined)
    extra = max(0.0, observed - expected)
    whole = float(np.nanvar(drawn)) + extra
    return extra, (len(defined) - 1) * (whole / observed) ** 2 if extra else np.inf
