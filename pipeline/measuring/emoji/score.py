"""Do a model and people put emoji in the same order, from negative to positive? Spearman's rank correlation.

Spearman 1904, "The Proof and Measurement of Association between Two Things". The scales differ (a shift of
probabilities here, a share of tweets there), so only the order is compared. Items are emoji.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from pipeline.measuring.statistics.bootstrap import FEWEST_ITEMS, Array, Figure, bounds

_AT_ONCE = 1000
"""Draws that are ranked together: bounds the memory."""

Scale = Mapping[str, float]
"""emoji -> a number; more is more positive."""


def agreement(found: Scale, reference: Scale, *, draws: int, seed: int) -> dict[str, Any] | None:
    """Spearman's rho over the emoji in both, ties sharing their mean rank, with its interval from resampling emoji.

    None with fewer than ``FEWEST_ITEMS`` emoji in both; value None where one side has them all equal.
    """
    return _figure([found], reference, draws=draws, seed=seed)


def gain(found: Scale, other: Scale, reference: Scale, *, draws: int, seed: int) -> dict[str, Any] | None:
    """``agreement`` of ``found`` less that of ``other``, on the emoji in all three, paired draw by draw."""
    return _figure([found, other], reference, draws=draws, seed=seed)


def _figure(sides: Sequence[Scale], reference: Scale, *, draws: int, seed: int) -> dict[str, Any] | None:
    shared = [name for name in reference if all(name in side for side in sides)]
    if len(shared) < FEWEST_ITEMS:
        return None
    table = np.array([[scale[name] for name in shared] for scale in (reference, *sides)], dtype=np.float64)
    random = np.random.default_rng(seed)
    parts = [
        _minus(_rhos(table[:, random.integers(len(shared), size=(min(_AT_ONCE, draws - start), len(shared)))]))
        for start in range(0, draws, _AT_ONCE)
    ]
    value = float(_minus(np.array([[_rho(table[0], side)] for side in table[1:]]))[0])
    return Figure(value, *bounds(np.concatenate(parts), len(shared)), len(shared)).as_json()


def _rho(reference: Array, side: Array) -> float:
    constant = min(np.ptp(reference), np.ptp(side)) == 0
    return float("nan") if constant else float(np.clip(spearmanr(reference, side).statistic, -1, 1))


def _minus(rhos: Array) -> Array:
    """[sides, draws] to [draws]: the one side, or the first less the second."""
    return rhos[0] if len(rhos) == 1 else rhos[0] - rhos[1]


def _rhos(drawn: Array) -> Array:
    """Spearman of the first table with each of the others: [1 + sides, draws, items] to [sides, draws]."""
    ranks = rankdata(drawn, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=-1))
    products = (ranks[:1] * ranks[1:]).sum(axis=-1)
    sizes = norms[:1] * norms[1:]
    rhos = np.divide(products, sizes, out=np.full(products.shape, np.nan), where=sizes > 0)
    return np.clip(rhos, -1, 1)  # rounding can take a perfect one beyond
