"""How alike two models' representations are, layer by layer: linear CKA, which no rotation or scaling changes.

Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", section 3 (equation 5): with centred
features, ``|X'Y|^2 / (|X'X| |Y'Y|)`` in Frobenius norms, each norm here the unbiased estimate of Song et al. 2012,
"Feature Selection via Dependence Maximization", section 2.3: with few sentences and many dimensions the plain one finds
likeness between features that have nothing to do with each other. 1 is the same up to rotation and scale, 0 is
unrelated; what chance reaches is told by sentences put in another order (``by_chance``). Read it against two seeds of
one arm: a layer that is no less like the base than they are like each other has not moved by anything one could
point to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t

from pipeline.measuring.statistics.bootstrap import LEVEL, Figure

Array = NDArray[np.float64]
FEWEST = 5
"""Sentences: the estimate takes four, and each is left out once."""
ORDERS = 50
"""Orders of the sentences that tell what chance reaches."""


def linear_cka(a: ArrayLike, b: ArrayLike) -> Figure:
    """Linear CKA of two models' features of the same sentences, with a 95% jackknife interval.

    Drawing sentences with replacement would not do: a sentence that stands there twice makes any two models more alike.
    The jackknife leaves each out once (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11).

    Args:
        a, b: [sentences, hidden]; the widths may differ.

    Returns:
        NaN where all sentences have the same features, or there are fewer than ``FEWEST``.
    """
    x, y = (_centred(side) for side in (a, b))
    if len(x) != len(y):
        raise ValueError(f"CKA compares the same sentences: {len(x)} against {len(y)}")
    if len(x) < FEWEST:
        return Figure(math.nan, math.nan, math.nan, len(x))
    k, ell = _gram(x), _gram(y)
    values = _ratio(*(_alignment(*pair) for pair in ((k, ell), (k, k), (ell, ell))))
    value, without = float(values[0]), values[1:]
    error = math.sqrt((len(x) - 1) / len(x) * float(((without - without.mean()) ** 2).sum()))
    reach = float(t.ppf((1 + LEVEL) / 2, max(1, len(x) - 1))) * error
    low, high = np.clip([value - reach, value + reach], -1.0, 1.0).tolist()
    return Figure(value, low, high, len(x))


def by_layer(a: ArrayLike, b: ArrayLike) -> list[Figure]:
    """``linear_cka`` of each layer; ``a`` and ``b`` are [sentences, layers, hidden]."""
    one, other = np.asarray(a), np.asarray(b)
    if one.shape[:2] != other.shape[:2]:
        raise ValueError(f"CKA by layer: sentences and layers {one.shape[:2]} against {other.shape[:2]}")
    return [linear_cka(one[:, layer], other[:, layer]) for layer in range(one.shape[1])]


def by_chance(features: ArrayLike) -> list[dict[str, Any]]:
    """Likeness that chance reaches on each layer of [sentences, layers, hidden] in 19 of 20 cases, as figures.

    Sentences are put in another order on one side: what is left is the likeness of features that are unrelated.
    """
    table, random = np.asarray(features), np.random.default_rng(0)
    orders = [random.permutation(len(table)) for _ in range(ORDERS)]
    found = []
    for layer in range(table.shape[1] if len(table) >= FEWEST else 0):
        gram = _gram(_centred(table[:, layer]))
        reached = [_alignment(gram, gram[order][:, order])[0] for order in orders]
        level = float(np.quantile(reached, LEVEL) / _alignment(gram, gram)[0])
        found.append({"value": level, "low": None, "high": None, "n": len(table)})
    return found


def against(seen: Mapping[str, ArrayLike]) -> dict[str, list[dict[str, Any]]]:
    """CKA by layer of every other model with ``base``, as retention.json has it.

    Args:
        seen: [sentences, 2, layers, hidden] of each model, or none; of each pair of texts the first counts.
    """
    return {
        model: [figure.as_json() for figure in by_layer(np.asarray(seen["base"])[:, 0], np.asarray(features)[:, 0])]
        for model, features in seen.items()
        if model != "base"
    }


def _centred(features: ArrayLike) -> Array:
    table = np.asarray(features, dtype=np.float64)
    found: Array = table - table.mean(axis=0)
    return found


def _gram(x: Array) -> Array:
    """Inner products of each row with each other; none with itself, which is where the bias is from."""
    found: Array = x @ x.T
    np.fill_diagonal(found, 0.0)
    return found


def _alignment(k: Array, ell: Array) -> Array:
    """Unbiased ``|X'Y|^2`` by two such matrices, on all rows, then without each row in turn: [rows + 1]."""
    n, both, rows_k, rows_l = len(k), (k * ell).sum(axis=1), k.sum(axis=1), ell.sum(axis=1)
    crossed = rows_k @ rows_l
    whole = _unbiased(n, both.sum(), rows_k.sum(), rows_l.sum(), crossed)
    sums = both.sum() - 2 * both, rows_k.sum() - 2 * rows_k, rows_l.sum() - 2 * rows_l
    without = _unbiased(n - 1, *sums, crossed - rows_k * rows_l - k @ rows_l - ell @ rows_k + both)
    return np.concatenate([[whole], without])


def _unbiased(n: int, both: Any, sum_k: Any, sum_l: Any, crossed: Any) -> Any:
    """Song et al. 2012, equation 3."""
    return (both + sum_k * sum_l / ((n - 1) * (n - 2)) - 2 * crossed / (n - 2)) / (n * (n - 3))


def _ratio(both: Array, first: Array, second: Array) -> Any:
    sizes = np.sqrt(np.maximum(0.0, first) * np.maximum(0.0, second))
    return np.divide(both, sizes, out=np.full(both.shape, np.nan), where=sizes > 0).round(9)
