"""Paths that a fingerprint leaves out: what lies there is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.settings import declared
from pipeline.machine.fingerprint import digest_reads, identify
from stages import STORY
from tests.cards import write_card

STAGES = {stage.name: stage for stage in STORY}


def corpora(root: Path, card: Path) -> dict[str, Any]:
    """Settings with a corpus whose data lie under this root."""
    return {"data_root": root, "corpora": [str(write_card(card, "text.txt", "role: informal"))]}


PLACES: dict[tuple[str, str], Callable[[Path, Path], dict[str, Any]]] = {
    ("prepare", "data_root"): corpora,
    ("evaluate", "emoji_ranking"): lambda root, _: {"emoji_ranking": root / "text.txt"},
}
"""Of each setting that counts by content: settings that read ``text.txt`` in a folder."""


def test_every_such_setting_is_tried_here() -> None:
    assert {(name, field) for name in STAGES for field in declared(STAGES[name].settings_type, "by_content")} == {
        *PLACES
    }


@pytest.mark.parametrize("place", PLACES)
def test_the_content_counts_and_the_place_does_not(tmp_path: Path, place: tuple[str, str]) -> None:
    stage, found = STAGES[place[0]], []
    for folder, content in (("here", "hi"), ("there", "hi"), ("there", "ho")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "text.txt").write_text(content)
        settings = stage.settings_type.model_validate(PLACES[place](tmp_path / folder, tmp_path / "card"))
        found.append(identify(stage, settings, None, digest_reads(stage, settings), {}).fingerprint)
    here, there, changed = found
    assert here == there != changed
