"""A long file is there once it is whole, and what was kept of it is not written twice."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.common.growing import growing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def broken_off(path: Path, identity: str, parts: list[str], encoding: str = "utf-8") -> None:
    """Write parts, each kept, and half a part that is not."""
    with suppress(KeyboardInterrupt), growing(path, identity, encoding) as file:
        for number, part in enumerate(parts, start=1):
            file.stream.write(part)
            file.keep({"parts": number})
        file.stream.write("half")
        raise KeyboardInterrupt


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_it_goes_on_after_the_last_part_that_was_kept(tmp_path: Path, encoding: str) -> None:
    broken_off(tmp_path / "a.csv", "x", ["one\n", "zwei ä\n"], encoding)
    assert names(tmp_path) == ["a.csv.part", "a.csv.part.json"]
    with growing(tmp_path / "a.csv", "x", encoding) as file:
        assert file.told == {"parts": 2}
        file.stream.write("three\n")
    assert (tmp_path / "a.csv").read_bytes() == "one\nzwei ä\nthree\n".encode(encoding)
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("harm", ["identity", "note", "shorter", "none kept"])
def test_what_cannot_be_gone_on_with_is_begun_anew(tmp_path: Path, harm: str) -> None:
    part, note = tmp_path / "a.csv.part", tmp_path / "a.csv.part.json"
    broken_off(tmp_path / "a.csv", "y" if harm == "identity" else "x", ["one\n"])
    if harm == "note":
        note.write_text("[]")
    elif harm == "shorter":
        part.write_text("on")
    elif harm == "none kept":
        note.unlink()
    with growing(tmp_path / "a.csv", "x") as file:
        assert file.told == {}
        file.stream.write("1\n")
    assert (tmp_path / "a.csv").read_text() == "1\n"


def test_of_what_failed_before_anything_was_kept_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    broken_off(tmp_path / "a.csv", "x", [])
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    says = r"a\.csv: another process is writing it"
    with growing(place, "x"), pytest.raises(InputError, match=says), growing(place, "x"):
        pass
    assert names(tmp_path) == ["a.csv"]
