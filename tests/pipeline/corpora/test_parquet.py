"""Parquet: what it decodes to is counted, and values come out as they were written."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.readers import read_rows


def test_a_dictionary_that_unpacks_to_much_is_stopped(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"text": column}), bomb, compression="zstd", store_schema=False)
    assert bomb.stat().st_size < 10_000
    rows = read_rows(bomb, "card shop, it", max_bytes=400_000_000)
    tracemalloc.start()
    assert len(next(rows)[1]["text"]) == 1_000_000
    with pytest.raises(InputError, match=r"unpacks to more than 400,000,000 bytes; split it, or raise max_file_bytes"):
        list(map(len, rows))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 700_000_000


def test_what_is_nested_is_counted_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb, (text, numbers) = tmp_path / "bomb.parquet", (pa.array([0] * 5000, pa.int32()), [[0] * 5000] * 2000)
    values = pa.DictionaryArray.from_arrays(text, pa.array(["x" * 1_000_000]))
    offsets = pa.array(range(0, 5001, 50), pa.int32())
    for column, most, says in (
        (pa.ListArray.from_arrays(offsets, values), 400_000_000, "unpacks to more than 400,000,000 bytes"),
        (pa.MapArray.from_arrays(offsets, text, values), 400_000_000, "unpacks to more than 400,000,000 bytes"),
        (
            pa.ListArray.from_arrays(pa.array([0, 5000], pa.int32()), values),
            1 << 33,
            r"row 1: unpacks to 5,000,040,008 bytes",
        ),
        (pa.array(numbers), 50_000_000, "unpacks to more than 50,000,000 bytes"),
    ):
        pq.write_table(pa.table({"text": column}), bomb, compression="zstd", store_schema=False)
        assert bomb.stat().st_size < 200_000
        tracemalloc.start()
        with pytest.raises(InputError, match=says):
            for _ in read_rows(bomb, "it", max_bytes=most):
                pass
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
        tracemalloc.stop()


def test_columns_of_every_kind_come_out_as_before(tmp_path: Path) -> None:
    rows = [
        {
            "text": f"text {n % 7}",
            "label": n % 3,
            "score": n / 2,
            "tags": ["a", "b"],
            "raw": b"x",
            "by": {"id": n, "names": [{"of": f"n{n % 5}"}] * (n % 3)},
        }
        for n in range(9000)
    ]
    rows[5]["text"] = None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [row for _, row in read_rows(tmp_path / "a.parquet", "it")] == rows
    assert [number for number, _ in read_rows(tmp_path / "a.parquet", "it")] == list(range(1, 9001))
