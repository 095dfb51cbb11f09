"""Compare arms: what was measured item by item, its figure, one arm minus another, and verdicts on many such pairs.

Everything is brought into one form, sums over items and a statistic of them (see ``bootstrap``), in which more is
better. Retention: Gururangan et al. 2020 measure what adaptation forgets by masked loss on general text; here as the
share exp(loss of the base - loss now) and, on minimal pairs, (accuracy now - 0.5) / (accuracy of the base - 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from pipeline.measuring.statistics import variance
from pipeline.measuring.statistics.bootstrap import (
    FEWEST_ITEMS,
    LEVEL,
    Array,
    Difference,
    Figure,
    Statistic,
    bounds,
    holm,
    settled,
    verdict,
    wilson,
)
from pipeline.measuring.statistics.classification import Metric, accuracy, cells, macro_recall, of_class

CHANCE = 0.5
"""Accuracy on minimal pairs of a model that knows nothing."""
FEWEST_OF_CLASS = 10
"""Texts of a class below which no macro-recall is told: a third of it would rest on so few."""


def _right(sums: Array) -> tuple[Array, Array]:
    matrix = sums.reshape(3, 3)
    return np.array([accuracy(matrix)]), np.array([matrix.sum()])


def _found(sums: Array) -> tuple[Array, Array]:
    matrix = sums.reshape(3, 3)
    occurs = matrix.sum(axis=1) > 0
    return of_class(matrix, "recall")[occurs], matrix.sum(axis=1)[occurs]


SHARES_OF: dict[Metric, Callable[[Array], tuple[Array, Array]]] = {accuracy: _right, macro_recall: _found}
"""The shares that a metric is the mean of, and what each is of."""


@dataclass(frozen=True)
class Measured:
    """Contributions [items, seeds, k] of each item, and the statistic of their sums; more is better."""

    contributions: Array
    statistic: Statistic
    folds: NDArray[np.int64] | None = None
    """[items] the fold that tested each, if any: its texts share a model, which intervals count (``variance``)."""
    strata: NDArray[np.int64] | None = None
    """[items] the class of each, where samples are drawn class by class."""
    least: float = -np.inf
    most: float = np.inf
    """What the statistic can be: an interval that was widened for folds or seeds ends there."""
    shares: Callable[[Array], tuple[Array, Array]] | None = None
    """Of a mean of plain shares: from sums [k] the shares and what each is of. Its interval is then put together from
    Wilson's of each (Zou & Donner 2008, "Construction of confidence limits about effect measures"), which near 0 and 1
    does not shrink to none."""
    told: int | None = None
    """How many items it was measured on, where groups of them are drawn whole."""
    enough: bool = True
    """Whether there are texts enough to tell it."""

    @property
    def value(self) -> float:
        """The figure's value alone."""
        return float(self.statistic(self.contributions.sum(axis=0)).mean())

    @property
    def items(self) -> int:
        """On how many items it was measured."""
        return self.told or len(self.contributions)

    @property
    def weight(self) -> int:
        """The items that the interval's small-sample expansion goes by: those of the rarest class, if that is asked."""
        items = len(self.contributions)
        return items if self.strata is None else int(np.unique(self.strata, return_counts=True)[1].min())

    def resampled(self, *, draws: int, seed: int) -> tuple[float, Array]:
        """The value on all items, averaged over seeds, and draws of it (``variance.resampled``)."""
        how = {"draws": draws, "seed": seed}
        return variance.resampled(self.contributions, self.statistic, self.folds, self.strata, **how)

    def figure(self, *, draws: int, seed: int) -> Figure:
        """The value on all items, averaged over seeds, with its 95% interval."""
        if not self.enough:
            return Figure(math.nan, math.nan, math.nan, self.items)
        value, drawn = self.resampled(draws=draws, seed=seed)
        if self.shares and math.isfinite(value):
            return Figure(value, *self._around(value, drawn), self.items)
        low, high = bounds(drawn, self.weight)
        low, high = np.clip([low, high], self.least, self.most).tolist()
        return Figure(value, low, high, self.items)

    def _around(self, value: float, drawn: Array) -> tuple[float, float]:
        """The interval of a mean of shares; where models or folds add to its variance, of as many fewer trials."""
        assert self.shares is not None
        shares, trials = self.shares(self.contributions.mean(axis=1).sum(axis=0))
        low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        spread = ((high - low) / (2 * norm.ppf((1 + LEVEL) / 2))) ** 2
        expected = float((shares * (1 - shares) / trials).sum()) / len(shares) ** 2
        fewer = min(1.0, expected / spread) if spread and expected else 1.0
        ends = np.array([wilson(share, fewer * of) for share, of in zip(shares, trials, strict=True)])
        down, up = np.sqrt(((ends - shares[:, None]) ** 2).sum(axis=0)) / len(shares)
        return max(0.0, value - down), min(1.0, value + up)

    def at_least(self, *, draws: int, seed: int) -> float:
        """The one-sided 95% lower bound: what the value is at least."""
        _, drawn = self.resampled(draws=draws, seed=seed)
        return bounds(drawn, self.weight, 2 * LEVEL - 1)[0]


def minus(a: Measured, b: Measured, *, draws: int, seed: int) -> Difference:
    """The figure of a less that of b over the same items in the same order, paired item by item and seed by seed.

    Where b has one seed (a floor that draws no numbers), it stands beside each seed of a.

    Raises:
        ValueError: other items, or seeds that cannot be paired.
    """
    both = paired(a, b)
    if not both.enough:
        return Difference(math.nan, math.nan, math.nan, both.items, 1.0)
    value, drawn = both.resampled(draws=draws, seed=seed)
    return replace(settled(value, drawn, both.weight), n=both.items)


def paired(a: Measured, b: Measured) -> Measured:
    """The figure of a less that of b as one measure of the same items; arguments and errors as in ``minus``."""
    beside = b.contributions
    if beside.shape[1] == 1:
        beside = np.repeat(beside, a.contributions.shape[1], axis=1)
    if a.contributions.shape[:2] != beside.shape[:2]:
        raise ValueError(f"minus: items and seeds {a.contributions.shape[:2]} against {beside.shape[:2]}")
    return along([a, replace(b, contributions=beside)], lambda values: values[..., 0] - values[..., 1])


def measurable(a: Measured, b: Measured) -> bool:
    """Whether there is a difference to be told; arguments and errors as in ``minus``."""
    both = paired(a, b)
    return both.enough and math.isfinite(both.value)


def along(measured: Sequence[Measured], of: Statistic) -> Measured:
    """A figure of several measures of the same items, drawn together; ``of`` takes their values [..., measures]."""
    ends = np.cumsum([one.contributions.shape[-1] for one in measured])[:-1].tolist()

    def statistic(sums: Array) -> Array:
        parts = zip(measured, np.split(sums, ends, axis=-1), strict=True)
        return of(np.stack([one.statistic(part) for one, part in parts], axis=-1))

    return Measured(
        np.concatenate([one.contributions for one in measured], axis=-1),
        statistic,
        measured[0].folds,
        measured[0].strata,
        told=measured[0].told,
        enough=all(one.enough for one in measured),
    )


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
    strata = 3 * own + np.asarray(labels, dtype=np.int64) if metric is macro_recall else None
    return Measured(
        np.eye(9 * count)[9 * own + found].swapaxes(0, 1),
        lambda sums: metric(sums.reshape(*sums.shape[:-1], count, 3, 3)).mean(axis=-1),
        places,
        strata,
        least=0.0,
        most=1.0,
        shares=SHARES_OF.get(metric) if count == 1 else None,
        enough=strata is None
        or not len(strata)
        or int(np.bincount(strata)[np.unique(strata)].min()) >= FEWEST_OF_CLASS,
    )


def clustered(measured: Measured, groups: Sequence[str]) -> Measured:
    """The same measure with groups of items drawn whole; item by item where there are too few groups to draw from."""
    kinds, own = np.unique(groups, return_inverse=True)
    if len(kinds) < FEWEST_ITEMS:
        return measured
    sums = np.zeros((len(kinds), *measured.contributions.shape[1:]))
    np.add.at(sums, own, measured.contributions)
    return replace(measured, contributions=sums, told=len(own))


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


def verdicts(differences: Sequence[Difference], margin: float = 0.0) -> list[tuple[float, str]]:
    """Adjusted p and verdict of each of several comparisons that are read together (Holm's correction over all)."""
    adjusted = holm([found.p for found in differences])
    return [(p, verdict(found, p, margin)) for p, found in zip(adjusted, differences, strict=True)]
