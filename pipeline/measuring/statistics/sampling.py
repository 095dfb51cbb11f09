"""The same sample for every model and run: chosen by hash, so that rows coming or going barely move it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]


def fixed_sample(rows: Sequence[Row], count: int, seed: int, by: str | Callable[[Row], Any] | None = None) -> list[Row]:
    """At most ``count`` rows, in the order given, evenly from each group of equal ``by`` as far as they go."""
    return [rows[place] for place in fixed_places(rows, count, seed, by)]


def fixed_places(
    rows: Sequence[Row], count: int, seed: int, by: str | Callable[[Row], Any] | None = None
) -> NDArray[np.int64]:
    """Where the rows of ``fixed_sample`` stand.

    Args:
        by: the column that tells groups, or what tells them of a row; None: all rows are one.
    """
    draws, groups = bytearray(), np.zeros(len(rows), np.int64)
    known: dict[Any, int] = {}
    for place, row in enumerate(rows):
        draws += hashlib.sha256(f"{seed}\n{row['id']}".encode()).digest()
        if by is not None:
            groups[place] = known.setdefault(row[by] if isinstance(by, str) else by(row), len(known))
    order = np.argsort(np.frombuffer(draws, "S32"), kind="stable")
    rounds = np.zeros(len(rows), np.int64)  # of each in that order: how many of its group come before it
    for group in range(max(1, len(known))):
        own = groups[order] == group
        rounds[own] = np.arange(own.sum())
    return np.sort(order[np.argsort(rounds, kind="stable")][:count])
