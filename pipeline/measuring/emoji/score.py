"""Do a model and people put emoji in the same order, and does a prediction follow its emoji?

The order, from negative to positive, is compared by Spearman's rank correlation (Spearman 1904, "The Proof and
Measurement of Association between Two Things"): the scales differ, a shift of probabilities here, a share of tweets
there. Items are emoji.

Effects are shares of counterfactual texts on which the model did what people would expect. The *lean* of a text is
P(positive) - P(negative). How to read a share:

- a model that always does as expected has 1;
- a model that does not see emoji answers the same whatever is done to them: 0 at ``swap`` and ``delete``, 1 at ``move``
  and ``control``;
- a model whose lean moves at random has 1/2 at ``swap``, ``flips`` and ``delete``.

A model whose tokenizer reads emoji as [UNK] does see that something is there, and may answer otherwise without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from pipeline.common.labels import LABEL_TO_ID
from pipeline.measuring.statistics.bootstrap import FEWEST_ITEMS, Array, Figure, bounds, share

_AT_ONCE = 1000
"""Draws that are ranked together: bounds the memory."""

Scale = Mapping[str, float]
"""emoji -> a number; more is more positive."""
CONFIDENT = 0.9
"""Words are clear if they are called positive or negative with at least this probability."""
NEGATIVE, POSITIVE = LABEL_TO_ID["negative"], LABEL_TO_ID["positive"]

Row = Mapping[str, Any]


def agreement(found: Scale, reference: Scale, *, draws: int, seed: int) -> dict[str, Any] | None:
    """Spearman's rho over the emoji in both, ties sharing their mean rank, with its interval from resampling emoji.

    None with fewer than ``FEWEST_ITEMS`` emoji in both; value None where one side has them all equal.
    """
    shared = [name for name in reference if name in found]
    if len(shared) < FEWEST_ITEMS:
        return None
    table = np.array([[scale[name] for name in shared] for scale in (reference, found)], dtype=np.float64)
    random = np.random.default_rng(seed)
    parts = [
        _rhos(table[:, random.integers(len(shared), size=(min(_AT_ONCE, draws - start), len(shared)))])
        for start in range(0, draws, _AT_ONCE)
    ]
    return Figure(_rho(*table), *bounds(np.concatenate(parts), len(shared)), len(shared)).as_json()


def _rho(reference: Array, side: Array) -> float:
    constant = min(np.ptp(reference), np.ptp(side)) == 0
    return float("nan") if constant else float(np.clip(spearmanr(reference, side).statistic, -1, 1))


def _rhos(drawn: Array) -> Array:
    """Spearman's rho of the two sides in each draw: [2, draws, items] to [draws]."""
    ranks = rankdata(drawn, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=-1))
    products = (ranks[0] * ranks[1]).sum(axis=-1)
    sizes = norms[0] * norms[1]
    rhos = np.divide(products, sizes, out=np.full(products.shape, np.nan), where=sizes > 0)
    return np.clip(rhos, -1, 1)  # rounding can take a perfect one beyond


def effects(rows: Sequence[Row]) -> dict[str, Any]:
    """Figures (share, Wilson's interval, n) of each question; None where no text asks it.

    - ``swap``: of texts whose emoji were swapped for one of the other side, those whose lean moved to that side.
    - ``flips``: of texts whose class changed by the swap, those whose lean moved to that side.
    - ``delete``: of texts whose emoji were all deleted, those whose lean moved away from the emoji's side: without its
      positive emoji a text is less positive.
    - ``move``: of texts whose emoji went to another place, those that kept their class.
    - ``control``: of texts whose words alone are called positive or negative with ``CONFIDENT`` probability, those that
      keep their class whether a positive or a negative emoji is appended. Where the words are neutral nothing is asked:
      there an emoji may decide.

    Args:
        rows: a text each: ``side`` (1, -1 or None), and class probabilities [3], or None, of ``text``, ``words``,
            ``swapped`` and ``moved``. ``appended`` has two of them, and is needed only where the words are clear. Texts
            without emoji have no side and cannot be moved: they count at ``control`` alone.
    """
    sided = [row for row in rows if row["side"] is not None]
    swapped = [row for row in sided if row["swapped"] is not None]
    moved = [row for row in rows if row["moved"] is not None]
    clear = [row for row in rows if row["words"] is not None and is_clear(row["words"])]
    asked = {
        "swap": [_follows(row, "swapped") for row in swapped],
        "flips": [_follows(row, "swapped") for row in swapped if _class(row["swapped"]) != _class(row["text"])],
        "delete": [_follows(row, "words") for row in sided if row["words"] is not None],
        "move": [_class(row["moved"]) == _class(row["text"]) for row in moved],
        "control": [{_class(found) for found in row["appended"]} == {_class(row["words"])} for row in clear],
    }
    return {name: _share(right) for name, right in asked.items()}


def _follows(row: Row, changed: str) -> bool:
    """Whether the lean moved away from the side that the emoji had."""
    return bool(row["side"] * (_lean(row[changed]) - _lean(row["text"])) < 0)


def _lean(found: Sequence[float]) -> float:
    return found[POSITIVE] - found[NEGATIVE]


def _class(found: Sequence[float]) -> int:
    return int(np.argmax(found))


def is_clear(found: Sequence[float]) -> bool:
    """Whether words are called positive or negative with ``CONFIDENT`` probability."""
    return max(found[POSITIVE], found[NEGATIVE]) >= CONFIDENT


def _share(right: Sequence[bool]) -> dict[str, Any] | None:
    return share(right).as_json() if right else None
