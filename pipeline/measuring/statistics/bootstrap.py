"""How sure a figure is: percentile intervals and paired differences from resampling the items it was measured on.

Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13; paired resampling for comparing two systems on
the same test items: Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation"; several verdicts
at once: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".

Every statistic here is a function of sums over items (a ratio of sums, a confusion matrix), so an item is given by its
*contributions* to those sums and a draw is one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

LEVEL = 0.95
FEWEST_ITEMS = 6
"""Below it no verdict: even if all of 5 items agree, chance does as much in 2 of 32 cases, more than 5%."""
Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Maps sums over items [..., k] to the statistic [...]."""


@dataclass(frozen=True)
class Figure:
    """A value on all items, its 95% interval, and the number of items."""

    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> Any:
        """The figure as it stands in the artifacts; None for what the items do not settle (a class that none has)."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: float(end) if math.isfinite(end) else None for name, end in ends.items()} | {"n": self.n}


@dataclass(frozen=True)
class Difference(Figure):
    """A figure of one side minus that of the other; ``p`` is the two-sided share of draws across zero."""

    p: float

    def as_json(self) -> Any:
        """The difference alone: what is made of it depends on what else is asked (``ladder.judge``)."""
        return super().as_json() | {"p": self.p}


def resample(
    contributions: ArrayLike, statistic: Statistic, strata: ArrayLike | None = None, *, draws: int, seed: int
) -> tuple[Array, Array]:
    """The statistic of each seed on all items, and on ``draws`` samples of as many items drawn with replacement.

    Args:
        contributions: [items, k], or [items, seeds, k]: an item is drawn for all seeds alike.
        statistic: from sums [..., k] to values [...].
        strata: [items] the class of each: as many are drawn of each class as there are.

    Returns:
        [seeds] and [draws, seeds]; what seeds add to the variance is for ``variance`` to say.
    """
    table = np.asarray(contributions, dtype=np.float64)
    if table.ndim == 2:
        table = table[:, None, :]
    items, seeds, width = table.shape
    if items == 0:
        raise ValueError("resample: no items to draw from; leave the figure out instead")
    random = np.random.default_rng(seed)
    kinds = np.zeros(items) if strata is None else np.asarray(strata)
    drawn = np.zeros((draws, seeds * width))
    for kind in np.unique(kinds):
        # Items that contribute the same are drawn as one group: exact, and a confusion matrix has few groups.
        flat = np.ascontiguousarray(table[kinds == kind]).reshape(-1, seeds * width)
        rows = flat.view(np.dtype((np.void, flat.itemsize * flat.shape[1]))).ravel()  # by bytes: ten times as fast
        _, first, counts = np.unique(rows, return_index=True, return_counts=True)
        drawn += random.multinomial(len(flat), counts / len(flat), size=draws) @ flat[first]
    return np.asarray(statistic(table.sum(axis=0))), np.asarray(statistic(drawn.reshape(draws, seeds, width)))


def interval(contributions: ArrayLike, statistic: Statistic, *, draws: int, seed: int) -> Figure:
    """The statistic of one model with its 95% interval; arguments as in ``resample``. Undefined draws are left out."""
    (value,), drawn = resample(contributions, statistic, draws=draws, seed=seed)
    items = len(np.asarray(contributions))
    return Figure(float(value), *bounds(drawn, items), items)


def share(right: ArrayLike) -> Figure:
    """The share of independent items that are right, with Wilson's interval: no item wrong is no proof of none.

    Wilson 1927; Brown, Cai & DasGupta 2001, "Interval Estimation for a Binomial Proportion". NaN of no items.
    """
    values = np.asarray(right, dtype=np.float64)
    if not len(values):
        return Figure(math.nan, math.nan, math.nan, 0)
    return Figure(float(values.mean()), *wilson(float(values.mean()), len(values)), len(values))


def wilson(value: float, trials: float, reach: float = float(norm.ppf((1 + LEVEL) / 2))) -> tuple[float, float]:
    """Wilson's interval of a share of so many trials, ``reach`` standard errors to either side."""
    weight = reach**2 / trials
    centre = (value + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (value * (1 - value) + weight / 4)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


def settled(value: float, drawn: Array, items: int) -> Difference:
    """The difference that a value and its draws from resampling so many items come to."""
    below, above, undefined = (int(kind.sum()) for kind in (drawn <= 0, drawn >= 0, np.isnan(drawn)))
    p = min(1.0, 2 * (min(below, above) + undefined + 1) / (len(drawn) + 1))  # +1: no number of draws shows a p of 0
    return Difference(value, *bounds(drawn, items), items, p)


def verdict(found: Difference, p: float | None = None, margin: float = 0.0) -> str:
    """``better``, ``worse``, ``no-worse`` or ``undecided``; nothing on few items.

    Better and worse are claims of a difference: never with an interval that covers zero, and not where the other
    claims of the family leave too much to chance. No worse is a claim of its own, non-inferiority: the whole interval
    lies above -margin, whatever else was asked (Wellek 2010, "Testing Statistical Hypotheses of Equivalence and
    Noninferiority", chapter 1). That no difference was shown is no such claim.

    Args:
        found: a difference where more is better.
        p: its p adjusted for the other verdicts of its family (``holm``); default: its own.
        margin: what does not matter; 0: no such claim is made.
    """
    if found.n < FEWEST_ITEMS:
        return "undecided"
    if (found.p if p is None else p) < 1 - LEVEL and (found.low > 0 or found.high < 0):
        return "better" if found.low > 0 else "worse"
    return "no-worse" if margin and found.low > -margin else "undecided"


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: reject where one stays below the level (Holm 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def bounds(drawn: Array, items: int, level: float = LEVEL) -> tuple[float, float]:
    """Percentiles of the draws, moved outwards for small samples, where plain percentiles are too narrow.

    The expanded percentile interval: Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 5.
    """
    freedom = max(1, items - 1)
    tail = float(norm.cdf(t.ppf((1 - level) / 2, freedom) * np.sqrt(1 + 1 / freedom)))
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
