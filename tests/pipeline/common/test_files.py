"""Files that are whole or not there."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.common import files


def test_json_reads_back_and_steers_nothing(tmp_path: Path) -> None:
    said = {"text": "😂 \x9b31m \u202e \ud83d \x00", "share": 0.1}
    files.write_json(tmp_path / "new" / "a.json", said)
    assert files.read_json(tmp_path / "new" / "a.json") == said
    written = (tmp_path / "new" / "a.json").read_text(encoding="utf-8")
    assert "😂" in written
    assert not {"\x9b", "\u202e", "\x00"} & set(written)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})


def test_a_file_that_breaks_off_leaves_the_old_one(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"id": 2}
        raise OSError("no space")

    files.write_jsonl(tmp_path / "rows.jsonl", [{"id": 1}])
    with pytest.raises(OSError, match="no space"):
        files.write_jsonl(tmp_path / "rows.jsonl", rows())
    assert files.read_jsonl(tmp_path / "rows.jsonl") == [{"id": 1}]


def test_what_is_no_regular_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"x" * 11)
    assert files.read_whole(tmp_path / "large", 11) == b"x" * 11
    for name, said in {"pipe": "no regular file", "zero": "no regular file", "large": "larger than 10 bytes"}.items():
        with pytest.raises(OSError, match=said):
            files.read_whole(tmp_path / name, 10)
    with pytest.raises(OSError, match="no regular file"):
        files.sha256(tmp_path / "pipe")


@pytest.mark.parametrize("text", ["[1]", "3", "[" * 100_000, '{"a":' * 100_000, "{", "\xff"])
def test_what_is_no_json_object_is_one_kind_of_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r".+"):
        files.read_object(tmp_path / "a.json")
