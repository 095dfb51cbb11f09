"""The exchange rate of adaptation: nats of general English lost for each nat gained on the text adapted to.

Gururangan et al. 2020, "Don't Stop Pretraining", table 12, have what it is computed from: RoBERTa adapted to reviews
paid 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.measuring.statistics.bootstrap import Array
from pipeline.measuring.statistics.comparison import Measured
from pipeline.measuring.statistics.ladder import Draws

Row = Mapping[str, Any]
Side = tuple[Sequence[Row], Sequence[Sequence[Row]]]
Corpora = Mapping[str, Side]
"""corpus -> rows {"nats", "masked"} of the same texts, from the base and from the adapted model of each seed."""


def exchange(general: Corpora, informal: Corpora, draws: Draws) -> dict[str, Any] | None:
    """What adaptation lost and gained, means over corpora in nats a masked piece, and the rate between the two.

    Returns:
        {"rate", "lost", "gained"}, an estimate each; the rate's value is None where nothing was gained. None where
        adaptation changed nothing, or one of the two sides was not measured.
    """
    if not general or not informal:
        return None
    sides = [*general.values(), *informal.values()]
    table = _contributions(sides)
    if not table[..., ::2].any():
        return None
    split = len(general)

    def lost(sums: Array) -> Array:
        return _mean_change(sums[..., : 2 * split])

    def gained(sums: Array) -> Array:
        return -_mean_change(sums[..., 2 * split :])

    def rate(sums: Array) -> Array:
        paid, got = lost(sums), gained(sums)
        return np.divide(paid, got, out=np.full(paid.shape, np.nan), where=got > 0)

    wanted = {"rate": rate, "lost": lost, "gained": gained}
    return {name: draws.of(Measured(table, statistic)) for name, statistic in wanted.items()}


def _contributions(sides: Sequence[Side]) -> Array:
    """[texts of all corpora, seeds, 2 x corpora]: change in nats and masked pieces, in the corpus's columns."""
    blocks = []
    for place, (before, seeds) in enumerate(sides):
        block = np.zeros((len(before), len(seeds), 2 * len(sides)))
        for seed, after in enumerate(seeds):
            block[:, seed, 2 * place] = [now["nats"] - then["nats"] for then, now in zip(before, after, strict=True)]
            block[:, seed, 2 * place + 1] = [row["masked"] for row in before]
        blocks.append(block)
    return np.concatenate(blocks)


def _mean_change(sums: Array) -> Array:
    with np.errstate(invalid="ignore"):  # a draw without a text of some corpus settles nothing
        found: Array = (sums[..., ::2] / sums[..., 1::2]).mean(axis=-1)
    return found
