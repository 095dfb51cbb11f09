"""A machine that gives out under the story: no room on the disk."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_story import OFTEN, made, run, write_place


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_in_training_is_one_line_and_costs_nothing(
    toy_model: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_place(small_disk, toy_model)
    assert run(place, "pretrain", "--arm", "full", *OFTEN) == 2
    assert "the disk is nearly full" in capsys.readouterr().err  # said before anything is written
    monkeypatch.setattr("pipeline.machine.store.LEAST_FREE_BYTES", 0)
    assert run(place, "tokenizer", "--arm", "full") == 0
    before = made(place)
    filler = small_disk / "filler"
    capsys.readouterr()
    for room, says in {
        0: f"store {place / 'store'}: cannot be written (No space left on device); free some space, or",
        1_500_000: f"stage pretrain: disk full at {place / 'store'}; free some space, then run the same again",
    }.items():
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - room))
        assert run(place, "pretrain", "--arm", "full", *OFTEN) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(says)
        assert made(place) == before
        filler.unlink()
    assert run(place, "pretrain", "--arm", "full", *OFTEN) == 0
    assert run(place, "pretrain", "--arm", "full", store="undisturbed") == 0
    (resumed,), (undisturbed,) = (
        [manifest["files"] for name, manifest in made(place, store).items() if name.startswith("pretrain")]
        for store in ("store", "undisturbed")
    )
    assert resumed == undisturbed
