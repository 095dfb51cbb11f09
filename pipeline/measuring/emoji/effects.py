"""Does a prediction follow its emoji? Shares of counterfactual texts on which the model did what people would expect.

The *lean* of a text is P(positive) - P(negative). 1 is a model that always does as expected. To one that drops
every emoji nothing moves: 0 at ``swap`` and ``delete``, 1 at ``move`` and ``control``. One that moves at random has 1/2
at ``swap``, ``flips`` and ``delete``. A tokenizer that makes [UNK] of emoji drops none: an [UNK] has its own effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.common.labels import LABEL_TO_ID
from pipeline.measuring.statistics.bootstrap import Array, interval

CONFIDENT = 0.9
"""Words are clear from this probability on."""
NEGATIVE, POSITIVE = LABEL_TO_ID["negative"], LABEL_TO_ID["positive"]

Row = Mapping[str, Any]


def effects(rows: Sequence[Row], *, draws: int, seed: int) -> dict[str, Any]:
    """Figures (share, interval from resampling texts, n) of each question; None where no text asks it.

    - ``swap``: of texts whose emoji were swapped for one of the other side, those whose lean moved to that side.
    - ``flips``: of texts whose class changed by the swap, those whose lean moved to that side.
    - ``delete``: of texts whose emoji were all deleted, so that the words alone speak, those whose lean moved away from
      the emoji's side: what a positive emoji gave goes with it. (To ask whether the prediction comes nearer to that of
      the words alone would ask nothing, as it is that prediction.)
    - ``move``: of texts whose emoji went to another place, those that kept their class.
    - ``control``: of texts whose words alone are called positive or negative with ``CONFIDENT`` probability, those that
      keep their class with an emoji of either side appended. Neutral words are not asked: there an emoji may decide.

    Args:
        rows: a text each: ``side`` (1, -1 or None), and class probabilities [3], or None, of ``text``, ``words``,
            ``swapped`` and ``moved``; of ``appended`` two of them. Of texts without emoji only ``words`` and
            ``appended`` are looked at, as they have no side and cannot be moved.
    """
    sided = [row for row in rows if row["side"] is not None]
    swapped = [row for row in sided if row["swapped"] is not None]
    moved = [row for row in rows if row["moved"] is not None]
    clear = [row for row in rows if row["words"] is not None and _is_clear(row["words"])]
    asked = {
        "swap": [_follows(row, "swapped") for row in swapped],
        "flips": [_follows(row, "swapped") for row in swapped if _class(row["swapped"]) != _class(row["text"])],
        "delete": [_follows(row, "words") for row in sided if row["words"] is not None],
        "move": [_class(row["moved"]) == _class(row["text"]) for row in moved],
        "control": [{_class(found) for found in row["appended"]} == {_class(row["words"])} for row in clear],
    }
    return {name: _share(right, draws=draws, seed=seed) for name, right in asked.items()}


def _follows(row: Row, changed: str) -> bool:
    """Whether the lean moved away from the side that the emoji had."""
    return bool(row["side"] * (_lean(row[changed]) - _lean(row["text"])) < 0)


def _lean(found: Sequence[float]) -> float:
    return found[POSITIVE] - found[NEGATIVE]


def _class(found: Sequence[float]) -> int:
    return int(np.argmax(found))


def _is_clear(found: Sequence[float]) -> bool:
    return max(found[POSITIVE], found[NEGATIVE]) >= CONFIDENT


def _share(right: Sequence[bool], *, draws: int, seed: int) -> dict[str, Any] | None:
    if not right:
        return None

    def share(sums: Array) -> Array:
        return sums[..., 0] / len(right)

    return interval(np.array(right, dtype=np.float64)[:, None], share, draws=draws, seed=seed).as_json()
