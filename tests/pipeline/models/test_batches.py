from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import batches


@given(st.lists(st.integers(1, 100), min_size=1, max_size=200), st.integers(50, 500))
def test_buckets_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    made = batches.length_buckets(lengths, budget)
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= budget or len(batch) == 1 for batch in made)


def every_cut(rows: list[int]) -> Iterator[list[list[int]]]:
    if not rows:
        yield []
    for end in range(1, len(rows) + 1):
        yield from ([rows[:end], *rest] for rest in every_cut(rows[end:]))


@given(st.lists(st.integers(1, 9), max_size=9), st.integers(9, 30), st.sampled_from([None, 2, 4]))
def test_tight_buckets_are_as_few_as_can_be_with_the_least_padding(
    lengths: list[int], budget: int, max_rows: int | None
) -> None:
    def worth(cut: list[list[int]]) -> tuple[int, int]:
        return len(cut), sum(len(batch) * lengths[batch[-1]] for batch in cut)

    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    allowed = [
        cut
        for cut in every_cut(order)
        if all(len(one) * lengths[one[-1]] <= budget and len(one) <= (max_rows or len(one)) for one in cut)
    ]
    made = batches.tight_buckets(lengths, budget, max_rows, order)
    assert made in allowed
    assert worth(made) == min(map(worth, allowed))


def test_a_row_beyond_the_budget_has_a_batch_of_its_own() -> None:
    assert batches.tight_buckets([2, 50, 2, 60], 10, None, [0, 2, 1, 3]) == [[0, 2], [1], [3]]


def test_an_epoch_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 500).tolist()
    first = batches.epoch_batches(lengths, 512, seed=1, epoch=0)
    assert first == batches.epoch_batches(lengths, 512, seed=1, epoch=0)
    assert first != batches.epoch_batches(lengths, 512, seed=1, epoch=1)
    assert first != batches.epoch_batches(lengths, 512, seed=2, epoch=0)
    assert sorted(row for batch in first for row in batch) == list(range(500))


def test_hardly_any_padding() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 5000).tolist()
    assert batches.padding_share(lengths, batches.epoch_batches(lengths, 1024, seed=0, epoch=0)) < 0.05
    assert batches.padding_share(lengths, batches.epoch_batches(lengths, 4096, seed=0, epoch=0, max_rows=16)) < 0.05
    assert batches.padding_share(lengths[:600], batches.epoch_batches(lengths[:600], 4096, 0, 0, max_rows=16)) < 0.05
    unsorted = [list(range(start, start + 30)) for start in range(0, 5000, 30)]
    assert batches.padding_share(lengths, [[row for row in batch if row < 5000] for batch in unsorted]) > 0.3


def test_padding_share_by_hand() -> None:
    assert batches.padding_share([2, 4], [[0, 1]]) == 0.25


def test_pad() -> None:
    assert batches.pad([[1, 2, 3], [4]], 0).tolist() == [[1, 2, 3], [4, 0, 0]]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=9), st.integers(-10, 10), st.integers(-10, 10))
def test_ragged_arrays_are_read_as_a_list_of_them(rows: list[list[int]], start: int, end: int) -> None:
    laid = batches.Ragged.of(map(np.array, rows))
    assert [row.tolist() for row in laid] == rows
    assert {row.dtype for row in laid} <= {np.dtype(np.int32)}
    assert laid.lengths.tolist() == [len(row) for row in rows]
    assert [row.tolist() for row in laid[start:end] + laid] == rows[start:end] + rows
    assert [row.tolist() for row in laid[::-2]] == rows[::-2]
    for at in range(-len(rows), len(rows)):
        assert laid[at].tolist() == laid[np.int64(at)].tolist() == rows[at]
    with pytest.raises(IndexError):
        laid[len(rows)]


def test_a_part_of_ragged_arrays_has_its_own_numbers_alone() -> None:
    laid = batches.Ragged.of([[1, 2], [3], [2**40]], np.int64)
    assert laid[1:].numbers.tolist() == [3, 2**40]
