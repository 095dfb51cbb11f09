"""The same sample for every model and run: chosen by hash, so that rows coming or going barely move it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any


def fixed_sample(rows: Sequence[dict[str, Any]], count: int, seed: int, by: str | None = None) -> list[dict[str, Any]]:
    """At most ``count`` rows, in the order given, evenly from each group of equal ``row[by]`` as far as they go."""
    seen: Counter[Any] = Counter()
    ranked = []
    for place in sorted(range(len(rows)), key=lambda place: _draw(rows[place]["id"], seed)):
        group = rows[place][by] if by else None
        ranked.append((seen[group], place))
        seen[group] += 1
    order = [place for _, place in sorted(ranked, key=lambda found: found[0])]  # stable: within a round by hash
    return [rows[place] for place in sorted(order[:count])]


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()
