import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.modeling import batches


@given(st.lists(st.integers(1, 100), min_size=1, max_size=200), st.integers(50, 500))
def test_buckets_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    made = batches.length_buckets(lengths, budget)
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= budget or len(batch) == 1 for batch in made)


def test_max_rows_bounds_a_batch() -> None:
    assert [len(batch) for batch in batches.length_buckets([3] * 10, 1000, max_rows=4)] == [4, 4, 2]


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
    unsorted = [list(range(start, start + 30)) for start in range(0, 5000, 30)]
    assert batches.padding_share(lengths, [[row for row in batch if row < 5000] for batch in unsorted]) > 0.3


def test_padding_share_by_hand() -> None:
    assert batches.padding_share([2, 4], [[0, 1]]) == 0.25


def test_pad() -> None:
    assert batches.pad([[1, 2, 3], [4]], 0).tolist() == [[1, 2, 3], [4, 0, 0]]
