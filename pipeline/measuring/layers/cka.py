"""How alike two models' representations are, layer by layer: linear CKA, which no rotation or scaling changes.

Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", section 3 (equation 5): with centred
features, ``|X'Y|^2 / (|X'X| |Y'Y|)`` in Frobenius norms. 1 is the same up to rotation and scale. With few sentences and
many dimensions, features that have nothing to do with each other do not reach 0; read it against two seeds of one arm:
a layer that is no less like the base than they are like each other has not moved by anything one could point to.
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


def linear_cka(a: ArrayLike, b: ArrayLike) -> Figure:
    """Linear CKA of two models' features of the same sentences, with a 95% jackknife interval.

    Drawing sentences with replacement would not do: a sentence that stands there twice makes any two models more alike.
    The jackknife leaves each out once (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11).

    Args:
        a, b: [sentences, hidden]; the widths may differ.

    Returns:
        NaN where all sentences have the same features.
    """
    x, y = (_centred(side) for side in (a, b))
    if len(x) != len(y):
        raise ValueError(f"CKA compares the same sentences: {len(x)} against {len(y)}")
    values = _ratio(*(_alignment(*pair) for pair in ((x, y), (x, x), (y, y))))
    value, without = float(values[0]), values[1:]
    error = math.sqrt((len(x) - 1) / len(x) * float(((without - without.mean()) ** 2).sum()))
    reach = float(t.ppf((1 + LEVEL) / 2, max(1, len(x) - 1))) * error
    low, high = np.clip([value - reach, value + reach], 0.0, 1.0).tolist()
    return Figure(value, low, high, len(x))


def by_layer(a: ArrayLike, b: ArrayLike) -> list[Figure]:
    """``linear_cka`` of each layer; ``a`` and ``b`` are [sentences, layers, hidden]."""
    one, other = np.asarray(a), np.asarray(b)
    if one.shape[:2] != other.shape[:2]:
        raise ValueError(f"CKA by layer: sentences and layers {one.shape[:2]} against {other.shape[:2]}")
    return [linear_cka(one[:, layer], other[:, layer]) for layer in range(one.shape[1])]


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


def _alignment(x: Array, y: Array) -> Array:
    """``|X'Y|^2`` on all rows, then without each row in turn: [rows + 1].

    Leaving row i out of centred features takes ``n/(n-1) x_i' y_i`` from ``X'Y``, so one product serves them all.
    """
    cross, share = x.T @ y, len(x) / max(1, len(x) - 1)
    whole = float((cross**2).sum())
    across = ((x @ cross) * y).sum(axis=1)
    sizes = (x**2).sum(axis=1) * (y**2).sum(axis=1)
    return np.concatenate([[whole], whole - 2 * share * across + share**2 * sizes])


def _ratio(both: Array, first: Array, second: Array) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (both / np.sqrt(np.maximum(0.0, first) * np.maximum(0.0, second))).round(9)
