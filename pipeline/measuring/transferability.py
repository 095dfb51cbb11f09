"""Which model is the best to start from? Told from its frozen states and the labels alone, with no tuning.

LogME: You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", section 4: the
evidence of a linear model of the labels. H-score: Bao et al. 2019, with the shrunken covariance of Ibrahim et al. 2022,
"Newer is not always better", section 3. More is better; a score says something beside another on the same texts alone.

Intervals are of halves drawn without replacement (the delete-d jackknife, Shao & Wu 1989): texts that a bootstrap draws
twice look like evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t
from sklearn.covariance import ledoit_wolf

from pipeline.common.errors import InputError
from pipeline.drawing.tables import Cell, Table, amount, number
from pipeline.measuring.layers.ask import Features, pooled_layers
from pipeline.measuring.statistics.bootstrap import LEVEL, Figure
from pipeline.models import loading
from pipeline.models.reader import Reader

Array = NDArray[np.float64]
HALVES = 20
"""Halves that each interval rests on."""
ROUNDS = 100
"""Of the search for noise and prior at most; ten are usual."""


class Suitability(NamedTuple):
    """How well a model's layers suit the labels. ``log_me`` and ``h_score``: [layers + 1], the embeddings first."""

    log_me: Array
    h_score: Array
    halves: Array
    """LogME of each half of the texts, [halves, layers + 1]; the same halves for every model."""

    @property
    def layer(self) -> int:
        """The one to read."""
        return int(self.log_me.argmax())


def log_me(features: ArrayLike, labels: ArrayLike) -> float:
    """Log evidence [nats a text] of a Bayesian linear model of each class's 0/1 column, the mean over classes.

    Args:
        features: [texts, dimensions].
        labels: [texts] class ids.
    """
    table, own = np.asarray(features, dtype=np.float64), np.asarray(labels)
    squares, axes = np.linalg.eigh(table.T @ table)
    squares = squares.clip(min=0)
    targets = np.equal(own[:, None], np.unique(own)).astype(np.float64)
    seen = (axes.T @ (table.T @ targets)).T  # [classes, dimensions], by axis
    totals = (targets**2).sum(axis=0)
    found = [_evidence(squares, along, total, len(own)) for along, total in zip(seen, totals, strict=True)]
    return float(np.mean(found)) / len(own)


def _evidence(squares: Array, along: Array, total: float, texts: int) -> float:
    """Log evidence of one target, at the prior's and the noise's precision that make it largest (equations 1 to 3).

    Args:
        squares: the features' squared singular values, [dimensions].
        along: what features and target share along each axis, [dimensions].
        total: the target's squared length.
    """

    def fit(prior: float, noise: float) -> tuple[Array, float, float]:
        """The weights' precision, [dimensions], their mean's squared length, and what it misses of the target."""
        precision = prior + noise * squares
        mean = noise * along / precision
        return precision, float(mean @ mean), float(total - 2 * mean @ along + squares @ mean**2)

    prior, noise = 1.0, 1.0
    for _ in range(ROUNDS):
        precision, length, missed = fit(prior, noise)
        known, missed = float((noise * squares / precision).sum()), max(missed, 1e-12 * texts)
        before, prior, noise = prior / noise, max(known, 1e-12) / max(length, 1e-12), (texts - known) / missed
        if abs(prior / noise - before) <= 1e-3 * before:
            break
    precision, length, missed = fit(prior, noise)
    fitted = noise * missed + prior * length + float(np.log(precision).sum())
    return 0.5 * (len(squares) * np.log(prior) + texts * np.log(noise / (2 * np.pi)) - fitted)


def h_score(features: ArrayLike, labels: ArrayLike) -> float:
    """How much of the features' spread lies between classes: 0 to one less than there are classes.

    Args:
        features: [texts, dimensions].
        labels: [texts] class ids.
    """
    table, own = np.asarray(features, dtype=np.float64), np.asarray(labels)
    table = table - table.mean(axis=0)
    spread, shrunk = ledoit_wolf(table, assume_centered=True)
    means = np.stack([table[own == label].mean(axis=0) for label in np.unique(own)])
    weights = np.unique(own, return_counts=True)[1] / len(own)
    between = (means.T * weights) @ means
    return float((1 - shrunk) * np.trace(np.linalg.pinv(spread, hermitian=True) @ between))


def suitability(features: Features, labels: Sequence[int], *, halves: int = HALVES, seed: int = 0) -> Suitability:
    """Both scores of every layer, and LogME of halves of the texts.

    Args:
        features: [texts, layers + 1, hidden].
    """
    own, layers = np.asarray(labels), [features[:, layer].astype(np.float64) for layer in range(features.shape[1])]
    random = np.random.default_rng(seed)
    drawn = [random.permutation(len(own))[: len(own) // 2] for _ in range(halves)]
    return Suitability(
        np.array([log_me(layer, own) for layer in layers]),
        np.array([h_score(layer, own) for layer in layers]),
        np.array([[log_me(layer[half], own[half]) for layer in layers] for half in drawn]),
    )


def of_model(folder: Path, reader: Reader, texts: Sequence[str], labels: Sequence[int]) -> Suitability:
    """``suitability`` of a model's states: a text's are the mean of its pieces', read as the model reads.

    Raises:
        InputError: states are not finite, or too large for float16.
    """
    read = [reader.text(text) for text in texts]
    states = pooled_layers(loading.load_masked_lm(folder), reader.tokenizer, read, max_length=reader.max_length)
    if not np.isfinite(states).all():
        raise InputError(f"model {folder}: its states are beyond 65,504, or no numbers; take an earlier one")
    return suitability(states, labels)


def estimate(value: float, halves: Array, texts: int) -> Figure:
    """A score of all texts with its 95% interval, from the score of halves of them."""
    reach = float(t.ppf((1 + LEVEL) / 2, len(halves) - 1) * halves.std(ddof=1))
    return Figure(value, value - reach, value + reach, texts)


def ranking(found: Mapping[str, Suitability], texts: int) -> list[dict[str, Any]]:
    """Models, the best to start from first: ``{"model", "layer", "log_me", "behind", "h_score"}``.

    ``log_me`` and ``behind`` (by how much the first has more; None for the first) carry intervals; both are of each
    model's best layer, and ``behind`` is paired: of the same halves.
    """
    order = sorted(found, key=lambda name: -found[name].log_me.max())
    best = found[order[0]]

    def row(name: str) -> dict[str, Any]:
        own = found[name]
        apart = estimate(
            float(best.log_me.max() - own.log_me.max()),
            best.halves[:, best.layer] - own.halves[:, own.layer],
            texts,
        )
        return {
            "model": name,
            "layer": own.layer,
            "log_me": estimate(float(own.log_me.max()), own.halves[:, own.layer], texts).as_json(),
            "behind": apart.as_json() if own is not best else None,
            "h_score": float(own.h_score.max()),
        }

    return [row(name) for name in order]


def tables(found: Mapping[str, Suitability], texts: int) -> list[Table]:
    """The ranking, and both scores of every layer."""
    rows = [
        (
            Cell(row["model"]),
            number(row["layer"]),
            amount(row["log_me"], 4),
            amount(row["behind"], 4),
            number(row["h_score"], 3),
        )
        for row in ranking(found, texts)
    ]
    columns = ("model", "layer to read", "LogME", "behind the first", "H-score")
    shown = [Table(f"Models to start from, by {texts:,} labelled training texts", columns, tuple(rows))]
    order = [row[0] for row in rows]
    for name, scores in (("LogME", "log_me"), ("H-score", "h_score")):
        by_layer = [[number(float(one), 3) for one in getattr(found[cell.text], scores)] for cell in order]
        count = max(map(len, by_layer))
        lines = (
            (cell, *(cells + [Cell("")] * (count - len(cells)))) for cell, cells in zip(order, by_layer, strict=True)
        )
        shown.append(Table(f"{name} by layer (0: embeddings)", ("model", *map(str, range(count))), tuple(lines)))
    return shown
