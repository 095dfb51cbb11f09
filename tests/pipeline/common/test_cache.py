"""What is remembered is computed once; what is damaged is computed again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common import cache


def remembered(folder: Path, key: Any, compute: Callable[[], Any]) -> Any:
    return cache.remembered(folder, [(key, compute)])[0]


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, object]:
        self.calls += 1
        return {"rows": [1, 2.5], "text": "great 😂"}


def test_computed_once_a_key(tmp_path: Path) -> None:
    compute = Counting()
    first = remembered(tmp_path / "not yet there", ["weights", 1], compute)
    assert (
        remembered(tmp_path / "not yet there", ["weights", 1], compute)
        == first
        == {"rows": [1, 2.5], "text": "great 😂"}
    )
    assert compute.calls == 1
    remembered(tmp_path / "not yet there", ["weights", 2], compute)
    assert compute.calls == 2


@pytest.mark.parametrize("damage", [lambda body: body[:-3], lambda body: body.replace(b"2.5", b"9.5"), lambda _: b""])
def test_a_damaged_entry_is_noticed_and_mended(tmp_path: Path, damage, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    compute = Counting()
    expected = remembered(tmp_path, "key", compute)
    (entry,) = tmp_path.glob("*.json")
    entry.write_bytes(damage(entry.read_bytes()))
    assert remembered(tmp_path, "key", compute) == expected
    assert compute.calls == 2
    assert "damaged" in caplog.text
    remembered(tmp_path, "key", compute)
    assert compute.calls == 2


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    assert remembered(tmp_path / "file" / "cache", "key", lambda: [1]) == [1]
    assert "cannot be remembered" in caplog.text


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    remembered(tmp_path, "key", lambda: list(range(1000)))
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".lock"}


def _in_another_process(folder: Path, begun: Any, go_on: Any) -> None:
    def slow() -> str:
        begun.set()
        go_on.wait(30)
        return "theirs"

    cache.remembered(folder, [("shared", slow)])


def test_what_another_process_works_out_is_left_to_it_and_asked_for_last(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    begun, go_on = context.Event(), context.Event()
    other = context.Process(target=_in_another_process, args=(tmp_path, begun, go_on))
    other.start()
    assert begun.wait(30)

    def own() -> str:
        go_on.set()  # the other one comes to its end only once we have passed over it
        return "ours"

    assert cache.remembered(tmp_path, [("shared", lambda: "twice"), ("own", own)]) == ["theirs", "ours"]
    other.join(30)
