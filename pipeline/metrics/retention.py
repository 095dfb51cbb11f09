"""How much general English a model kept: its masked loss and its grammar, each against an earlier model's.

Retention is ``exp(loss before - loss now)`` for masked loss, the factor by which the probability of a hidden piece
changed (geometric mean), and ``(accuracy now - 1/2) / (accuracy before - 1/2)`` for minimal pairs, the share of what
lay above chance. 1 is everything kept. All of it is computed from stored rows; items are documents and pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.bootstrap import Figure, Statistic, interval
from pipeline.metrics.comparison import CHANCE, masked_kept, pairs_kept

Row = Mapping[str, Any]
Array = NDArray[np.float64]


def masked_figures(rows: Sequence[Row], *, draws: int, seed: int) -> dict[str, Figure]:
    """Loss over the base vocabulary and over all rows (nats a masked piece), bits per byte, accuracy.

    Args:
        rows: a document each: sums ``nats``, ``nats_full``, ``masked``, ``correct``, ``bytes``.
    """
    table = np.array([[row[name] for name in ("nats", "nats_full", "masked", "correct", "bytes")] for row in rows])
    statistics: dict[str, Statistic] = {
        "loss": lambda sums: sums[..., 0] / sums[..., 2],
        "loss_full": lambda sums: sums[..., 1] / sums[..., 2],
        "bits_per_byte": lambda sums: sums[..., 1] / (np.log(2) * sums[..., 4]),
        "accuracy": lambda sums: sums[..., 3] / sums[..., 2],
    }
    return {name: interval(table, statistic, draws=draws, seed=seed) for name, statistic in statistics.items()}


def masked_retention(before: Sequence[Row], now: Sequence[Row], *, draws: int, seed: int) -> Figure:
    """exp(loss before - loss now) over the base vocabulary, documents paired."""
    _same_items(before, now)
    nats_before, nats_now = ([row["nats"] for row in rows] for rows in (before, now))
    kept = masked_kept(nats_before, nats_now, [row["masked"] for row in before])
    return kept.figure(draws=draws, seed=seed)


def pair_accuracy(rows: Sequence[Row], *, draws: int, seed: int) -> Figure:
    """Share of minimal pairs whose good sentence is the likelier one.

    Args:
        rows: a pair each: log-likelihoods ``good`` and ``bad``.
    """
    return interval(right(rows)[:, None], lambda sums: sums[..., 0] / len(rows), draws=draws, seed=seed)


def pair_accuracy_by_phenomenon(rows: Sequence[Row], *, draws: int, seed: int) -> dict[str, Figure]:
    """``pair_accuracy`` of each phenomenon, in alphabetical order."""
    found = sorted({str(row["phenomenon"]) for row in rows})
    groups = {name: [row for row in rows if row["phenomenon"] == name] for name in found}
    return {name: pair_accuracy(group, draws=draws, seed=seed) for name, group in groups.items()}


def pair_retention(before: Sequence[Row], now: Sequence[Row], *, draws: int, seed: int) -> Figure | None:
    """(accuracy now - 1/2) / (accuracy before - 1/2), pairs matched by item.

    None where the earlier model is not above chance (its interval covers 1/2): there was nothing to keep.
    """
    _same_items(before, now)
    if pair_accuracy(before, draws=draws, seed=seed).low <= CHANCE:
        return None
    return pairs_kept(right(before), right(now)).figure(draws=draws, seed=seed)


def right(rows: Sequence[Row]) -> Array:
    """1 for each pair whose good sentence is the likelier one, else 0."""
    return np.array([float(row["good"] > row["bad"]) for row in rows])


def _same_items(before: Sequence[Row], now: Sequence[Row]) -> None:
    if [row["id"] for row in before] != [row["id"] for row in now]:
        raise ValueError("retention compares the same items in the same order; measure both models on one set of masks")
