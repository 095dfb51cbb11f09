"""Compare arms: what was measured item by item, its figure, one arm minus another, and verdicts on many such pairs.

Everything is brought into one form, sums over items and a statistic of them (see ``bootstrap``), in which more is
better. Retention: Gururangan et al. 2020 measure what adaptation forgets by masked loss on general text; here as the
share exp(loss of the base - loss now) and, on minimal pairs, (accuracy now - 0.5) / (accuracy of the base - 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.measuring.statistics import folds
from pipeline.measuring.statistics.bootstrap import (
    Array,
    Difference,
    Figure,
    Statistic,
    difference,
    holm,
    interval,
    verdict,
)
from pipeline.measuring.statistics.classification import Metric, cells

CHANCE = 0.5
"""Accuracy on minimal pairs of a model that knows nothing."""


@dataclass(frozen=True)
class Measured:
    """Contributions [items, seeds, k] of each item, and the statistic of their sums; more is better."""

    contributions: Array
    statistic: Statistic
    folds: NDArray[np.int64] | None = None
    """[items] the fold that tested each, if any; texts of a fold share a model, which intervals count (``folds``)."""
    least: float = -np.inf
    most: float = np.inf
    """What the statistic can be: an interval that was widened for folds ends there."""

    @property
    def value(self) -> float:
        """The figure's value alone."""
        return float(self.statistic(self.contributions.sum(axis=0)).mean())

    def figure(self, *, draws: int, seed: int) -> Figure:
        """The value on all items, averaged over seeds, with its 95% interval."""
        if self.folds is None:
            return interval(self.contributions, self.statistic, draws=draws, seed=seed)
        found = folds.interval(self.contributions, self.statistic, self.folds, draws=draws, seed=seed)
        low, high = np.clip([found.low, found.high], self.least, self.most).tolist()
        return Figure(found.value, low, high, found.n)


def minus(a: Measured, b: Measured, *, draws: int, seed: int) -> Difference:
    """The figure of a less that of b over the same items in the same order, paired item by item and seed by seed.

    Where b has one seed (a floor that draws no numbers), it stands beside each seed of a.

    Raises:
        ValueError: other items, or seeds that cannot be paired.
    """
    both = paired(a, b)
    if both.folds is not None:
        return folds.difference(both.contributions, both.statistic, both.folds, draws=draws, seed=seed)
    return difference(both.contributions, both.statistic, draws=draws, seed=seed)


def paired(a: Measured, b: Measured) -> Measured:
    """The figure of a less that of b as one measure of the same items; arguments and errors as in ``minus``."""
    width, beside = a.contributions.shape[-1], b.contributions
    if beside.shape[1] == 1:
        beside = np.repeat(beside, a.contributions.shape[1], axis=1)
    if a.contributions.shape[:2] != beside.shape[:2]:
        raise ValueError(f"minus: items and seeds {a.contributions.shape[:2]} against {beside.shape[:2]}")
    both = np.concatenate([a.contributions, beside], axis=-1)
    return Measured(both, lambda sums: a.statistic(sums[..., :width]) - b.statistic(sums[..., width:]), a.folds)


def classified(
    labels: ArrayLike,
    predicted: ArrayLike,
    metric: Metric,
    tested_in: Sequence[int] | None = None,
    corpora: Sequence[str] | None = None,
) -> Measured:
    """A classification metric; ``predicted`` is [items] or [seeds, items] of class ids.

    Args:
        tested_in: the fold of each item, where cross-validation tested them. Fewer than two folds say nothing.
        corpora: the corpus of each item: the metric is then its mean over corpora, large and small alike.
    """
    found = cells(labels, np.atleast_2d(np.asarray(predicted)))
    _, own = np.unique(corpora if corpora is not None else [""] * found.shape[-1], return_inverse=True)
    count = int(own.max(initial=0)) + 1
    places = np.asarray(tested_in) if tested_in is not None and len(set(tested_in)) > 1 else None
    return Measured(
        np.eye(9 * count)[9 * own + found].swapaxes(0, 1),
        lambda sums: metric(sums.reshape(*sums.shape[:-1], count, 3, 3)).mean(axis=-1),
        places,
        least=0.0,
        most=1.0,
    )


def masked_kept(nats_base: ArrayLike, nats: ArrayLike, masked: ArrayLike) -> Measured:
    """Share kept on masked words: exp(mean nats of the base - mean nats now).

    Args:
        nats_base, masked: [documents], sums over a document's masked pieces, and how many those are.
        nats: [documents] or [seeds, documents], of the model in question.
    """
    now = np.atleast_2d(np.asarray(nats, dtype=np.float64)).T
    columns = [
        np.broadcast_to(np.asarray(column, dtype=np.float64)[:, None], now.shape) for column in (nats_base, masked)
    ]
    return Measured(
        np.stack([columns[0], now, columns[1]], axis=-1),
        lambda sums: np.exp((sums[..., 0] - sums[..., 1]) / sums[..., 2]),
    )


def pairs_kept(right_base: ArrayLike, right: ArrayLike) -> Measured:
    """Share kept on minimal pairs, above chance.

    Args:
        right_base: [pairs], true where the good sentence is the likelier one.
        right: [pairs] or [seeds, pairs], of the model in question.
    """
    now = np.atleast_2d(np.asarray(right, dtype=np.float64)).T
    base = np.broadcast_to(np.asarray(right_base, dtype=np.float64)[:, None], now.shape)

    def share(sums: Array) -> Array:
        above = sums[..., 0] - CHANCE * sums[..., 2]
        return np.divide(sums[..., 1] - CHANCE * sums[..., 2], above, out=np.full(above.shape, np.nan), where=above > 0)

    return Measured(np.stack([base, now, np.ones_like(now)], axis=-1), share)


def verdicts(differences: Sequence[Difference]) -> list[tuple[float, str]]:
    """Adjusted p and verdict of each of several comparisons that are read together (Holm's correction over all)."""
    adjusted = holm([found.p for found in differences])
    return [(p, verdict(found, p)) for p, found in zip(adjusted, differences, strict=True)]
