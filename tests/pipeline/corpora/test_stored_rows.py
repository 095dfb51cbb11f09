"""Rows that lie on disk: read like a list of them, in memory that hardly grows with them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.files import read_jsonl, write_jsonl
from pipeline.corpora.stored_rows import StoredRows, columns_of


def rows(count: int, name: str = "a") -> list[dict[str, Any]]:
    return [{"id": f"{name}:{place}", "text": f"naïve 😂\u2028\nline {place}" * (place % 4)} for place in range(count)]


@pytest.fixture
def stored(tmp_path: Path) -> StoredRows:
    write_jsonl(tmp_path / "a.jsonl", rows(9))
    return StoredRows.of(tmp_path / "a.jsonl")


def test_they_are_what_was_written(stored: StoredRows, tmp_path: Path) -> None:
    assert list(stored) == rows(9) == read_jsonl(tmp_path / "a.jsonl")
    assert len(stored) == 9
    assert stored[-1] == rows(9)[-1]
    assert list(stored[2:7:2]) == rows(9)[2:7:2]
    with pytest.raises(IndexError):
        stored[9]


def test_a_file_that_is_not_there_or_empty_has_none(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    for name in ("empty", "none"):
        found = StoredRows.of(tmp_path / f"{name}.jsonl")
        assert not found
        assert list(found) == list(found.where(bool)) == list(StoredRows.joined([found, found])) == []
    assert list(StoredRows.joined([])) == []


def test_some_of_them_in_any_order(stored: StoredRows) -> None:
    assert [row["id"] for row in stored.take(np.array([3, 0]))] == ["a:3", "a:0"]
    assert [row["id"] for row in stored.where(lambda row: row["text"] == "")] == ["a:0", "a:4", "a:8"]


def test_files_one_after_the_other_each_with_what_is_said_of_it(stored: StoredRows, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "b.jsonl", rows(3, "b"))
    named = [part.beside(corpus=name) for name, part in (("A", stored[:2]), ("B", StoredRows.of(tmp_path / "b.jsonl")))]
    both = StoredRows.joined([*named, stored.take(np.array([8]))])
    told = [row | {"corpus": row["id"][0].upper()} for row in rows(2) + rows(3, "b")]
    assert list(both) == [*told, rows(9)[8]]
    assert both[1:2].beside(corpus="C")[0]["corpus"] == "C"
    assert both[1]["corpus"] == "A"
    assert columns_of(both[:2], "corpus", "id") == [["A", "A"], ["a:0", "a:1"]]


def test_no_text_is_held(tmp_path: Path) -> None:
    """Thirty bytes a row: beside the list of them that is ten times as much, it is hardly anything."""
    path = tmp_path / "long.jsonl"
    write_jsonl(path, ({"id": f"a:{place}", "text": "many words " * 100} for place in range(5000)))
    tracemalloc.start()
    try:
        found = StoredRows.of(path)
        assert sum(len(row["text"]) for row in found) == 5000 * 1100
        assert tracemalloc.get_traced_memory()[1] < 5000 * 60
    finally:
        tracemalloc.stop()
