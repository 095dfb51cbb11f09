"""The fixed sample: stable, even over groups, in the order given."""

from __future__ import annotations

from collections import Counter

from pipeline.measuring.statistics.sampling import fixed_sample

ROWS = [{"id": f"r{place}", "kind": "rare" if place % 10 == 0 else "common"} for place in range(100)]


def test_all_rows_where_there_are_few() -> None:
    assert fixed_sample(ROWS, 100, seed=0) == ROWS


def test_same_sample_whatever_the_order() -> None:
    forward, backward = fixed_sample(ROWS, 30, seed=0), fixed_sample(ROWS[::-1], 30, seed=0)
    assert forward == backward[::-1]
    assert forward != fixed_sample(ROWS, 30, seed=1)


def test_rows_that_go_move_the_sample_barely() -> None:
    kept = {row["id"] for row in fixed_sample(ROWS, 30, seed=0)}
    fewer = {row["id"] for row in fixed_sample(ROWS[5:], 30, seed=0)}
    assert len(kept & fewer) >= 25


def test_even_over_groups_as_far_as_they_go() -> None:
    even = Counter(row["kind"] for row in fixed_sample(ROWS, 16, seed=0, by="kind"))
    assert even == {"rare": 8, "common": 8}
    short = Counter(row["kind"] for row in fixed_sample(ROWS, 40, seed=0, by="kind"))
    assert short == {"rare": 10, "common": 30}
