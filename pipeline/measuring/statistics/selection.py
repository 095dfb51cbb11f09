"""What is left of the lead of the best of many, on texts that had no say in which that is.

Tsamardinos, Greasidou & Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and accurate
cross-validation" (BBC-CV), algorithm 2: of each sample of the texts, drawn with replacement, the best is chosen anew,
and judged by the texts that were not drawn. No model is trained again, nor asked again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.measuring.statistics.bootstrap import Array, Figure, bounds


def lead_left(strata: ArrayLike, rival: ArrayLike, found: ArrayLike, *, draws: int, seed: int) -> Figure:
    """The lead over ``rival`` that whoever leads among ``found`` on drawn texts has on the others.

    It leans to the modest side, as a sample holds five texts in eight, and so chooses by fewer than all.

    Args:
        strata: [texts] the class of each; scores are means over classes, and samples are drawn class by class.
        rival: [texts] how right it was of each, from 0 to 1.
        found: [candidates, texts] the same of those to choose from.

    Returns:
        The mean over draws, with the interval of the drawn leads; ``n``: texts. NaN where a class has no text left in
        any draw, as of a single one.
    """
    kinds, own = np.unique(np.asarray(strata), return_inverse=True)
    before, after = np.asarray(rival, np.float64), np.asarray(found, np.float64)
    random = np.random.default_rng(seed)
    scores, leads = np.zeros((draws, len(after))), np.zeros((draws, len(after)))
    for kind in range(len(kinds)):
        here = own == kind
        many = int(here.sum())
        drawn = random.multinomial(many, np.full(many, 1 / many), size=draws).astype(np.float64)
        scores += drawn @ after[:, here].T / many
        leads += _left(drawn == 0, (after - before)[:, here].T)
    leads = leads[np.arange(draws), scores.argmax(axis=1)] / len(kinds)
    if np.isnan(leads).all():
        return Figure(np.nan, np.nan, np.nan, len(own))
    return Figure(float(np.nanmean(leads)), *bounds(leads, int(np.bincount(own).min())), len(own))


def _left(left: NDArray[np.bool_], values: Array) -> Array:
    """Means [draws, candidates] of values [texts, candidates] over the texts left in each draw; NaN of none."""
    count = left.sum(axis=1, keepdims=True)
    return np.divide(left @ values, count, out=np.full((len(left), values.shape[1]), np.nan), where=count > 0)
