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


def test_columns_of_every_kind_come_out_as_before(tmp_path: Path) -> None:
    rows = [
        {"text": f"text {n % 7}", "label": n % 3, "score": n / 2, "tags": ["a", "b"], "raw": b"x"} for n in range(9000)
    ]
    rows[5]["text"] = None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [row for _, row in read_rows(tmp_path / "a.parquet", "it")] == rows
    assert [number for number, _ in read_rows(tmp_path / "a.parquet", "it")] == list(range(1, 9001))
