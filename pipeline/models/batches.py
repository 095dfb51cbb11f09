"""Batches of texts of similar length under a token budget, so that hardly any padding is computed.

A training run is one list of batches fixed in advance: a pure function of lengths, budget and seed. What batch 1,234
holds does not depend on how the run got there, which is what makes resuming exact.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

Ids = NDArray[np.int32]
"""Of one text, [length], with [CLS] and [SEP]."""
Lengths = Sequence[int] | NDArray[np.int64]
"""Of texts, in tokens."""
Batch = Sequence[int] | NDArray[np.int64]
"""Which rows it holds."""

POOL = 64
"""Texts are sorted by length within pools of about so many batches: little padding, and still a random mixture."""

FORWARD_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Padded size of a batch that nobody learns from: what stays in a processor's cache, what keeps a GPU busy."""


class Ragged(Sequence[NDArray[Any]]):
    """Arrays of unlike lengths, laid end to end in one: of a million texts no million objects.

    Args:
        numbers: of all.
        cuts: where in them each begins, and where the last one ends; int64 [arrays + 1].
    """

    def __init__(self, numbers: NDArray[Any], cuts: NDArray[np.int64]) -> None:
        self.numbers, self._cuts = numbers, cuts

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | NDArray[Any]] = (), dtype: type = np.int32) -> Ragged:
        """Of rows as they come."""
        laid = Laying(dtype)
        for row in rows:
            laid.add(row)
        return laid.done()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Of each."""
        return np.diff(self._cuts)

    def __len__(self) -> int:
        return len(self._cuts) - 1

    @overload
    def __getitem__(self, at: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Ragged: ...
    def __getitem__(self, at: int | slice) -> NDArray[Any] | Ragged:
        places = range(len(self))[at]
        if isinstance(places, int):
            return self.numbers[self._cuts[places] : self._cuts[places + 1]]
        return Ragged.of((self[place] for place in places), self.numbers.dtype.type)

    def __add__(self, other: Ragged) -> Ragged:
        cuts = np.concatenate([self._cuts, self._cuts[-1] + other._cuts[1:]])
        return Ragged(np.concatenate([self.numbers, other.numbers]), cuts)


class Laying:
    """A ``Ragged`` to which arrays are added one by one."""

    def __init__(self, dtype: type = np.int32) -> None:
        self._dtype, self._numbers, self._ends = dtype, bytearray(), array("q", [0])

    def add(self, row: Sequence[int] | NDArray[Any]) -> None:
        """Lay down one more."""
        self._numbers += np.asarray(row, self._dtype).tobytes()
        self._ends.append(self._ends[-1] + len(row))

    def done(self) -> Ragged:
        """All of them; no more can be added."""
        return Ragged(np.frombuffer(self._numbers, self._dtype), np.frombuffer(self._ends, np.int64))


def length_buckets(lengths: Lengths, tokens_per_batch: int) -> list[list[int]]:
    """Cut row numbers, longest first, into batches whose padded size stays within ``tokens_per_batch``.

    A row longer than the budget gets a batch of its own.
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > tokens_per_batch:
            batches.append([])
        batches[-1].append(row)
    return batches


def tight_buckets(
    lengths: Lengths, tokens_per_batch: int, max_rows: int | None, order: Sequence[int]
) -> list[list[int]]:
    """Of all cuts into as few batches as can be, the one with the least padding.

    A dynamic programme: the best cut of the first n rows is the best cut of fewer and one batch more.

    Args:
        order: the rows to cut, shortest first; one beyond the budget gets a batch of its own.
    """
    sizes = np.asarray(lengths, np.int64)[order]
    one_more = int(sizes.sum()) + len(sizes) * int(sizes.max(initial=0))  # for each batch, above all padding
    cost = np.zeros(len(sizes) + 1, dtype=np.int64)  # of the best cut of the first so many rows
    begin = [0] * (len(sizes) + 1)  # where the last batch of that cut begins
    for end, longest in enumerate(sizes.tolist(), start=1):
        rows = min(end, max_rows or end, max(1, tokens_per_batch // longest))
        costs = cost[end - rows : end] + longest * np.arange(rows, 0, -1)
        begin[end] = end - rows + int(costs.argmin())
        cost[end] = costs.min() + one_more
    batches: list[list[int]] = []
    end = len(sizes)
    while end:
        batches.append(list(order[begin[end] : end]))
        end = begin[end]
    return batches[::-1]


def epoch_batches(
    lengths: Lengths, tokens_per_batch: int, seed: int, epoch: int, max_rows: int | None = None
) -> list[list[int]]:
    """One epoch's batches: rows shuffled, sorted by length within pools, cut by budget, batches shuffled again."""
    random, lengths = np.random.default_rng([seed, epoch]), np.asarray(lengths, np.int64)
    shuffled = random.permutation(len(lengths))
    mean = max(1.0, float(np.mean(lengths))) if len(lengths) else 1.0
    rows_per_batch = min(max_rows or math.inf, max(1.0, tokens_per_batch / mean))
    pools = max(1, round(len(shuffled) / (POOL * rows_per_batch)))
    batches: list[list[int]] = []
    for pool in np.array_split(shuffled, pools):
        rows = pool[np.argsort(lengths[pool], kind="stable")]
        batches += tight_buckets(lengths, tokens_per_batch, max_rows, rows.tolist())
    return [batches[place] for place in random.permutation(len(batches))]


def padding_share(lengths: Lengths, batches: Sequence[Batch]) -> float:
    """Share of a plan's token positions that hold only padding."""
    read, padded, lengths = 0, 0, np.asarray(lengths)
    for batch in batches:
        own = lengths[batch]
        read, padded = read + int(own.sum()), padded + len(own) * int(own.max())
    return 1.0 - read / max(1, padded)


def pad(rows: Sequence[Sequence[int] | NDArray[Any]], padding: int) -> Tensor:
    """Stack rows of ids into one int64 tensor [rows, longest], filled up with ``padding``."""
    stacked = np.full((len(rows), max(len(row) for row in rows)), padding, dtype=np.int64)
    for place, row in enumerate(rows):
        stacked[place, : len(row)] = row
    return torch.from_numpy(stacked)


Feed = Callable[[Sequence[Ids]], dict[str, Any]]
"""What a model reads of a batch's texts: padded ids, or states computed before (``learning/frozen_cache``)."""


def padded(
    rows: Sequence[Sequence[int] | NDArray[Any]], padding: int, table: Tensor | None = None
) -> dict[str, Tensor]:
    """Padded ``input_ids`` and their ``attention_mask``, int64 [rows, longest].

    Args:
        table: where the model has the embedding of each id, if not at its place (``learning/embedding_subset``).
    """
    ids = pad(rows, padding)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return {"input_ids": ids if table is None else table[ids], "attention_mask": mask}


def as_inputs(rows: Sequence[Sequence[int] | NDArray[Any]], padding: int, model: nn.Module) -> dict[str, Tensor]:
    """The same on the model's device."""
    device = next(model.parameters()).device
    return {name: part.to(device) for name, part in padded(rows, padding).items()}


class BatchPlan(Dataset[dict[str, Tensor]]):
    """A whole training run as a data set whose items are finished batches, in the order they are trained on.

    Trainer reads it with a batch size of 1 and sequential sampling; resuming at step n is item n.
    """

    def __init__(self, batches: Sequence[Batch], make: Callable[[Batch, int], dict[str, Any]]) -> None:
        self.batches, self.make = batches, make

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.make(self.batches[place], place)


def only_item(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The collator for a ``BatchPlan``: each item is a batch already."""
    return items[0]
